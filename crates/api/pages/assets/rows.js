// How a record looks in the table.

import { bytes, element, LANGUAGE, t } from './page.js';
import { canRetry, changedAt, idOf, placeOf, STATES } from './videos.js';

/** Returns a record's row; `open(record)` and `retry(record, button)` are what its buttons do. */
export function row(record, { open, retry }) {
  const { project, step } = placeOf(record);
  const reason = record.error ? [element('span', { className: 'error' }, record.error)] : [];
  return element('tr', { role: 'row' },
    cell(t('state'), 'state', badge(record), ...reason),
    cell(t('mail'), 'mail', record.Mail),
    cell(t('project'), '', project),
    cell(t('step'), 'number', step),
    cell(t('size'), 'number', record.size === undefined ? '' : bytes(record.size)),
    cell(t('time'), 'time', when(changedAt(record))),
    cell('', 'row-actions',
      ...(canRetry(record) ? [action(record, 'retry', '', retry)] : []),
      record.playback ? action(record, 'play', 'tinted', open) : action(record, 'details', '', open)));
}

function cell(label, className, ...children) {
  const node = element('td', { className, role: 'cell' }, ...children);
  node.dataset.label = label;
  return node;
}

function action(record, name, className, run) {
  const values = { mail: record.Mail, project: placeOf(record).project };
  const button = element('button', { className, ariaLabel: t(`${name}Of`, values) }, t(name));
  Object.assign(button.dataset, { id: idOf(record), act: name === 'retry' });
  button.addEventListener('click', () => run(record, button));
  return button;
}

export function badge({ status }) {
  const known = STATES.includes(status) ? status : 'unknown';
  return element('span', { className: `badge ${known}` }, t(known));
}

/** Formats a time for the person's locale; text that is no time stays as it is. */
export function when(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const shown = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeStyle: 'short' }).format(date);
  return element('time', { dateTime: text, title: text }, shown);
}

/** Keeps the focus on the same button of the same record while `change` rebuilds the nodes in `parent`. */
export function keepFocus(parent, change) {
  const { id, act } = parent.contains(document.activeElement) ? document.activeElement.dataset : {};
  change();
  if (!id) return;
  const buttons = [...parent.querySelectorAll('button')];
  buttons.find(({ dataset }) => dataset.id === id && dataset.act === act)?.focus();
}
