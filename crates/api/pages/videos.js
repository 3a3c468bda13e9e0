// The admin's list: who may read it, how it is read, and what a record says.

const STATES = ['requested', 'uploaded', 'transcoding', 'ready', 'failed'];
const PAGE = 1000;
const MOST_AT_ONCE = 10_000;
const FORM_IS_GOOD_FOR = 60 * 60 * 1000;
const STUCK_AFTER = 15 * 60 * 1000;

/** HTTP basic authentication (RFC 7617), in UTF-8. The secret lives in this closure and nowhere else. */
function signedIn(username, password) {
  const octets = new TextEncoder().encode(`${username}:${password}`);
  const authorization = `Basic ${btoa(String.fromCharCode(...octets))}`;
  return (path, options = {}) => ask(path, { ...options, headers: { Authorization: authorization } });
}

/** The path of the API's list with these filters; empty ones are left out. */
function listPath(filter, limit) {
  const given = Object.entries(filter).filter(([, value]) => value !== '');
  return `/videos?${new URLSearchParams([...given, ['limit', limit]])}`;
}

/**
 * Reads pages from `path` on until the list ends or `MOST_AT_ONCE` records are there; `onPage` sees what has come so far.
 * Answers `{ records, next }`, where `next` is the path to go on at, undefined at the end.
 */
async function readList(api, path, signal, onPage) {
  const records = [];
  let next = path;
  while (next && records.length < MOST_AT_ONCE) {
    const { body, headers } = await api(next, { signal });
    records.push(...body);
    next = nextPath(headers.get('link'));
    onPage(records);
  }
  return { records, next };
}

/** The query of `<...?query>; rel="next"`; the path before it is known and may have lost its stage on the way. */
function nextPath(link) {
  const query = link?.match(/<[^>?]*\?([^>]*)>;\s*rel="next"/)?.[1];
  return query && `/videos?${query}`;
}

/** Project and step as they stand in the key; where it has none, a guess: a project may hold a dash and a step be negative. */
function placeOf({ video, ProjectStep }) {
  const [project, step] = (video ?? '').split('/');
  if (ProjectStep === `${project}-${step}`) return { project, step };
  const [, first = ProjectStep, last = ''] = ProjectStep.match(/^(.+?)-(-?\d+)$/s) ?? [];
  return { project: first, step: last };
}

function changedAt({ updatedAt, uploadedAt, requestedAt }) {
  return updatedAt ?? uploadedAt ?? requestedAt ?? '';
}

function newestFirst(a, b) {
  return changedAt(b).localeCompare(changedAt(a));
}

function ageOf(record) {
  return Date.now() - Date.parse(changedAt(record));
}

/** Whether this record is about to change: it is being worked on, or its form can still be used. */
function isMoving(record) {
  if (record.status === 'requested') return ageOf(record) < FORM_IS_GOOD_FOR;
  return ['uploaded', 'transcoding'].includes(record.status) && !isStuck(record);
}

function isStuck(record) {
  return ['uploaded', 'transcoding'].includes(record.status) && ageOf(record) > STUCK_AFTER;
}

function canRetry(record) {
  return record.status === 'failed' || isStuck(record);
}

/** The same record as it is now, with fresh links; itself when the API cannot be asked for it alone. */
async function readAgain(api, record) {
  const { project, step } = placeOf(record);
  if (!isStep(step)) return record;
  const { body } = await api(listPath({ project, step, mail: record.Mail }, 1));
  return body[0] ?? record;
}

/** Asks for another try; the record changes a moment later. */
async function retry(api, record) {
  const { project, step } = placeOf(record);
  const path = [project, step].map(encodeURIComponent).join('/');
  try {
    await api(`/videos/${path}/retry?${new URLSearchParams({ mail: record.Mail })}`, { method: 'POST' });
  } catch (problem) {
    const isAbsent = problem.status === 405 || (problem.status === 404 && problem.message.includes('path'));
    throw isAbsent ? new Problem(t('retryAbsent')) : problem;
  }
}

const COLUMNS = ['status', 'project', 'step', 'Mail', 'size', 'requestedAt', 'uploadedAt', 'updatedAt', 'video', 'output', 'error'];

/** The records as CSV (RFC 4180). The mark at the start tells Excel that it is UTF-8. */
function csv(records) {
  const row = (cells) => cells.map(csvCell).join(',');
  const lines = records.map((record) => ({ ...record, ...placeOf(record) })).map((values) => row(COLUMNS.map((name) => values[name])));
  return `\uFEFF${[row(COLUMNS), ...lines, ''].join('\r\n')}`;
}

/** A text that a spreadsheet would take for a formula gets a quote in front; a number stays one. */
function csvCell(value = '') {
  const text = String(value ?? '');
  const isFormula = /^[=+@\t\r-]/.test(text) && !isStep(text);
  return `"${(isFormula ? `'${text}` : text).replaceAll('"', '""')}"`;
}
