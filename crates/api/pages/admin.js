// The admin page: sign in, see every video with its state, play it, retry it.

const ROWS = 50;
const REFRESH_AFTER = 3_000;
const WATCH_RETRY = 60_000;
const FACTS = ['error', 'requestedAt', 'uploadedAt', 'updatedAt', 'size', 'video', 'output', 'transcoder', 'jobId'];

const NOTHING = { records: [], isLoaded: false, next: undefined, page: 0 };

/** `api` is undefined while nobody is signed in; `records` are those of `filter`, once `isLoaded`. */
const view = { ...NOTHING, api: undefined, filter: {}, state: '', open: undefined, loading: undefined };
let refreshing;
/** Until when to look for changes even where none are under way. */
let watchedUntil = 0;

function say(text) {
  ui.status.textContent = text;
}

function showProblem(node, text = '') {
  node.textContent = text;
  node.hidden = text === '';
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
  Object.assign(view, { ...NOTHING, api, filter: {}, state: '' });
  ui.filter.reset();
  ui.signingIn.hidden = true;
  ui.signedIn.hidden = false;
  ui.listTitle.focus();
  load();
}

/** Forgets the secret and everything that it showed. */
function signOut(problem) {
  view.loading?.abort();
  clearTimeout(refreshing);
  ui.dialog.close();
  Object.assign(view, { ...NOTHING, api: undefined, open: undefined });
  ui.rows.replaceChildren();
  ui.signedIn.hidden = true;
  ui.signingIn.hidden = false;
  showProblem(ui.signInProblem, problem);
  ui.username.focus();
}

// The list

/** Reads the list anew, or goes on where it ended; an older reading is given up. */
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
    const { records, next } = await readList(view.api, from ?? listPath(view.filter, PAGE), loading.signal, onPage);
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
  // A long list is read again more rarely, so that reading it is never most of what happens.
  refreshing = setTimeout(refreshIfMoving, Math.max(REFRESH_AFTER, 10 * (Date.now() - startedAt)));
}

function refreshIfMoving() {
  if (view.api && !document.hidden && isLive()) load();
}

function isLive() {
  return !view.next && (Date.now() < watchedUntil || view.records.some(isMoving));
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
  keepFocus(ui.rows, () => ui.rows.replaceChildren(...rows.map(row)));

  const isFiltered = view.state !== '' || Object.values(view.filter).some(Boolean);
  ui.empty.textContent = t(isFiltered ? 'noneFiltered' : 'none');
  ui.empty.hidden = rows.length > 0 || !view.isLoaded;
  ui.pager.hidden = rows.length === 0;
  ui.range.textContent = t('range', { from: number(from + 1), to: number(from + rows.length), total: number(shown.length) });
  ui.previous.disabled = view.page === 0;
  ui.next.disabled = from + ROWS >= shown.length;
  ui.more.hidden = !view.next;
  ui.moreText.textContent = t('more', { count: number(view.records.length) });
}

/** Gives the focus back to the same button of the same record when the rows are made anew. */
function keepFocus(rows, change) {
  const { id, act } = rows.contains(document.activeElement) ? document.activeElement.dataset : {};
  change();
  if (id) [...rows.querySelectorAll('button')].find(({ dataset }) => dataset.id === id && dataset.act === act)?.focus();
}

function renderCounts() {
  const counts = Object.fromEntries(['', ...STATES].map((state) => [state, 0]));
  for (const { status } of view.records) {
    counts[''] += 1;
    if (status in counts) counts[status] += 1;
  }
  const tile = ([state, count]) => {
    const button = element('button', { className: `count ${state}`, ariaPressed: String(view.state === state) },
      element('b', {}, view.isLoaded ? number(count) + (view.next ? '+' : '') : '–'), element('span', {}, t(state || 'all')));
    button.dataset.id = state;
    button.addEventListener('click', () => { Object.assign(view, { state, page: 0 }); render(); });
    return button;
  };
  keepFocus(ui.counts, () => ui.counts.replaceChildren(...Object.entries(counts).map(tile)));
}

function row(record) {
  const { project, step } = placeOf(record);
  const cell = (label, className, ...children) => {
    const td = element('td', { className, role: 'cell' }, ...children);
    td.dataset.label = label;
    return td;
  };
  return element('tr', { role: 'row' },
    cell(t('state'), 'state', badge(record), ...(record.error ? [element('span', { className: 'error' }, record.error)] : [])),
    cell(t('mail'), 'mail', record.Mail),
    cell(t('project'), '', project),
    cell(t('step'), 'number', step),
    cell(t('size'), 'number', record.size === undefined ? '' : bytes(record.size)),
    cell(t('time'), 'time', when(changedAt(record))),
    cell('', 'row-actions', ...rowActions(record, { mail: record.Mail, project })));
}

function badge({ status }) {
  const known = STATES.includes(status) ? status : 'unknown';
  return element('span', { className: `badge ${known}` }, t(known));
}

/** A time as people here write it; what is no time stays as it is. */
function when(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const shown = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeStyle: 'short' }).format(date);
  return element('time', { dateTime: text, title: text }, shown);
}

function rowActions(record, values) {
  const action = (name, className, run) => {
    const button = element('button', { className, ariaLabel: t(`${name}Of`, values) }, t(name));
    Object.assign(button.dataset, { id: idOf(record), act: name === 'retry' });
    button.addEventListener('click', () => run(button));
    return button;
  };
  const retrying = canRetry(record) ? [action('retry', '', (button) => retryAndWatch(record, button, ui.listProblem))] : [];
  const opening = record.playback ? action('play', 'tinted', () => open(record)) : action('details', '', () => open(record));
  return [...retrying, opening];
}

function idOf({ ProjectStep, Mail }) {
  return JSON.stringify([ProjectStep, Mail]);
}

function replace(record) {
  showRecords(view.records.map((other) => (idOf(other) === idOf(record) ? record : other)));
}

/** Retries, and says what came of it: in `problemNode` when it was refused. */
async function retryAndWatch(record, button, problemNode) {
  button.disabled = true;
  try {
    await retry(view.api, record);
    watchedUntil = Date.now() + WATCH_RETRY;
    replace({ ...record, status: 'uploaded', error: undefined, updatedAt: new Date().toISOString() });
    ui.dialog.close();
    say(t('retrying'));
    refreshing = setTimeout(refreshIfMoving, REFRESH_AFTER);
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
  Object.assign(view, { ...NOTHING, filter });
  render();
  load();
}

function download() {
  const url = URL.createObjectURL(new Blob([csv(view.records)], { type: 'text/csv' }));
  element('a', { href: url, download: `videos-${new Date().toISOString().slice(0, 10)}.csv` }).click();
  // The download has its own hold on the data once it has started.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function turn(pages) {
  view.page += pages;
  render();
  ui.listTitle.scrollIntoView();
  say(ui.range.textContent);
}

// One video

/** Shows what is known at once, and the player when fresh links have come: those of the list may be old. */
async function open(record) {
  view.open = record;
  showDetails(record);
  ui.dialog.showModal();
  const fresh = await readAgain(view.api, record).catch(() => record);
  if (view.open !== record) return;
  view.open = fresh;
  showDetails(fresh);
  play(fresh.playback ?? fresh.original);
}

function showDetails(record) {
  const { project, step } = placeOf(record);
  ui.dialogTitle.replaceChildren(badge(record), element('span', {}, record.Mail));
  showProblem(ui.dialogProblem);
  ui.dialogStatus.textContent = '';
  ui.dialogRetry.hidden = !canRetry(record);
  ui.copy.hidden = !(record.playback ?? record.original);
  ui.original.hidden = !(record.playback && record.original);

  const fact = ([name, value]) => [element('dt', {}, t(name)), element('dd', {}, value)];
  const facts = FACTS.map((name) => [name, record[name]]).filter(([, value]) => value !== undefined);
  const shown = { size: bytes, requestedAt: when, uploadedAt: when, updatedAt: when };
  ui.facts.replaceChildren(...[['project', project], ['step', step], ...facts]
    .flatMap(([name, value]) => fact([name, shown[name]?.(value) ?? value])));
}

/** Plays the result or the original; the button offers the other one. */
function play(url) {
  ui.screen.hidden = !url;
  if (!url) return;
  showProblem(ui.dialogProblem);
  ui.player.src = url;
  ui.original.textContent = t(url === view.open.original ? 'output' : 'original');
}

function closed() {
  view.open = undefined;
  ui.player.removeAttribute('src');
  ui.player.load();
  ui.screen.hidden = true;
}

async function copyLink() {
  const copied = await navigator.clipboard?.writeText(ui.player.src).then(() => true, () => false);
  ui.dialogStatus.textContent = t(copied ? 'copied' : 'copyFailed');
}

// Wiring

function listen() {
  ui.signIn.addEventListener('submit', signIn);
  ui.filter.addEventListener('submit', applyFilter);
  ui.dialog.addEventListener('close', closed);
  ui.player.addEventListener('error', () => ui.player.src && showProblem(ui.dialogProblem, t('playFailed')));
  onClick(ui.clear, () => { ui.filter.reset(); applyFilter(); });
  onClick(ui.refresh, () => load());
  onClick(ui.csv, download);
  onClick(ui.signOut, () => signOut());
  onClick(ui.previous, () => turn(-1));
  onClick(ui.next, () => turn(1));
  onClick(ui.loadMore, () => load(view.next));
  onClick(ui.close, () => ui.dialog.close());
  onClick(ui.copy, copyLink);
  onClick(ui.original, () => play(ui.player.src === view.open.original ? view.open.playback : view.open.original));
  onClick(ui.dialogRetry, () => retryAndWatch(view.open, ui.dialogRetry, ui.dialogProblem));
  document.addEventListener('visibilitychange', refreshIfMoving);
}

translate();
ui.counts.ariaLabel = t('states');
listen();
ui.username.focus();
