// One request that takes a body to S3, with its progress; it is given up when it stalls.

import { Problem, t } from './page.js';

const STALL_TIMEOUT = 60_000;

/**
 * Sends a form, or a blob, until S3 has stored it; `onProgress` gets the fraction sent. Rejects with a `Problem`, which
 * has S3's status or 0 for a lost connection, or with an `AbortError` if `signal` aborts.
 */
export function transfer(method, url, body, { blob, signal, onProgress }) {
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

    if (signal.aborted) return reject(signal.reason);
    signal.addEventListener('abort', cancel);
    request.upload.onprogress = ({ loaded, total }) => {
      restartWatchdog();
      onProgress(Math.min(loaded / total, 1));
    };
    request.onerror = async () => settle(reject, (await isReadable(blob)) ? new Problem(t('noStorage')) : fileGone());
    request.onload = () => (request.status < 300 ? settle(resolve) : settle(reject, rejection(request)));
    request.open(method, url);
    request.send(body);
    restartWatchdog();
  });
}

/** Returns whether the file is still there: one that was moved or changed fails like a lost connection. */
function isReadable(blob) {
  return blob.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

export function fileGone() {
  return Object.assign(new Problem(t('fileGone')), { isFinal: true });
}

/** Reads S3's reason from its XML: `<Error><Code>..</Code><Message>..</Message></Error>`. */
function rejection(request) {
  const xml = new DOMParser().parseFromString(request.responseText, 'text/xml');
  const text = (tag) => xml.querySelector(tag)?.textContent;
  const reason = text('Message') ?? text('Code') ?? request.status;
  return new Problem(t('rejected', { reason }), request.status);
}
