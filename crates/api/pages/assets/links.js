// Upload links: made for a pasted list of mails, to be copied or saved.

import { isStep, json, number, onClick, showProblem, t, ui } from './page.js';

/** Links that one request makes. */
const BATCH = 500;
const DEFAULT_DAYS = 14;
const MAX_DAYS = 365;
/** An address in a text such as `Ana Gil <ana@example.com>; ben@example.com`. */
const ADDRESS = /[^\s<>,;"()]+@[^\s<>,;"()]+/g;

/** The links that the dialog shows. */
let made = [];

/** Opens the dialog; links are made by `api`, at first for this project and step. */
export function openLinks(api, { project, step }) {
  Object.assign(ui.linksProject, { value: project ?? '' });
  Object.assign(ui.linksStep, { value: step || '0' });
  Object.assign(ui.linksExpires, { min: day(1), value: day(DEFAULT_DAYS), max: day(MAX_DAYS) });
  ui.linksForm.onsubmit = (event) => {
    event.preventDefault();
    make(api);
  };
  show([]);
  ui.linksDialog.showModal();
}

/** Returns the day in so many days, as a date field has it. */
function day(days) {
  const date = new Date();
  date.setDate(date.getDate() + days);
  const numbers = [date.getFullYear(), date.getMonth() + 1, date.getDate()];
  return numbers.map((part) => String(part).padStart(2, '0')).join('-');
}

async function make(api) {
  const mails = [...new Set(ui.linksMails.value.match(ADDRESS))];
  const [project, step] = [ui.linksProject.value.trim(), ui.linksStep.value.trim()];
  // The links end with the day, wherever the person is.
  const expires = new Date(`${ui.linksExpires.value}T23:59:59`);
  if (!project || !isStep(step) || Number.isNaN(expires.getTime()) || mails.length === 0) {
    return showProblem(ui.linksProblem, t('linksRule'));
  }
  showProblem(ui.linksProblem);
  ui.linksMake.disabled = true;
  const links = [];
  try {
    for (let start = 0; start < mails.length; start += BATCH) {
      const request = { project, step, mails: mails.slice(start, start + BATCH), expiresAt: expires.toISOString() };
      links.push(...(await api('/links', json(request))).body);
    }
  } catch (problem) {
    showProblem(ui.linksProblem, problem.message);
  }
  ui.linksMake.disabled = false;
  // Those that were made count, although the next ones were refused.
  if (ui.linksDialog.open && links.length > 0) show(links);
}

function show(links) {
  made = links;
  ui.linksMade.hidden = links.length === 0;
  ui.linksCount.textContent = t('linksCount', { count: number(links.length) });
  ui.linksList.value = links.map(({ mail, url }) => `${mail}\t${url}\n`).join('');
  if (links.length > 0) ui.linksList.focus();
}

/** Forgets the links and the mails. */
function forget() {
  ui.linksForm.reset();
  showProblem(ui.linksProblem);
  show([]);
}

async function copy() {
  const isCopied = await navigator.clipboard?.writeText(ui.linksList.value).then(() => true, () => false);
  ui.linksStatus.textContent = t(isCopied ? 'linksCopied' : 'copyFailed');
}

async function save() {
  const { saveLinks } = await import('./csv.js');
  await saveLinks(made).catch(({ name, message }) => name !== 'AbortError' && showProblem(ui.linksProblem, message));
}

ui.linksDialog.addEventListener('close', forget);
onClick(ui.linksClose, () => ui.linksDialog.close());
onClick(ui.linksCopy, copy);
onClick(ui.linksCsv, save);
