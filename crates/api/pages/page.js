// What both pages stand on: language, text, elements, numbers and the API's answers.
// The files of a page are joined into one module, so nothing here is global.

const LANGUAGES = ['en', 'es'];
const LANGUAGE = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag) => LANGUAGES.includes(tag)) ?? 'en';
const STRINGS = {};

/** Every element that has an id, by its id. */
const ui = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));

/** Adds texts by key, each in every language in the order of `LANGUAGES`. */
function addStrings(texts) {
  Object.assign(STRINGS, texts);
}

/** The text of this key in the person's language, with `{name}` replaced by the value of that name. */
function t(key, values = {}) {
  return STRINGS[key][LANGUAGES.indexOf(LANGUAGE)].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Puts the texts into the elements that name one, or are named like one; the title is the page's own. */
function translate() {
  document.documentElement.lang = LANGUAGE;
  document.title = t('title');
  for (const node of document.querySelectorAll('[data-t]')) node.textContent = t(node.dataset.t || node.id);
}

function onClick(node, act) {
  node.addEventListener('click', () => act());
}

/** An element with properties and children. A child that is a string becomes text, never markup. */
function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

/** Something that went wrong, in words for the person in front of the page. */
class Problem extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

/** Where the API is: beside this page, whatever stage or path it is served under. */
const API = location.pathname.replace(/\/[^/]+\/*$/, '');

/** Asks the API and answers `{ body, headers }`; a refusal or no answer at all is thrown as a `Problem`. */
async function ask(path, options = {}) {
  let response;
  try {
    // Without credentials the browser never opens its own sign-in window.
    response = await fetch(API + path, { credentials: 'omit', cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(t('offline'));
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body !== null) return { body, headers: response.headers };
  throw new Problem(body?.Message ?? t('serverError', { status: response.status }), response.status);
}

function number(value, options) {
  return new Intl.NumberFormat(LANGUAGE, options).format(value);
}

/** `12.3 MB`, in powers of 1000. */
function bytes(count) {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
  const power = Math.min(Math.floor(Math.log10(Math.max(count, 1)) / 3), units.length - 1);
  return number(count / 1000 ** power, { style: 'unit', unit: units[power], maximumFractionDigits: power > 1 ? 1 : 0 });
}

/** Whether this is a whole number as the API reads a step. */
function isStep(text) {
  return /^[+-]?\d+$/.test(text);
}
