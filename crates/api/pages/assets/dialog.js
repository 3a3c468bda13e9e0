// One video in a dialog: its player, its links and its facts.

import { bytes, clock, element, onClick, showProblem, t, ui } from './page.js';
import { badge, when } from './rows.js';
import { canErase, canRetry, placeOf, reload } from './videos.js';

const FACTS = [
  'error', 'requestedAt', 'uploadedAt', 'updatedAt', 'size', 'duration', 'truncated', 'picture', 'video', 'output',
  'transcoder', 'jobId',
];
const LABELS = { requestedAt: 'requested', uploadedAt: 'uploaded', updatedAt: 'time' };

/** The record in the dialog, undefined while it is closed. */
let shown;

/** Shows what is known at once, and the player once fresh links arrive: those of the list may have expired. */
export async function open(api, record) {
  shown = record;
  show();
  ui.dialog.showModal();
  const fresh = await reload(api, record).catch(() => record);
  if (shown !== record) return;
  shown = fresh;
  show();
  play(fresh.playback ?? fresh.original);
}

function show() {
  ui.dialogTitle.replaceChildren(badge(shown), element('span', {}, shown.Mail));
  showProblem(ui.dialogProblem);
  ui.dialogStatus.textContent = '';
  ui.dialogRetry.hidden = !canRetry(shown);
  ui.dialogErase.hidden = !canErase(shown);
  ui.copy.hidden = !(shown.playback ?? shown.original);
  ui.original.hidden = !(shown.playback && shown.original);

  const picture = shown.width && shown.height ? `${shown.width} × ${shown.height}` : undefined;
  const known = { ...shown, picture };
  const facts = { ...placeOf(shown), ...Object.fromEntries(FACTS.map((name) => [name, known[name]])) };
  ui.facts.replaceChildren(...Object.entries(facts).filter(([, value]) => value !== undefined)
    .flatMap(([name, value]) => [element('dt', {}, t(LABELS[name] ?? name)), element('dd', {}, format(name, value))]));
}

function format(name, value) {
  if (name === 'size') return bytes(value);
  if (name === 'duration') return clock(value);
  if (name === 'truncated') return t('truncatedText');
  return name in LABELS ? when(value) : value;
}

/** Plays the result or the original; the button offers the other one. */
function play(url) {
  ui.screen.hidden = !url;
  if (!url) return;
  showProblem(ui.dialogProblem);
  ui.player.poster = shown.preview ?? '';
  ui.player.src = url;
  ui.original.textContent = t(url === shown.original ? 'output' : 'original');
}

function forget() {
  shown = undefined;
  ui.player.removeAttribute('src');
  ui.player.removeAttribute('poster');
  ui.player.load();
  ui.screen.hidden = true;
}

async function copyLink() {
  const isCopied = await navigator.clipboard?.writeText(ui.player.src).then(() => true, () => false);
  ui.dialogStatus.textContent = t(isCopied ? 'copied' : 'copyFailed');
}

/** Handles the dialog's events; `retry(record, button)` and `erase(record)` are what its buttons do. */
export function listenToDialog({ retry, erase }) {
  ui.dialog.addEventListener('close', forget);
  ui.player.addEventListener('error', () => ui.player.src && showProblem(ui.dialogProblem, t('playFailed')));
  onClick(ui.close, () => ui.dialog.close());
  onClick(ui.copy, copyLink);
  onClick(ui.original, () => play(ui.player.src === shown.original ? shown.playback : shown.original));
  onClick(ui.dialogRetry, () => retry(shown, ui.dialogRetry));
  onClick(ui.dialogErase, () => erase(shown));
}
