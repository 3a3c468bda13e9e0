// The list as a spreadsheet.

import { isStep } from './page.js';
import { placeOf } from './videos.js';

const COLUMNS = ['status', 'project', 'step', 'Mail', 'size', 'requestedAt', 'uploadedAt', 'updatedAt', 'video', 'output', 'error'];

/** Returns the records as CSV (RFC 4180). The byte order mark tells Excel that it is UTF-8. */
export function csv(records) {
  const row = (cells) => cells.map(cell).join(',');
  const rows = records.map((record) => ({ ...record, ...placeOf(record) })).map((values) => row(COLUMNS.map((name) => values[name])));
  return `\uFEFF${[row(COLUMNS), ...rows, ''].join('\r\n')}`;
}

/** Quotes a value. Text that a spreadsheet would run as a formula gets an apostrophe in front; a number stays a number. */
function cell(value = '') {
  const text = String(value ?? '');
  const isFormula = /^[=+@\t\r-]/.test(text) && !isStep(text);
  return `"${(isFormula ? `'${text}` : text).replaceAll('"', '""')}"`;
}
