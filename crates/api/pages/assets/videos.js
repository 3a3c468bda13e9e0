// The admin's calls to the API, and what a record says.

import { ask, isStep } from './page.js';

const COUNTED = ['requested', 'uploaded', 'transcoding', 'ready', 'failed'];
/** Records of the last one are not counted, and listed only if it is the filter. */
export const STATES = [...COUNTED, 'deleting'];
const FORM_LIFETIME = 60 * 60 * 1000;
const STUCK_AFTER = 15 * 60 * 1000;

/** Returns the API with basic authentication (RFC 7617, UTF-8). The password lives in this closure and nowhere else. */
export function signedIn(username, password) {
  const octets = new TextEncoder().encode(`${username}:${password}`);
  const authorization = `Basic ${btoa(String.fromCharCode(...octets))}`;
  const headersOf = (options) => ({ ...options.headers, Authorization: authorization });
  return (path, options = {}) => ask(path, { ...options, headers: headersOf(options) });
}

/** Returns a query string of what is not empty. */
export function queryOf(values) {
  const given = Object.entries(values).filter(([, value]) => value);
  return given.length ? `?${new URLSearchParams(given)}` : '';
}

/** Reads a page; `next` is the cursor of the following one, if there is one. */
export async function readPage(api, query, signal) {
  const { body, headers } = await api(`/videos${queryOf(query)}`, { signal });
  const next = headers.get('link')?.match(/[?&]cursor=([^&>]*)/)?.[1];
  return { records: body, next: next && decodeURIComponent(next) };
}

/** Returns how many records are in each state, and in all as ''; in those of `capped` there are more. */
export async function readCounts(api, { mail, project, step }, signal) {
  // The API does not count one person's records.
  if (mail) return {};
  const { body } = await api(`/videos/counts${queryOf({ project, step })}`, { signal });
  const total = COUNTED.reduce((sum, state) => sum + body[state], 0);
  return { ...body, '': total, capped: body.capped.length ? ['', ...body.capped] : [] };
}

/** Returns project and step as in the key; without one, guesses: a project may hold a dash and a step be negative. */
export function placeOf({ video, ProjectStep }) {
  const [project, step] = (video ?? '').split('/');
  if (ProjectStep === `${project}-${step}`) return { project, step };
  const [, first = ProjectStep, last = ''] = ProjectStep.match(/^(.+?)-(-?\d+)$/s) ?? [];
  return { project: first, step: last };
}

export function changedAt({ updatedAt, uploadedAt, requestedAt }) {
  return updatedAt ?? uploadedAt ?? requestedAt ?? '';
}

function ageOf(record) {
  return Date.now() - Date.parse(changedAt(record));
}

/** Returns whether this record is about to change: it is being processed, or its form can still be used. */
export function isInProgress(record) {
  if (record.status === 'requested') return ageOf(record) < FORM_LIFETIME;
  return ['uploaded', 'transcoding', 'deleting'].includes(record.status) && ageOf(record) < STUCK_AFTER;
}

export function canRetry(record) {
  const isStuck = ['uploaded', 'transcoding'].includes(record.status) && ageOf(record) > STUCK_AFTER;
  return record.status === 'failed' || isStuck;
}

export function canErase(record) {
  return record.status !== 'deleting' && isStep(placeOf(record).step);
}

/** Returns the record as it is now, with fresh links; the given one if the API cannot be asked for it alone. */
export async function reload(api, record) {
  const { project, step } = placeOf(record);
  if (!isStep(step)) return record;
  const { records } = await readPage(api, { project, step, mail: record.Mail, limit: 1 });
  return records[0] ?? record;
}

/** Requests another attempt; the record changes a moment later. */
export function retry(api, record) {
  return api(pathOf(record, '/retry'), { method: 'POST' });
}

/** Deletes a record and its files; they are gone a moment later. */
export function erase(api, record) {
  return api(pathOf(record), { method: 'DELETE' });
}

/** Deletes all records of a person, a part with each call. */
export async function eraseAll(api, mail) {
  const erasePart = () => api(`/videos${queryOf({ mail })}`, { method: 'DELETE' });
  let part = await erasePart();
  // There may be more, or nothing after all.
  while (part?.body.more) part = await erasePart().catch((problem) => { if (problem.status !== 404) throw problem; });
}

function pathOf(record, action = '') {
  const { project, step } = placeOf(record);
  return `/videos/${encodeURIComponent(project)}/${encodeURIComponent(step)}${action}${queryOf({ mail: record.Mail })}`;
}
