// The question before anything is deleted.

import { element, onClick, showProblem, t, ui } from './page.js';

/** Asks with the texts of these keys; the dialog closes once what a yes does has succeeded. */
export function ask([title, text, yes], values, onYes) {
  const heading = element('h2', {}, t(title));
  const words = element('p', {}, t(text, values));
  const problem = element('p', { id: 'questionProblem', className: 'notice', role: 'alert', hidden: true });
  const cancel = element('button', { id: 'no', autofocus: true }, t('cancel'));
  const go = element('button', { id: 'yes', className: 'danger' }, t(yes));
  const dialog = element('dialog', { id: 'question', role: 'alertdialog' },
    heading, words, problem, element('div', { className: 'actions' }, cancel, go));
  Object.assign(dialog, { ariaLabelledByElements: [heading], ariaDescribedByElements: [words] });
  dialog.addEventListener('close', () => dialog.remove());
  onClick(cancel, () => dialog.close());
  onClick(go, async () => {
    go.disabled = true;
    await onYes().then(() => { dialog.close(); ui.listTitle.focus(); }, ({ message }) => showProblem(problem, message));
    go.disabled = false;
  });
  document.body.append(dialog);
  dialog.showModal();
}
