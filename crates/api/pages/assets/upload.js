// The upload page: record or choose a video, preview it, send it; with an upload link, see what becomes of it.

import { checkDetails, details, FIELDS, prefillDetails } from './details.js';
import { close, follow, refreshPlayer, stopFollowing } from './link.js';
import { bytes, element, loaded, onClick, Problem, reveal, t, translate, ui } from './page.js';
import { progressOf, showPreparing, showWaiting } from './progress.js';
import { isLarge, loadParts, sendVideo, typeOf } from './sender.js';
import { show } from './stage.js';
import { fingerprint, hasUploads, load, remove, removeExpired, save } from './store.js';
import { isLink, linkPath } from './target.js';

const MAX_BYTES = Number(document.querySelector('meta[name=max-upload-bytes]').content);

/** The upload in progress; `video` is `{ blob, type, name, recorded }`. */
const work = { video: null, camera: null, stream: null, recording: null, sending: null };

// Camera

function loadRecorder() {
  return import('./recorder.js');
}

async function startCamera() {
  try {
    work.camera = await loaded(loadRecorder());
    work.stream = await work.camera.open();
  } catch (problem) {
    show('choose', { problem: problem.message, focus: 'openCamera' });
    return;
  }
  const hasSound = work.stream.getAudioTracks().length > 0;
  ui.cameraNote.textContent = t(hasSound ? 'cameraOpen' : 'cameraSilent');
  const live = ui.live;
  live.srcObject = work.stream;
  live.play().catch(() => {});
  showRecording(false);
  show('camera', { say: ui.cameraNote.textContent, focus: 'start' });
}

function stopCamera() {
  if (work.stream) work.camera.close(work.stream);
  ui.live.srcObject = null;
  work.stream = null;
}

function showRecording(isOn) {
  for (const id of ['stop', 'recording']) ui[id].hidden = !isOn;
  for (const id of ['start', 'closeCamera']) ui[id].hidden = isOn;
}

async function startRecording() {
  const startedAt = Date.now();
  const showElapsed = () => { ui.elapsed.textContent = clock(Date.now() - startedAt); };
  const ticking = setInterval(showElapsed, 500);
  showElapsed();
  try {
    work.recording = work.camera.record(work.stream);
    showRecording(true);
    ui.cameraNote.textContent = t('isRecording');
    show('camera', { say: t('isRecording'), focus: 'stop' });
    const recording = await work.recording.video;
    chooseRecording(recording);
    await save('recordings', await place(), recording);
  } catch (problem) {
    show('choose', { problem: problem.message, focus: 'openCamera' });
  } finally {
    clearInterval(ticking);
    stopCamera();
  }
}

/** Formats a time as `0:07` or `12:30`. */
function clock(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;
}

// A chosen video

function chooseFile(files) {
  const [file] = files;
  if (!file) return;
  const type = typeOf(file);
  if (files.length > 1) rejectFile(t('tooMany'));
  else if (!type) rejectFile(t('wrongType', { name: file.name }));
  else if (file.size === 0) rejectFile(t('emptyFile', { name: file.name }));
  else choose({ blob: file, type, name: file.name, recorded: false });
}

function rejectFile(problem) {
  show('choose', { problem, focus: 'file' });
}

/** Selects a video and shows its preview. */
function choose(video, note = '') {
  work.video = video;
  URL.revokeObjectURL(ui.preview.src);
  ui.preview.src = URL.createObjectURL(video.blob);
  showFacts(ui.facts, video);
  ui.previewNote.textContent = note;
  ui.again.textContent = t(video.recorded ? 'again' : 'chooseAnother');
  show('preview', { say: `${note} ${t('ready', { facts: ui.facts.textContent })}`, focus: 'send' });
}

function showFacts(node, { name, blob }) {
  node.replaceChildren(element('b', {}, name), ' ', element('span', {}, bytes(blob.size)));
}

/** Finds the duration that a recording lacks: seeking past its end makes the browser compute it. */
function findDuration({ target: video }) {
  if (video.duration !== Infinity) return;
  video.addEventListener('durationchange', () => { video.currentTime = 0; }, { once: true });
  video.currentTime = Number.MAX_SAFE_INTEGER;
}

function discard(say) {
  if (work.video?.recorded) forgetRecording();
  work.video = null;
  ui.file.value = '';
  URL.revokeObjectURL(ui.preview.src);
  ui.preview.removeAttribute('src');
  showChoose({ say, focus: 'openCamera' });
}

function showChoose(options) {
  show('choose', options);
  hasUploads().then((has) => { ui.interrupted.hidden = !has; });
}

function again() {
  const { recorded } = work.video;
  discard('');
  if (recorded) startCamera();
  else ui.file.click();
}

// A recording that was not sent, which is kept for the same page or the same link

function place() {
  return fingerprint([linkPath]);
}

function chooseRecording({ blob, type }, note) {
  choose({ blob, type, name: t('recording'), recorded: true }, note);
}

async function forgetRecording() {
  await remove('recordings', await place());
}

async function start() {
  await removeExpired();
  const recording = await load('recordings', await place());
  if (recording) chooseRecording(recording, t('recordingKept'));
  else showChoose();
}

// Sending

async function send() {
  const wrong = isLink ? undefined : checkDetails();
  if (wrong) {
    ui.details.open = true;
    ui[wrong].focus();
    return;
  }
  const cancelling = new AbortController();
  work.sending = cancelling;
  const wakeLock = requestWakeLock();
  ui.preview.pause();
  showPreparing();
  ui.keepOpen.textContent = t(isLarge(work.video) ? 'keepOpenOrResume' : 'keepOpen');
  show('sending', { say: t('preparing'), focus: 'cancel' });
  try {
    await upload(work.video, cancelling.signal);
    done();
  } catch (problem) {
    failed(problem);
  } finally {
    work.sending = null;
    (await wakeLock)?.release();
  }
}

async function upload(video, signal) {
  const { size } = video.blob;
  if (size > MAX_BYTES) {
    throw Object.assign(new Problem(t('tooLarge', { limit: bytes(MAX_BYTES) })), { isFinal: true });
  }
  ui.status.textContent = t('sending');
  await sendVideo(video, details(), { signal, onProgress: progressOf(size), onWait: showWaiting });
}

function done() {
  const { video } = work;
  work.video = null;
  if (video.recorded) forgetRecording();
  if (isLink) {
    follow({ sent: true });
    return;
  }
  showFacts(ui.doneFacts, video);
  show('done', { say: t('done'), focus: 'doneTitle' });
}

function failed(problem) {
  if (problem.name === 'AbortError') {
    show('preview', { say: t('cancelled'), focus: 'send' });
  } else if (problem.isFinal) {
    show('preview', { problem: problem.message, focus: 'again' });
  } else if (!isLink || !close(problem)) {
    ui.failure.textContent = problem.message;
    show('failed', { say: `${t('failed')}. ${problem.message}`, focus: 'retry' });
  }
}

/** Keeps a phone's screen on, where the browser supports it. */
async function requestWakeLock() {
  return navigator.wakeLock?.request('screen').catch(() => null);
}

function warnBeforeLoss(event) {
  if (work.sending || work.video?.recorded || work.stream) event.preventDefault();
}

// Events

function listen() {
  onClick(ui.openCamera, startCamera);
  onClick(ui.start, startRecording);
  onClick(ui.stop, () => work.recording.stop());
  onClick(ui.closeCamera, () => { stopCamera(); showChoose({ focus: 'openCamera' }); });
  onClick(ui.send, send);
  onClick(ui.again, again);
  onClick(ui.discard, () => discard(t('discarded')));
  onClick(ui.cancel, () => work.sending.abort());
  onClick(ui.retry, send);
  onClick(ui.back, () => show('preview', { focus: 'send' }));
  for (const button of document.querySelectorAll('.another')) {
    onClick(button, () => { stopFollowing(); discard(''); });
  }
  ui.file.addEventListener('change', ({ target }) => { chooseFile([...target.files]); target.value = ''; });
  ui.preview.addEventListener('loadedmetadata', findDuration);
  ui.result.addEventListener('error', refreshPlayer);
  ui.detailsForm.addEventListener('submit', (event) => { event.preventDefault(); checkDetails(); });
  for (const name of Object.keys(FIELDS)) {
    ui[name].addEventListener('change', () => { delete work.video?.form; checkDetails([name]); });
  }
  listenToDrops();
  addEventListener('beforeunload', warnBeforeLoss);
}

/** Accepts a file dropped anywhere on the page: a near miss must not navigate away from it. */
function listenToDrops() {
  const isOpen = () => ['choose', 'preview', 'done', 'failed'].includes(ui.stage.dataset.now);
  const mark = (isOver) => ui.drop.classList.toggle('over', isOver);
  addEventListener('dragover', (event) => { event.preventDefault(); mark(true); });
  addEventListener('dragleave', (event) => { if (!event.relatedTarget) mark(false); });
  addEventListener('drop', (event) => {
    event.preventDefault();
    mark(false);
    if (isOpen()) chooseFile([...event.dataTransfer.files]);
  });
}

await translate('upload');
listen();
ui.detailsForm.hidden = isLink;
if (isLink) {
  await follow({ onRequested: start });
} else {
  prefillDetails();
  await start();
}
reveal();

// What a first view does without, while there is a connection.
for (const load of [loadRecorder, loadParts]) load().catch(() => {});
