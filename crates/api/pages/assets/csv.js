// The list as a spreadsheet, written while it is read, and upload links as one.

import { element, isStep } from './page.js';
import { placeOf, readPage } from './videos.js';

const PAGE_SIZE = 500;
const COLUMNS = [
  'status', 'project', 'step', 'Mail', 'size', 'duration', 'width', 'height', 'truncated', 'requestedAt', 'uploadedAt',
  'updatedAt', 'video', 'output', 'error',
];
/** Where a formula would start, also if another separator splits cells and quotes are ignored. */
const FORMULA = /(^|[,;\t\r\n])(?=[\s"]*[=+@＝＋－＠-])|^(?=[\t\r\n])/g;

/** Saves every record of a filter as CSV (RFC 4180); `onCount` sees how many are written. */
export async function saveCsv(api, filter, signal, onCount) {
  const file = await create(`videos-${new Date().toISOString().slice(0, 10)}.csv`);
  let [count, cursor] = [0];
  try {
    // The byte order mark tells Excel that it is UTF-8.
    await file.write(`\uFEFF${line(COLUMNS)}`);
    do {
      onCount(count);
      const read = () => readPage(api, { ...filter, limit: PAGE_SIZE, cursor }, signal);
      // A lost answer should not end a long download.
      const { records, next } = await read().catch(read);
      await file.write(records.map(lineOf).join(''));
      count += records.length;
      cursor = next;
    } while (cursor);
    onCount(count);
    await file.close();
  } catch (problem) {
    await file.abort?.();
    throw problem;
  }
}

/** Saves upload links. */
export async function saveLinks(links) {
  const file = await create('links.csv');
  const columns = ['mail', 'url', 'expiresAt'];
  const rows = links.map((link) => line(columns.map((name) => link[name])));
  await file.write(`\uFEFF${line(columns)}${rows.join('')}`);
  await file.close();
}

/** Creates a file where the person chooses, else one that is downloaded at its end. */
async function create(name) {
  if (window.showSaveFilePicker) return (await showSaveFilePicker({ suggestedName: name })).createWritable();
  const parts = [];
  return {
    // Browsers keep blobs on disk.
    write: (text) => parts.push(new Blob([text])),
    close() {
      const url = URL.createObjectURL(new Blob(parts, { type: 'text/csv' }));
      element('a', { href: url, download: name }).click();
      // A download that has started keeps the data.
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    },
  };
}

function lineOf(record) {
  const values = { ...record, ...placeOf(record) };
  return line(COLUMNS.map((name) => values[name]));
}

function line(cells) {
  return `${cells.map(cell).join(',')}\r\n`;
}

/** Quotes a value, with an apostrophe before what a spreadsheet would take for a formula. */
function cell(value) {
  const text = String(value ?? '');
  return `"${(isStep(text) ? text : text.replace(FORMULA, "$1'")).replaceAll('"', '""')}"`;
}
