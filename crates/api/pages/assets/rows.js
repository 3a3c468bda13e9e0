// How a record looks in the table.

import { bytes, clock, element, LANGUAGE, onClick, t, ui } from './page.js';
import { canRetry, changedAt, placeOf, STATES } from './videos.js';

/** The columns and their classes. */
const COLUMNS = {
  poster: 'picture', state: 'state', mail: 'mail', project: 'project', step: 'number', size: 'number', time: 'time',
  actions: 'row-actions',
};

export function headings() {
  return tableRow('th', 'columnheader', (name) => [t(name)]);
}

/** Returns a record's row; `open(record)` and `retry(record, button)` are what its buttons do. */
export function row(record, { open, retry }) {
  const cells = {
    poster: [poster(record), record.duration === undefined ? '' : element('span', {}, clock(record.duration))],
    state: [badge(record), progress(record), record.error ? element('span', { className: 'error' }, record.error) : ''],
    mail: record.Mail,
    ...placeOf(record),
    size: record.size === undefined ? '' : bytes(record.size),
    time: when(changedAt(record)),
    actions: [
      canRetry(record) ? action(record, 'retry', '', retry) : '',
      record.playback ? action(record, 'play', 'tinted', open) : action(record, 'details', '', open),
    ],
  };
  return tableRow('td', 'cell', (name) => [cells[name]].flat());
}

function tableRow(tag, role, childrenOf) {
  return element('tr', { role: 'row' }, ...Object.entries(COLUMNS).map(([name, className]) => {
    const node = element(tag, { className, role }, ...childrenOf(name));
    node.dataset.label = t(name);
    return node;
  }));
}

function action(record, name, className, run) {
  const values = { mail: record.Mail, project: placeOf(record).project };
  const button = element('button', { className, ariaLabel: t(`${name}Of`, values) }, t(name));
  Object.assign(button.dataset, { id: JSON.stringify([record.ProjectStep, record.Mail]), act: name === 'retry' });
  onClick(button, () => run(record, button));
  return button;
}

export function badge({ status }) {
  const known = STATES.includes(status) ? status : 'unknown';
  return element('span', { className: `badge ${known}` }, t(known));
}

/** Returns the record's poster: the node that the list shows already, so that a refresh does not load it again. */
function poster({ poster: key, preview }) {
  if (!preview) return '';
  const shown = [...ui.rows.querySelectorAll('img')].find(({ dataset }) => dataset.key === key);
  if (shown) return shown;
  const image = element('img', { alt: '', loading: 'lazy', src: preview, onerror: () => { image.hidden = true; } });
  image.dataset.key = key;
  return image;
}

/** Returns how far a job is; without a value, the bar says only that it runs. */
function progress({ status, progress: value }) {
  if (status !== 'transcoding') return '';
  return element('progress', { max: 100, ariaLabel: t('transcoding'), ...value === undefined ? {} : { value } });
}

/** Formats a time for the person's locale; text that is no time stays as it is. */
export function when(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const shown = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'medium', timeStyle: 'short' }).format(date);
  return element('time', { dateTime: text, title: text }, shown);
}

/** Keeps the focus on the same button while `change` rebuilds the nodes in `parent`; on the title if it is gone. */
export function keepFocus(parent, change) {
  const { id, act } = parent.contains(document.activeElement) ? document.activeElement.dataset : {};
  change();
  if (!id) return;
  const buttons = [...parent.querySelectorAll('button')];
  const same = buttons.find(({ dataset }) => dataset.id === id && dataset.act === act);
  (same ?? ui.listTitle).focus({ preventScroll: true });
}
