// The page of an upload link: how far the link's video is.

import { LANGUAGE, showProblem, t, ui } from './page.js';
import { show } from './stage.js';
import { readVideo } from './target.js';

const FIRST_DELAY = 2_000;
const MAX_DELAY = 30_000;
/** A playback link that fails sooner is not an old one. */
const REFRESH_INTERVAL = 60_000;
const CLOSED = { 401: 'linkInvalid', 410: 'linkDeleted' };

/** What the API said last. */
let video = {};
/** The request that is due or under way; another one, or none, makes it obsolete. */
let polling;
let playsSince = 0;

/** Shows how far the video is, until it is ready; `sent` says that another one has just arrived. */
export function follow({ sent = false, onRequested = () => {} } = {}) {
  stopFollowing();
  if (sent) showStatus('uploaded');
  return poll({ before: sent ? video.uploadedAt : undefined, sent, onRequested, delay: FIRST_DELAY });
}

export function stopFollowing() {
  clearTimeout(polling?.timer);
  polling = undefined;
  ui.result.pause();
}

async function poll(wanted) {
  const { sent, before, onRequested, delay } = wanted;
  const own = polling = {};
  const next = { ...wanted, delay: Math.min(delay * 1.5, MAX_DELAY) };
  try {
    const answer = await readVideo();
    if (polling !== own) return;
    video = answer;
    showLink();
    // S3 tells of an upload a moment after it has it.
    const isKnown = !sent || video.uploadedAt !== before;
    if (isKnown && video.status === 'requested') return onRequested();
    showStatus(isKnown ? video.status : 'uploaded');
    if (isKnown && ['ready', 'failed'].includes(video.status)) return;
  } catch (problem) {
    if (polling !== own || close(problem)) return;
    const now = ui.stage.dataset.now ?? 'checking';
    show(now, { problem: problem.message });
  }
  own.timer = setTimeout(() => poll(next), delay);
}

/** Says what the link is for. */
function showLink() {
  const { project, step, expiresAt } = video;
  const date = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: 'long', timeStyle: 'short' });
  ui.lead.textContent = t('linkLead', { project, step, time: date.format(new Date(expiresAt)) });
}

function showStatus(status) {
  if (status === 'ready') return showResult();
  if (status === 'failed') return change('unusable', t('unusable'));
  ui.processingText.textContent = t(status === 'uploaded' ? 'isUploaded' : 'isTranscoding');
  change('processing', `${t('done')}. ${ui.processingText.textContent}`);
}

function showResult() {
  playsSince = Date.now();
  ui.result.src = video.playback;
  change('result', t('resultReady'));
}

/** Shows a state that the person did not ask for: the focus moves only off what disappears. */
function change(state, say) {
  const focused = ui.stage.contains(document.activeElement) && ui.stage.dataset.now !== state;
  show(state, { say, focus: focused ? `${state}Title` : undefined });
}

/** Shows that the link is of no use, if that is the problem. */
export function close({ status }) {
  const reason = CLOSED[status];
  if (!reason) return false;
  stopFollowing();
  ui.lead.textContent = '';
  ui.closedTitle.textContent = t(reason);
  ui.closedText.textContent = t(`${reason}Text`);
  show('closed', { say: ui.closedTitle.textContent, focus: 'closedTitle' });
  return true;
}

/** Asks for a new playback link: the old one is valid for an hour. */
export function refreshPlayer() {
  if (!ui.result.src) return;
  if (Date.now() - playsSince > REFRESH_INTERVAL) follow();
  else showProblem(ui.problem, t('resultUnplayable'));
}
