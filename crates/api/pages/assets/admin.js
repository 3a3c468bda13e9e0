// The admin page: sign in, list every video with its state, play it, retry it.

import { csv } from './csv.js';
import { listenToDialog, open } from './dialog.js';
import { element, LANGUAGE, number, onClick, reveal, showProblem, t, translate, ui } from './page.js';
import { keepFocus, row } from './rows.js';
import { idOf, isInProgress, listPath, newestFirst, readList, retry, signedIn, STATES } from './videos.js';

const ROWS = 50;
const REFRESH_INTERVAL = 3_000;
const RETRY_REFRESH_FOR = 60_000;

const EMPTY = { records: [], isLoaded: false, next: undefined, page: 0 };

/** `api` is undefined while nobody is signed in; `records` are those of `filter`, once `isLoaded`. */
const view = { ...EMPTY, api: undefined, filter: {}, state: '', loading: undefined };
let refreshing;
/** Until when the list refreshes although no record in it is in progress. */
let refreshUntil = 0;

function say(text) {
  ui.status.textContent = text;
}

// Sign-in

async function signIn(event) {
  event.preventDefault();
  const [username, password] = [ui.username.value, ui.password.value];
  if (!username || !password) {
    showProblem(ui.signInProblem, t('signInEmpty'));
    ui[username ? 'password' : 'username'].focus();
    return;
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
  Object.assign(view, { ...EMPTY, api, filter: {}, state: '' });
  ui.filter.reset();
  ui.signingIn.hidden = true;
  ui.signedIn.hidden = false;
  ui.listTitle.focus();
  load();
}

/** Forgets the password and everything that it gave access to. */
function signOut(problem) {
  view.loading?.abort();
  clearTimeout(refreshing);
  ui.dialog.close();
  Object.assign(view, { ...EMPTY, api: undefined });
  ui.rows.replaceChildren();
  ui.signedIn.hidden = true;
  ui.signingIn.hidden = false;
  showProblem(ui.signInProblem, problem);
  ui.username.focus();
}

// The list

/** Loads the list again, or continues where it ended; cancels a load in progress. */
async function load(from) {
  view.loading?.abort();
  clearTimeout(refreshing);
  const loading = new AbortController();
  view.loading = loading;
  ui.freshness.textContent = t('loading');
  const startedAt = Date.now();
  const earlier = from ? view.records : [];
  const wasLoaded = view.isLoaded;
  const onPage = (records) => wasLoaded || showRecords([...records]);
  try {
    const { records, next } = await readList(view.api, from ?? listPath(view.filter), loading.signal, onPage);
    Object.assign(view, { next, isLoaded: true });
    showRecords([...earlier, ...records]);
    showProblem(ui.listProblem);
    const time = new Intl.DateTimeFormat(LANGUAGE, { timeStyle: 'medium' }).format();
    ui.freshness.textContent = t('updated', { time }) + (isLive() ? ` · ${t('live')}` : '');
  } catch (problem) {
    if (problem.name === 'AbortError') return;
    if (problem.status === 401) return signOut(t('signedOut'));
    ui.freshness.textContent = '';
    showProblem(ui.listProblem, view.isLoaded ? `${t('stale')} ${problem.message}` : problem.message);
  }
  // A long list refreshes less often, so that loading it takes at most a tenth of the time.
  refreshing = setTimeout(refreshIfLive, Math.max(REFRESH_INTERVAL, 10 * (Date.now() - startedAt)));
}

function refreshIfLive() {
  if (view.api && !document.hidden && isLive()) load();
}

function isLive() {
  return !view.next && (Date.now() < refreshUntil || view.records.some(isInProgress));
}

function showRecords(records) {
  view.records = records.sort(newestFirst);
  render();
}

function render() {
  renderCounts();
  const shown = view.records.filter(({ status }) => !view.state || status === view.state);
  view.page = Math.max(0, Math.min(view.page, Math.ceil(shown.length / ROWS) - 1));
  const from = view.page * ROWS;
  const rows = shown.slice(from, from + ROWS);
  keepFocus(ui.rows, () => ui.rows.replaceChildren(...rows.map((record) => row(record, actions))));

  const isFiltered = view.state !== '' || Object.values(view.filter).some(Boolean);
  ui.empty.textContent = t(isFiltered ? 'noneFiltered' : 'none');
  ui.empty.hidden = rows.length > 0 || !view.isLoaded;
  ui.pager.hidden = rows.length === 0;
  const [first, last, total] = [from + 1, from + rows.length, shown.length].map((count) => number(count));
  ui.range.textContent = t('range', { from: first, to: last, total });
  ui.previous.disabled = view.page === 0;
  ui.next.disabled = from + ROWS >= shown.length;
  ui.more.hidden = !view.next;
  ui.moreText.textContent = t('more', { count: number(view.records.length) });
}

function renderCounts() {
  const counts = Object.fromEntries(['', ...STATES].map((state) => [state, 0]));
  for (const { status } of view.records) {
    counts[''] += 1;
    if (status in counts) counts[status] += 1;
  }
  const tile = ([state, count]) => {
    const shown = view.isLoaded ? number(count) + (view.next ? '+' : '') : '–';
    const button = element('button', { className: `count ${state}`, ariaPressed: String(view.state === state) },
      element('b', {}, shown), element('span', {}, t(state || 'all')));
    button.dataset.id = state;
    button.addEventListener('click', () => { Object.assign(view, { state, page: 0 }); render(); });
    return button;
  };
  keepFocus(ui.counts, () => ui.counts.replaceChildren(...Object.entries(counts).map(tile)));
}

const actions = {
  open: (record) => open(view.api, record),
  retry: (record, button) => retryAndRefresh(record, button, ui.listProblem),
};

function replace(record) {
  showRecords(view.records.map((other) => (idOf(other) === idOf(record) ? record : other)));
}

/** Retries a video and announces it, or shows in `problemNode` why not. */
async function retryAndRefresh(record, button, problemNode) {
  button.disabled = true;
  try {
    await retry(view.api, record);
    refreshUntil = Date.now() + RETRY_REFRESH_FOR;
    replace({ ...record, status: 'uploaded', error: undefined, updatedAt: new Date().toISOString() });
    ui.dialog.close();
    say(t('retrying'));
    clearTimeout(refreshing);
    refreshing = setTimeout(refreshIfLive, REFRESH_INTERVAL);
  } catch (problem) {
    showProblem(problemNode, problem.message);
  } finally {
    button.disabled = false;
  }
}

function applyFilter(event) {
  event?.preventDefault();
  const filter = Object.fromEntries(['project', 'step', 'mail'].map((name) => [name, ui[name].value.trim()]));
  if (filter.step && !filter.project) {
    showProblem(ui.listProblem, t('stepNeedsProject'));
    ui.project.focus();
    return;
  }
  ui.clear.hidden = !Object.values(filter).some(Boolean);
  Object.assign(view, { ...EMPTY, filter });
  render();
  load();
}

function download() {
  const url = URL.createObjectURL(new Blob([csv(view.records)], { type: 'text/csv' }));
  element('a', { href: url, download: `videos-${new Date().toISOString().slice(0, 10)}.csv` }).click();
  // A download that has started keeps the data.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function turn(pages) {
  view.page += pages;
  render();
  ui.listTitle.scrollIntoView();
  say(ui.range.textContent);
}

// Events

function listen() {
  ui.signIn.addEventListener('submit', signIn);
  ui.filter.addEventListener('submit', applyFilter);
  onClick(ui.clear, () => { ui.filter.reset(); applyFilter(); });
  onClick(ui.refresh, () => load());
  onClick(ui.csv, download);
  onClick(ui.signOut, () => signOut());
  onClick(ui.previous, () => turn(-1));
  onClick(ui.next, () => turn(1));
  onClick(ui.loadMore, () => load(view.next));
  listenToDialog({ retry: (record, button) => retryAndRefresh(record, button, ui.dialogProblem) });
  document.addEventListener('visibilitychange', refreshIfLive);
}

await translate('admin');
ui.counts.ariaLabel = t('states');
listen();
reveal();
ui.username.focus();
