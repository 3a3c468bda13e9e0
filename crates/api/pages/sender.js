// The way of a video to S3: which type it has, the form that allows it, and the post itself.

const TYPES = { webm: 'video/webm', mp4: 'video/mp4', m4v: 'video/mp4', mov: 'video/quicktime' };
const STALLED_AFTER = 60_000;

/** The type that the API accepts for this file, by what the browser says, else by its name; undefined for any other file. */
function typeOf(file) {
  const extension = file.name.split('.').pop().toLowerCase();
  if (Object.values(TYPES).includes(file.type)) return file.type;
  return file.type === '' || file.type === 'video/x-m4v' ? TYPES[extension] : undefined;
}

/** Asks for an upload form; `goodUntil` is its end by this device's clock, which may be wrong. */
async function askForm({ project, step, mail }, type, signal) {
  const query = new URLSearchParams({ mail, type });
  const path = `/presignedurl/${encodeURIComponent(project)}/${encodeURIComponent(step)}?${query}`;
  const { body, headers } = await ask(path, { signal });
  const serverNow = Date.parse(headers.get('date')) || Date.now();
  return { ...body, goodUntil: Date.now() + Date.parse(body.expiresAt) - serverNow };
}

/** The largest video that the form's policy lets through, in bytes. */
function largest(form) {
  const { conditions } = JSON.parse(atob(form.fields.policy));
  return conditions.find((condition) => condition[0] === 'content-length-range')?.[2] ?? Infinity;
}

/** Posts the video. Resolves when S3 has it all; rejects with a `Problem`, or an `AbortError` when `signal` says so. */
function post(form, blob, { signal, onProgress }) {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  // S3 ignores every field behind the file.
  body.append('file', blob);

  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    let watchdog;
    const settle = (act, value) => {
      clearTimeout(watchdog);
      signal.removeEventListener('abort', cancel);
      act(value);
    };
    const giveUp = (reason) => {
      settle(reject, reason);
      request.abort();
    };
    const cancel = () => giveUp(signal.reason);
    const watch = () => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => giveUp(new Problem(t('stalled'))), STALLED_AFTER);
    };

    signal.addEventListener('abort', cancel);
    request.upload.onprogress = ({ loaded, total }) => {
      watch();
      onProgress(Math.min(loaded / total, 1));
    };
    request.onerror = async () => settle(reject, new Problem(t((await isReadable(blob)) ? 'noStorage' : 'fileGone')));
    request.onload = () => (request.status === 201 ? settle(resolve) : settle(reject, refusal(request)));
    request.open('POST', form.url);
    request.send(body);
    watch();
  });
}

/** A file that was moved or changed since it was chosen fails like a lost connection. */
function isReadable(blob) {
  return blob.slice(0, 1).arrayBuffer().then(() => true, () => false);
}

/** S3 says why in XML: `<Error><Code>..</Code><Message>..</Message></Error>`. */
function refusal(request) {
  const xml = new DOMParser().parseFromString(request.responseText, 'text/xml');
  const text = (tag) => xml.querySelector(tag)?.textContent;
  const reason = text('Message') ?? text('Code') ?? request.status;
  return new Problem(t('refused', { reason }), request.status);
}
