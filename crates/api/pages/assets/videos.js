// The admin's calls to the API, and what a record says.

import { ask, isStep } from './page.js';

export const STATES = ['requested', 'uploaded', 'transcoding', 'ready', 'failed'];
const PAGE_SIZE = 1000;
const MAX_LOADED = 10_000;
const FORM_LIFETIME = 60 * 60 * 1000;
const STUCK_AFTER = 15 * 60 * 1000;

/** Returns the API with basic authentication (RFC 7617, UTF-8). The password lives in this closure and nowhere else. */
export function signedIn(username, password) {
  const octets = new TextEncoder().encode(`${username}:${password}`);
  const authorization = `Basic ${btoa(String.fromCharCode(...octets))}`;
  return (path, options = {}) => ask(path, { ...options, headers: { Authorization: authorization } });
}

/** Returns the path of the API's list with these filters; empty ones are left out. */
export function listPath(filter, limit = PAGE_SIZE) {
  const given = Object.entries(filter).filter(([, value]) => value !== '');
  return `/videos?${new URLSearchParams([...given, ['limit', limit]])}`;
}

/**
 * Reads pages from `path` until the list ends or `MAX_LOADED` records are loaded; `onPage` sees all records so far.
 * Returns `{ records, next }`, where `next` is the path to continue at, undefined at the end.
 */
export async function readList(api, path, signal, onPage) {
  const records = [];
  let next = path;
  while (next && records.length < MAX_LOADED) {
    const { body, headers } = await api(next, { signal });
    records.push(...body);
    next = nextPath(headers.get('link'));
    onPage(records);
  }
  return { records, next };
}

/** Returns the list with the query of `<...?query>; rel="next"`; the path before it is known. */
function nextPath(link) {
  const query = link?.match(/<[^>?]*\?([^>]*)>;\s*rel="next"/)?.[1];
  return query && `/videos?${query}`;
}

/** Returns project and step as in the key; without one, guesses: a project may hold a dash and a step be negative. */
export function placeOf({ video, ProjectStep }) {
  const [project, step] = (video ?? '').split('/');
  if (ProjectStep === `${project}-${step}`) return { project, step };
  const [, first = ProjectStep, last = ''] = ProjectStep.match(/^(.+?)-(-?\d+)$/s) ?? [];
  return { project: first, step: last };
}

export function idOf({ ProjectStep, Mail }) {
  return JSON.stringify([ProjectStep, Mail]);
}

export function changedAt({ updatedAt, uploadedAt, requestedAt }) {
  return updatedAt ?? uploadedAt ?? requestedAt ?? '';
}

export function newestFirst(a, b) {
  return changedAt(b).localeCompare(changedAt(a));
}

function ageOf(record) {
  return Date.now() - Date.parse(changedAt(record));
}

/** Returns whether this record is about to change: it is being processed, or its form can still be used. */
export function isInProgress(record) {
  if (record.status === 'requested') return ageOf(record) < FORM_LIFETIME;
  return isProcessing(record) && !isStuck(record);
}

function isProcessing({ status }) {
  return ['uploaded', 'transcoding'].includes(status);
}

function isStuck(record) {
  return isProcessing(record) && ageOf(record) > STUCK_AFTER;
}

export function canRetry(record) {
  return record.status === 'failed' || isStuck(record);
}

/** Returns the record as it is now, with fresh links; the given one if the API cannot be asked for it alone. */
export async function reload(api, record) {
  const { project, step } = placeOf(record);
  if (!isStep(step)) return record;
  const { body } = await api(listPath({ project, step, mail: record.Mail }, 1));
  return body[0] ?? record;
}

/** Requests another attempt; the record changes a moment later. */
export function retry(api, record) {
  const { project, step } = placeOf(record);
  const path = [project, step].map(encodeURIComponent).join('/');
  return api(`/videos/${path}/retry?${new URLSearchParams({ mail: record.Mail })}`, { method: 'POST' });
}
