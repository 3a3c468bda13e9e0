// Sends a video to S3: its type, the upload form and the POST itself.

import { Problem, ask, t } from './page.js';

const TYPES = { webm: 'video/webm', mp4: 'video/mp4', m4v: 'video/mp4', mov: 'video/quicktime' };
const STALL_TIMEOUT = 60_000;

/** Returns the file's type, as the browser reports it or by its name; undefined if the API does not accept it. */
export function typeOf(file) {
  const extension = file.name.split('.').pop().toLowerCase();
  if (Object.values(TYPES).includes(file.type)) return file.type;
  return file.type === '' || file.type === 'video/x-m4v' ? TYPES[extension] : undefined;
}

/** Requests an upload form; `expiresAt` becomes `goodUntil`, corrected for this device's clock, which may be wrong. */
export async function requestForm({ project, step, mail }, type, signal) {
  const query = new URLSearchParams({ mail, type });
  const path = `/presignedurl/${encodeURIComponent(project)}/${encodeURIComponent(step)}?${query}`;
  const { body, headers } = await ask(path, { signal });
  const serverNow = Date.parse(headers.get('date')) || Date.now();
  return { ...body, goodUntil: Date.now() + Date.parse(body.expiresAt) - serverNow };
}

/** Returns the size limit in the form's policy, in bytes. */
export function sizeLimit(form) {
  const { conditions } = JSON.parse(atob(form.fields.policy));
  return conditions.find((condition) => condition[0] === 'content-length-range')?.[2] ?? Infinity;
}

/** Posts the video until S3 has stored it; rejects with a `Problem` or, if `signal` aborts, an `AbortError`. */
export function post(form, blob, { signal, onProgress }) {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  // S3 ignores every field after the file.
  body.append('file', blob);

  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let watchdog;
    const settle = (act, value) => {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', cancel);
      act(value);
    };
    const fail = (reason) => {
      settle(reject, reason);
      request.abort();
    };
    const cancel = () => fail(signal.reason);
    const restartWatchdog = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => fail(new Problem(t('stalled'))), STALL_TIMEOUT);
    };

    signal.addEventListener('abort', cancel);
    request.upload.onprogress = ({ loaded, total }) => {
      restartWatchdog();
      onProgress(Math.min(loaded / total, 1));
    };
    request.onerror = async () => settle(reject, new Problem(t((await isReadable(blob)) ? 'noStorage' : 'fileGone')));
    request.onload = () => (request.status === 201 ? settle(resolve) : settle(reject, rejection(request)));
    request.open('POST', form.url);
    request.send(body);
    restartWatchdog();
  });
}

/** Returns whether the file is still there: one that was moved or changed fails like a lost connection. */
function isReadable(blob) {
  return blob.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

/** Reads S3's reason from its XML: `<Error><Code>..</Code><Message>..</Message></Error>`. */
function rejection(request) {
  const xml = new DOMParser().parseFromString(request.responseText, 'text/xml');
  const text = (tag) => xml.querySelector(tag)?.textContent;
  const reason = text('Message') ?? text('Code') ?? request.status;
  return new Problem(t('rejected', { reason }), request.status);
}
