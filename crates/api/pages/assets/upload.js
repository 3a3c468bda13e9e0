// The upload page: record or choose a video, preview it, send it.

import { bytes, element, isStep, number, onClick, Problem, reveal, showProblem, t, translate, ui } from './page.js';
import { closeCamera, openCamera, record } from './recorder.js';
import { post, requestForm, sizeLimit, typeOf } from './sender.js';

const RATE_WINDOW = 5_000;

/** The upload in progress; `video` is `{ blob, type, name, recorded }`. */
const work = { video: null, form: null, stream: null, recording: null, sending: null };

/** Shows one state of the page; `say` is announced to screen readers, `focus` names the element that gets the focus. */
function show(name, { say = '', focus, problem = '' } = {}) {
  for (const part of document.querySelectorAll('[data-state]')) part.hidden = part.dataset.state !== name;
  ui.stage.dataset.now = name;
  showProblem(ui.problem, problem);
  ui.status.textContent = say;
  if (focus) ui[focus].focus();
}

// Details

const FIELDS = {
  mail: (text) => /^[^@\s\p{Cc}]+@[^@\s\p{Cc}]+$/u.test(text) && new TextEncoder().encode(text).length <= 254,
  project: (text) => /^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9._])?$/i.test(text),
  step: isStep,
};

function details() {
  return Object.fromEntries(Object.keys(FIELDS).map((name) => [name, ui[name].value.trim()]));
}

/** Marks the fields that break their rule and unmarks the others; returns the first wrong one. */
function checkDetails(names = Object.keys(FIELDS)) {
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

function prefillDetails() {
  const query = new URLSearchParams(location.search);
  const given = Object.keys(FIELDS).filter((name) => query.get(name));
  for (const name of given) ui[name].value = query.get(name);
  // A complete link leaves nothing to fill in.
  ui.details.open = checkDetails(given) !== undefined || ui.detailsText.textContent === '';
}

// Camera

async function startCamera() {
  try {
    work.stream = await openCamera();
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
  if (work.stream) closeCamera(work.stream);
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
    work.recording = record(work.stream);
    showRecording(true);
    ui.cameraNote.textContent = t('isRecording');
    show('camera', { say: t('isRecording'), focus: 'stop' });
    const { blob, type } = await work.recording.video;
    choose({ blob, type, name: t('recording'), recorded: true });
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
function choose(video) {
  work.video = video;
  work.form = null;
  URL.revokeObjectURL(ui.preview.src);
  ui.preview.src = URL.createObjectURL(video.blob);
  showFacts(ui.facts, video);
  ui.again.textContent = t(video.recorded ? 'again' : 'chooseAnother');
  show('preview', { say: t('ready', { facts: ui.facts.textContent }), focus: 'send' });
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
  work.video = null;
  work.form = null;
  ui.file.value = '';
  URL.revokeObjectURL(ui.preview.src);
  ui.preview.removeAttribute('src');
  show('choose', { say, focus: 'openCamera' });
}

function again() {
  const { recorded } = work.video;
  discard('');
  if (recorded) startCamera();
  else ui.file.click();
}

// Sending

async function send() {
  const wrong = checkDetails();
  if (wrong) {
    ui.details.open = true;
    ui[wrong].focus();
    return;
  }
  const cancelling = new AbortController();
  work.sending = cancelling;
  const wakeLock = requestWakeLock();
  ui.preview.pause();
  showProgress({ text: t('preparing') });
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

async function upload({ blob, type }, signal) {
  const isExpired = () => work.form.goodUntil <= Date.now();
  if (!work.form || isExpired()) work.form = await requestForm(details(), type, signal);
  const limit = sizeLimit(work.form);
  if (blob.size > limit) {
    throw Object.assign(new Problem(t('tooLarge', { limit: bytes(limit) })), { isFinal: true });
  }
  ui.status.textContent = t('sending');
  await post(work.form, blob, { signal, onProgress: progressOf(blob.size) });
}

/** Returns a handler that shows progress and the time left at the current rate; screen readers hear every quarter. */
function progressOf(total) {
  let marks = [{ at: performance.now(), part: 0 }];
  let announced = 0;
  return (part) => {
    const now = performance.now();
    marks = [...marks.filter(({ at }) => now - at < RATE_WINDOW), { at: now, part }];
    const [first] = marks;
    const rate = (part - first.part) / (now - first.at);
    const isKnown = rate > 0 && now - first.at > 1000;
    const percent = number(part, { style: 'percent' });
    showProgress({
      part,
      percent,
      text: t('sentOf', { sent: bytes(part * total), total: bytes(total) }),
      left: part === 1 ? t('finishing') : isKnown ? t('left', { time: estimate((1 - part) / rate) }) : '',
    });
    if (Math.floor(part * 4) > announced) {
      announced = Math.floor(part * 4);
      ui.status.textContent = t('progressName', { percent });
    }
  };
}

/** Formats an estimate: `12 seconds`, `3 minutes`. */
function estimate(milliseconds) {
  const seconds = Math.max(1, Math.round(milliseconds / 1000));
  const [value, unit] = seconds < 60 ? [seconds, 'second'] : [Math.round(seconds / 60), 'minute'];
  return number(value, { style: 'unit', unit, unitDisplay: 'long' });
}

function showProgress({ part, percent = '', text, left = '' }) {
  if (part === undefined) ui.progress.removeAttribute('value');
  else ui.progress.value = part;
  ui.percent.textContent = percent;
  ui.sent.textContent = text;
  ui.left.textContent = left;
}

function done() {
  showFacts(ui.doneFacts, work.video);
  work.video = null;
  show('done', { say: t('done'), focus: 'doneTitle' });
}

function failed(problem) {
  if (problem.name === 'AbortError') {
    show('preview', { say: t('cancelled'), focus: 'send' });
  } else if (problem.isFinal) {
    show('preview', { problem: problem.message, focus: 'again' });
  } else {
    // A form that S3 has rejected is of no more use.
    if (problem.status) work.form = null;
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
  onClick(ui.closeCamera, () => { stopCamera(); show('choose', { focus: 'openCamera' }); });
  onClick(ui.send, send);
  onClick(ui.again, again);
  onClick(ui.discard, () => discard(t('discarded')));
  onClick(ui.cancel, () => work.sending.abort());
  onClick(ui.retry, send);
  onClick(ui.back, () => show('preview', { focus: 'send' }));
  onClick(ui.another, () => discard(''));
  ui.file.addEventListener('change', ({ target }) => { chooseFile([...target.files]); target.value = ''; });
  ui.preview.addEventListener('loadedmetadata', findDuration);
  ui.detailsForm.addEventListener('submit', (event) => { event.preventDefault(); checkDetails(); });
  for (const name of Object.keys(FIELDS)) {
    ui[name].addEventListener('change', () => { work.form = null; checkDetails([name]); });
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
prefillDetails();
show('choose');
reveal();
