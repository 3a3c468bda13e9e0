// Sends a video to S3: small ones by an upload form, large ones in parts.

import { ask, loaded } from './page.js';
import { persistOffline } from './persist.js';
import { formPath } from './target.js';
import { transfer } from './transfer.js';

/** Larger videos go in parts. */
const MAX_FORM_BYTES = 32_000_000;
const TYPES = { webm: 'video/webm', mp4: 'video/mp4', m4v: 'video/mp4', mov: 'video/quicktime' };

/** Returns the file's type, as the browser reports it or by its name; undefined if the API does not accept it. */
export function typeOf(file) {
  const extension = file.name.split('.').pop().toLowerCase();
  if (Object.values(TYPES).includes(file.type)) return file.type;
  return file.type === '' || file.type === 'video/x-m4v' ? TYPES[extension] : undefined;
}

/** Sends the video of these details; see `sendInParts` for `run`. A form that is still good is used again. */
export async function sendVideo(video, details, run) {
  if (isLarge(video)) {
    const { sendInParts } = await loaded(loadParts());
    return sendInParts(video, details, run);
  }
  await persistOffline(async () => {
    if (!(video.form?.goodUntil > Date.now())) video.form = await requestForm(details, video.type, run.signal);
    try {
      await post(video.form, video.blob, run);
    } catch (problem) {
      // A form that S3 has rejected is of no more use.
      if (problem.status) delete video.form;
      throw problem;
    }
  }, run);
}

export function isLarge({ blob }) {
  return blob.size > MAX_FORM_BYTES;
}

export function loadParts() {
  return import('./parts.js');
}

/** Requests an upload form; `expiresAt` becomes `goodUntil`, corrected for this device's clock, which may be wrong. */
async function requestForm(details, type, signal) {
  const { body, headers } = await ask(formPath(details, type), { signal });
  const serverNow = Date.parse(headers.get('date')) || Date.now();
  return { ...body, goodUntil: Date.now() + Date.parse(body.expiresAt) - serverNow };
}

function post({ url, fields }, blob, run) {
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  // S3 ignores every field after the file.
  body.append('file', blob);
  return transfer('POST', url, body, { ...run, blob });
}
