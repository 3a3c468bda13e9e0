// The states of the upload page, of which one is shown.

import { showProblem, ui } from './page.js';

/** Shows one state of the page; `say` is announced to screen readers, `focus` names the element that gets the focus. */
export function show(name, { say = '', focus, problem = '' } = {}) {
  for (const part of document.querySelectorAll('[data-state]')) part.hidden = part.dataset.state !== name;
  ui.stage.dataset.now = name;
  showProblem(ui.problem, problem);
  ui.status.textContent = say;
  if (focus) ui[focus].focus();
}
