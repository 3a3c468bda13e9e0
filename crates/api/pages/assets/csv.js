// The list as a spreadsheet.

import { isStep } from './page.js';
import { placeOf } from './videos.js';

const COLUMNS = [
  'status', 'project', 'step', 'Mail', 'size', 'requestedAt', 'uploadedAt', 'updatedAt', 'video', 'output', 'error',
];

/** Returns the records as CSV (RFC 4180). The byte order mark tells Excel that it is UTF-8. */
export function csv(records) {
  const line = (cells) => cells.map(cell).join(',');
  const lines = records.map((record) => {
    const values = { ...record, ...placeOf(record) };
    return line(COLUMNS.map((name) => values[name]));
  });
  return `\uFEFF${[line(COLUMNS), ...lines, ''].join('\r\n')}`;
}

/** Quotes a value. Text that a spreadsheet would take for a formula gets an apostrophe in front; a number does not. */
function cell(value = '') {
  const text = String(value ?? '');
  const isFormula = /^[=+@\t\r-]/.test(text) && !isStep(text);
  return `"${(isFormula ? `'${text}` : text).replaceAll('"', '""')}"`;
}
