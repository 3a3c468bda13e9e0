// What both pages build on: language, text, elements, numbers and calls to the API.

const LANGUAGES = ['en', 'es'];
const preferred = navigator.languages.map((tag) => tag.slice(0, 2));
export const LANGUAGE = preferred.find((language) => LANGUAGES.includes(language)) ?? 'en';

/** Every element that has an ID, by its ID. */
export const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));

/** The API's root, two levels above the assets, whatever stage it is served under. */
export const API = new URL('../..', import.meta.url).href.slice(0, -1);

/** API Gateway responds within 30 s. */
const RESPONSE_TIMEOUT = 45_000;

let strings = {};

/** Loads the page's texts and puts them into the elements whose `data-t`, or ID where that is empty, names one. */
export async function translate(page) {
  const response = await fetch(new URL(`${page}.${LANGUAGE}.json`, import.meta.url), { credentials: 'omit' });
  strings = await response.json();
  document.documentElement.lang = LANGUAGE;
  document.title = t('title');
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t || node.id);
}

/** Shows the page, once it has its texts and listens. */
export function reveal() {
  ui.loading.remove();
  document.querySelector('main').hidden = false;
}

/** Returns the text of this key, with `{name}` replaced by the value of that name. */
export function t(key, values = {}) {
  return strings[key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

export function onClick(node, act) {
  node.addEventListener('click', () => act());
}

/** Creates an element with properties and children. A child that is a string becomes text, never markup. */
export function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Shows a problem in its notice, or hides the notice. */
export function showProblem(node, text = '') {
  node.textContent = text;
  node.hidden = text === '';
}

/** An error whose message is meant for the person using the page. */
export class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Calls the API and returns `{ body, headers }`; throws a `Problem` if it refuses or does not respond. */
export async function ask(path, { signal, ...options } = {}) {
  const giveUp = new AbortController();
  const cancel = () => giveUp.abort(signal.reason);
  const timer = setTimeout(() => giveUp.abort(), RESPONSE_TIMEOUT);
  signal?.throwIfAborted();
  signal?.addEventListener('abort', cancel);
  try {
    // Without credentials the browser never opens its own sign-in window.
    const settings = { credentials: 'omit', cache: 'no-store', ...options, signal: giveUp.signal };
    return await answerOf(await fetch(API + path, settings));
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof Problem ? error : new Problem(t('offline'));
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', cancel);
  }
}

async function answerOf(response) {
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return { body, headers: response.headers };
  throw new Problem(body?.Message ?? t('serverError', { status: response.status }), response.status);
}

/** Returns a module that is being loaded; throws a `Problem` if the server does not respond. */
export async function loaded(loading) {
  return loading.catch(() => { throw new Problem(t('offline')); });
}

/** Returns the options of a POST with this body. */
export function json(body) {
  return { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
}

export function number(value, options) {
  return new Intl.NumberFormat(LANGUAGE, options).format(value);
}

/** Formats a size as `12.3 MB`, in powers of 1000. */
export function bytes(count) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), units.length - 1);
  return number(count / 1000 ** power, { style: 'unit', unit: units[power], maximumFractionDigits: power > 1 ? 1 : 0 });
}

/** Formats a duration in seconds as `3:07` or `1:02:45`. */
export function clock(seconds) {
  const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const [first, ...rest] = parts[0] ? parts : parts.slice(1);
  return [first, ...rest.map((part) => String(part).padStart(2, '0'))].join(':');
}

/** Returns whether this is a whole number as the API reads a step. */
export function isStep(text) {
  return /^[+-]?\d+$/.test(text);
}
