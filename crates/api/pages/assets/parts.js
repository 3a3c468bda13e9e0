// A large video in parts: what is lost with a connection is a part at most, and an upload that was interrupted goes on.

import { ask, json } from './page.js';
import { persist } from './persist.js';
import { fingerprint, load, remove, save } from './store.js';
import { linkPath, metadata, texts } from './target.js';
import { fileGone, transfer } from './transfer.js';

const MIB = 2 ** 20;
const CONCURRENCY = 4;
/** A link may expire before S3 has the part; a new one is not refused for that. */
const ATTEMPTS = 3;
const MAX_RESTARTS = 3;

/**
 * Sends a video until S3 has all of it. `signal` cancels; `onProgress` gets the fraction sent, `onWait` is called when
 * the connection is lost.
 */
export async function sendInParts(video, details, run) {
  const identity = await fingerprint(texts(details), video).catch(() => { throw fileGone(); });
  for (let restarts = 0; ; restarts += 1) {
    const upload = await load('uploads', identity) ?? await create(video, details, run);
    await save('uploads', identity, upload);
    try {
      await complete(upload, video.blob, identity, run);
      return await remove('uploads', identity);
    } catch (problem) {
      const isCancelled = run.signal.aborted;
      if (isCancelled) discard(upload);
      // S3 aborts what is not completed in a day.
      const isGone = problem.status === 404;
      if (isCancelled || isGone) await remove('uploads', identity);
      if (!isGone || isCancelled || restarts === MAX_RESTARTS) throw problem;
    }
  }
}

async function create({ blob, type, name }, details, { signal }) {
  const body = { filename: name, type, metadata: metadata(details) };
  const { body: { key, uploadId } } = await ask(`${linkPath}/s3/multipart`, { signal, ...json(body) });
  return { key, uploadId, partSize: partSize(blob.size) };
}

/** Returns a size that loses little with a connection, and of which 10,000 parts hold the video. */
function partSize(size) {
  const forOneList = Math.min(Math.ceil(size / 1000 / MIB), 64);
  return Math.max(8, forOneList, Math.ceil(size / 10_000 / MIB)) * MIB;
}

async function complete(upload, blob, identity, run) {
  if (!upload.parts) {
    upload.parts = await sendMissing(upload, blob, run);
    // If the answer gets lost, only the same parts show that they were completed.
    await save('uploads', identity, upload);
  }
  run.onProgress(1);
  await persist(() => ask(pathOf(upload, '/complete'), { signal: run.signal, ...json({ parts: upload.parts }) }), run);
}

/** Sends the parts that S3 lacks, and returns all of them as S3 lists them. */
async function sendMissing(upload, blob, run) {
  const parts = partsOf(blob, upload.partSize);
  const progress = new Progress(blob.size, upload.partSize, run.onProgress);
  for (;;) {
    const { body: stored } = await persist(() => ask(pathOf(upload), { signal: run.signal }), run);
    const sizes = new Map(stored.map(({ PartNumber, Size }) => [PartNumber, Size]));
    const isStored = ({ number, size }) => sizes.get(number) === size;
    for (const part of parts.filter(isStored)) progress.set(part, 1);
    const missing = parts.filter((part) => !isStored(part));
    if (missing.length === 0) return stored.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
    await sendAll(missing, upload, blob, { ...run, progress });
  }
}

function partsOf({ size }, partSize) {
  return Array.from({ length: Math.ceil(size / partSize) }, (_, index) => {
    const start = index * partSize;
    return { number: index + 1, start, size: Math.min(partSize, size - start) };
  });
}

/** Sends some parts at once; the first that is refused stops the others. */
async function sendAll(parts, upload, blob, run) {
  const stopping = new AbortController();
  const stop = () => stopping.abort(run.signal.reason);
  run.signal.addEventListener('abort', stop);
  const queue = [...parts];
  const work = async () => {
    while (queue.length > 0) await send(queue.shift(), upload, blob, { ...run, signal: stopping.signal });
  };
  try {
    await Promise.all(Array.from({ length: CONCURRENCY }, work));
  } finally {
    run.signal.removeEventListener('abort', stop);
    stopping.abort();
  }
}

function send(part, upload, blob, { signal, progress, onWait }) {
  const content = blob.slice(part.start, part.start + part.size);
  const onProgress = (fraction) => progress.set(part, fraction);
  const put = async () => {
    const { body: { url } } = await ask(`${pathOf(upload, `/${part.number}`)}&size=${part.size}`, { signal });
    await transfer('PUT', url, content, { blob, signal, onProgress });
  };
  return persist(put, { signal, attempts: ATTEMPTS, onWait: () => { onProgress(0); onWait(); } });
}

/** Aborts an upload at S3, whatever becomes of the page's own work. */
function discard(upload) {
  persist(() => ask(pathOf(upload), { method: 'DELETE', keepalive: true }), {}).catch(() => {});
}

function pathOf({ key, uploadId }, action = '') {
  return `${linkPath}/s3/multipart/${encodeURIComponent(uploadId)}${action}?${new URLSearchParams({ key })}`;
}

/** Adds up what is sent. Parts that start again take what is shown back by one part at most. */
class Progress {
  #sent = new Map();
  #total = 0;
  #peak = 0;

  constructor(size, partSize, onProgress) {
    Object.assign(this, { size, partSize, onProgress });
  }

  set(part, fraction) {
    const sent = part.size * fraction;
    this.#total += sent - (this.#sent.get(part) ?? 0);
    this.#sent.set(part, sent);
    this.#peak = Math.max(this.#peak, this.#total);
    this.onProgress(Math.max(this.#total, this.#peak - this.partSize) / this.size);
  }
}
