// The details: who the video is from, and what it is for.

import { isStep, t, ui } from './page.js';

export const FIELDS = {
  mail: (text) => /^[^@\s\p{Cc}]+@[^@\s\p{Cc}]+$/u.test(text) && new TextEncoder().encode(text).length <= 254,
  project: (text) => /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9._])?$/i.test(text),
  step: isStep,
};

export function details() {
  return Object.fromEntries(Object.keys(FIELDS).map((name) => [name, ui[name].value.trim()]));
}

/** Marks the fields that break their rule and unmarks the others; returns the first wrong one. */
export function checkDetails(names = Object.keys(FIELDS)) {
  const values = details();
  const wrong = names.filter((name) => !FIELDS[name](values[name]));
  for (const name of names) {
    ui[name].ariaInvalid = wrong.includes(name) ? 'true' : null;
    ui[`${name}Problem`].textContent = wrong.includes(name) ? t(`${name}Rule`) : '';
  }
  const complete = Object.keys(FIELDS).every((name) => FIELDS[name](values[name]));
  ui.detailsText.textContent = complete ? t('detailsText', values) : '';
  return wrong[0];
}

export function prefillDetails() {
  const query = new URLSearchParams(location.search);
  const given = Object.keys(FIELDS).filter((name) => query.get(name));
  for (const name of given) ui[name].value = query.get(name);
  // A complete address leaves nothing to fill in.
  ui.details.open = checkDetails(given) !== undefined || ui.detailsText.textContent === '';
}
