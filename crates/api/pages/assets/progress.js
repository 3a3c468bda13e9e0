// How far an upload is, and how long it will take.

import { bytes, number, t, ui } from './page.js';

const RATE_WINDOW = 5_000;

/** Shows that an upload begins. */
export function showPreparing() {
  show({ text: t('preparing') });
}

/** Shows that the connection is lost; the next progress takes it back. */
export function showWaiting() {
  ui.left.textContent = t('waiting');
}

/** Returns a handler that shows progress and the time left at the current rate; screen readers hear every quarter. */
export function progressOf(total) {
  let marks = [{ at: performance.now(), part: 0 }];
  let announced = 0;
  return (part) => {
    const now = performance.now();
    marks = [...marks.filter(({ at }) => now - at < RATE_WINDOW), { at: now, part }];
    const [first] = marks;
    const rate = (part - first.part) / (now - first.at);
    const isKnown = rate > 0 && now - first.at > 1000;
    const percent = number(part, { style: 'percent' });
    show({
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

function show({ part, percent = '', text, left = '' }) {
  if (part === undefined) ui.progress.removeAttribute('value');
  else ui.progress.value = part;
  ui.percent.textContent = percent;
  ui.sent.textContent = text;
  ui.left.textContent = left;
}
