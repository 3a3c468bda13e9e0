// The admin page: sign in, list videos with their states; play, retry, delete and download them.

import { listenToDialog, open } from './dialog.js';
import { element, LANGUAGE, number, onClick, reveal, showProblem, t, translate, ui } from './page.js';
import { ask } from './question.js';
import { headings, keepFocus, row } from './rows.js';
import {
  erase, eraseAll, isInProgress, placeOf, queryOf, readCounts, readPage, retry, signedIn, STATES,
} from './videos.js';

const ROWS = 50;
const REFRESH_INTERVAL = 3_000;

const EMPTY = { records: [], next: undefined, cursors: [], counts: {}, isLoaded: false };

/** `records` are those of `filter`, once `isLoaded`, at the last of `cursors`: one for each page after the first. */
const view = { ...EMPTY, api: undefined, filter: {} };
let refreshing;

function say(text) {
  ui.status.textContent = text;
}

// Sign-in

async function signIn(event) {
  event.preventDefault();
  const [username, password] = [ui.username.value, ui.password.value];
  if (!username || !password) {
    showProblem(ui.signInProblem, t('signInEmpty'));
    return ui[username ? 'password' : 'username'].focus();
  }
  const api = signedIn(username, password);
  ui.enter.disabled = true;
  try {
    await api('/hello');
    ui.password.value = '';
    showProblem(ui.signInProblem);
    enter(api);
  } catch (problem) {
    showProblem(ui.signInProblem, problem.status === 401 ? t('signInWrong') : problem.message);
    ui.password.select();
  } finally {
    ui.enter.disabled = false;
  }
}

function enter(api) {
  const given = Object.fromEntries(new URLSearchParams(location.search));
  for (const name of ['project', 'step']) ui[name].value = given[name] ?? '';
  Object.assign(view, { ...EMPTY, api });
  ui.signingIn.hidden = true;
  ui.signedIn.hidden = false;
  ui.listTitle.focus();
  apply({ ...fields(), status: STATES.includes(given.status) ? given.status : '' });
}

/** Forgets the password and everything that it gave access to. */
function signOut(problem) {
  view.loading?.abort();
  view.saving?.abort();
  document.querySelectorAll('dialog').forEach((dialog) => dialog.close());
  Object.assign(view, { ...EMPTY, api: undefined });
  ui.rows.replaceChildren();
  ui.filter.reset();
  ui.signedIn.hidden = true;
  ui.signingIn.hidden = false;
  showProblem(ui.signInProblem, problem);
  ui.username.focus();
}

// The list

/** Loads the page at the last of these cursors; cancels a load in progress. */
async function load(cursors = view.cursors) {
  view.loading?.abort();
  clearTimeout(refreshing);
  if (!view.api) return;
  view.loading = new AbortController();
  const { api, filter, loading: { signal } } = view;
  ui.freshness.textContent = t('loading');
  const startedAt = Date.now();
  const counting = readCounts(api, filter, signal).catch(() => ({}));
  try {
    const page = await readPage(api, { ...filter, limit: ROWS, cursor: cursors.at(-1) }, signal);
    // What was here may be deleted.
    if (!page.records.length && !page.next && cursors.length) return load(cursors.slice(0, -1));
    Object.assign(view, { ...page, cursors, isLoaded: true });
    render();
    showProblem(ui.listProblem);
    const counts = await counting;
    if (signal.aborted) return;
    view.counts = counts;
    renderCounts();
    const time = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: 'medium' }).format();
    ui.freshness.textContent = t('updated', { time }) + (isLive() ? ` · ${t('live')}` : '');
  } catch (problem) {
    if (signal.aborted) return;
    if (problem.status === 401) return signOut(t('signedOut'));
    ui.freshness.textContent = '';
    showProblem(ui.listProblem, view.isLoaded ? `${t('stale')} ${problem.message}` : problem.message);
    if (!view.isLoaded) Object.assign(view, EMPTY);
    render();
  }
  // A slow list refreshes less often.
  refreshing = setTimeout(refreshIfLive, Math.max(REFRESH_INTERVAL, 10 * (Date.now() - startedAt)));
}

function refreshIfLive() {
  if (!document.hidden && isLive()) load();
}

function isLive() {
  return view.records.some(isInProgress);
}

function render() {
  renderCounts();
  const { records, next, cursors, filter, isLoaded } = view;
  keepFocus(ui.rows, () => ui.rows.replaceChildren(...records.map((record) => row(record, actions))));
  ui.rows.ariaBusy = null;

  const isFiltered = Object.values(filter).some(Boolean);
  ui.clear.hidden = !isFiltered;
  ui.eraseAll.hidden = !filter.mail || !isLoaded;
  ui.empty.textContent = t(isFiltered ? 'noneFiltered' : 'none');
  ui.empty.hidden = records.length > 0 || !isLoaded;
  ui.pager.hidden = records.length === 0;
  const before = ROWS * cursors.length;
  ui.range.textContent = [before + 1, before + records.length].map((index) => number(index)).join('–');
  ui.previous.disabled = !cursors.length;
  ui.next.disabled = !next;
}

function renderCounts() {
  const { counts, filter } = view;
  const tile = (state) => {
    const count = state in counts ? number(counts[state]) + (counts.capped.includes(state) ? '+' : '') : '–';
    const button = element('button', { className: `count ${state}`, ariaPressed: String(filter.status === state) },
      element('b', {}, count), element('span', {}, t(state || 'all')));
    button.dataset.id = state || 'all';
    onClick(button, () => apply({ ...filter, status: state }));
    return button;
  };
  keepFocus(ui.counts, () => ui.counts.replaceChildren(...['', ...STATES].map(tile)));
}

const actions = {
  open: (record) => open(view.api, record),
  retry: (record, button) => retryOne(record, button, ui.actionProblem),
};

/** Shows the list after a change, and says so. */
function follow(change) {
  ui.dialog.close();
  showProblem(ui.actionProblem);
  say(t(change));
  return load();
}

/** Retries a video, or shows in `problemNode` why not. */
async function retryOne(record, button, problemNode) {
  button.disabled = true;
  await retry(view.api, record).then(() => follow('retrying'), ({ message }) => showProblem(problemNode, message));
  button.disabled = false;
}

function eraseOne(record) {
  ask(['eraseTitle', 'eraseText', 'erase'], { mail: record.Mail, ...placeOf(record) },
    () => erase(view.api, record).then(() => follow('erasing')));
}

function erasePerson() {
  const { api, filter: { mail } } = view;
  // A part may be deleted although the next one failed.
  ask(['eraseAllTitle', 'eraseAllText', 'eraseAll'], { mail },
    () => eraseAll(api, mail).finally(() => load()).then(() => say(t('erasing'))));
}

/** Shows the first page of a filter, and keeps it in the address, but never a mail. */
function apply(filter) {
  Object.assign(view, { filter, cursors: [], isLoaded: false });
  history.replaceState(null, '', location.pathname + queryOf({ ...filter, mail: '' }));
  renderCounts();
  ui.rows.ariaBusy = 'true';
  showProblem(ui.actionProblem);
  load();
}

function fields() {
  return Object.fromEntries(['project', 'step', 'mail'].map((name) => [name, ui[name].value.trim()]));
}

function applyFields(event) {
  event?.preventDefault();
  const filter = { ...fields(), status: event ? view.filter.status : '' };
  if (filter.step && !filter.project) {
    showProblem(ui.listProblem, t('stepNeedsProject'));
    return ui.project.focus();
  }
  view.counts = {};
  apply(filter);
}

async function turn(cursors) {
  await load(cursors);
  ui.listTitle.scrollIntoView();
  // A disabled button loses the focus.
  if (ui.next.disabled || ui.previous.disabled) ui.listTitle.focus();
  say(ui.range.textContent);
}

/** Saves the whole list, or cancels that. */
async function save() {
  if (view.saving) return view.saving.abort();
  view.saving = new AbortController();
  showProblem(ui.actionProblem);
  const onCount = (count) => { ui.csv.textContent = t('cancelCsv', { count: number(count) }); };
  try {
    const { saveCsv } = await import('./csv.js');
    await saveCsv(view.api, view.filter, view.saving.signal, onCount);
    say(t('saved'));
  } catch (problem) {
    // An abort comes from the person.
    if (problem.name !== 'AbortError') showProblem(ui.actionProblem, problem.message);
  }
  view.saving = undefined;
  ui.csv.textContent = t('csv');
}

// Events

function listen() {
  ui.signIn.addEventListener('submit', signIn);
  ui.filter.addEventListener('submit', applyFields);
  onClick(ui.clear, () => { ui.filter.reset(); applyFields(); });
  onClick(ui.refresh, () => load());
  onClick(ui.csv, save);
  onClick(ui.links, async () => (await import('./links.js')).openLinks(view.api, view.filter));
  onClick(ui.signOut, () => signOut());
  onClick(ui.previous, () => turn(view.cursors.slice(0, -1)));
  onClick(ui.next, () => turn([...view.cursors, view.next]));
  onClick(ui.eraseAll, erasePerson);
  listenToDialog({ retry: (record, button) => retryOne(record, button, ui.dialogProblem), erase: eraseOne });
  document.addEventListener('visibilitychange', refreshIfLive);
}

await translate('admin');
ui.counts.ariaLabel = t('states');
ui.head.append(headings());
listen();
reveal();
ui.username.focus();
