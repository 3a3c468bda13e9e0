// What outlives a reload: uploads in progress and the recording that was not sent. It holds no mail and no link.

const LIFETIME = 7 * 24 * 60 * 60 * 1000;
const STORES = ['uploads', 'recordings'];
const EDGE = 2 ** 20;

let opening;

function open() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open('videos', 1);
    request.onupgradeneeded = () => STORES.forEach((name) => request.result.createObjectStore(name));
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/** Runs a request on a store. Where nothing can be kept, as in some private windows, the result is undefined. */
async function run(store, mode, act) {
  try {
    const transaction = (await open()).transaction(store, mode);
    const request = act(transaction.objectStore(store));
    return await new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error);
    });
  } catch {
    return undefined;
  }
}

export function load(store, key) {
  return run(store, 'readonly', (values) => values.get(key));
}

export function save(store, key, value) {
  return run(store, 'readwrite', (values) => values.put({ ...value, savedAt: Date.now() }, key));
}

export function remove(store, key) {
  return run(store, 'readwrite', (values) => values.delete(key));
}

export async function hasUploads() {
  return (await run('uploads', 'readonly', (values) => values.count())) > 0;
}

/** Removes what nobody came back for. */
export async function removeExpired() {
  for (const store of STORES) {
    await run(store, 'readwrite', (values) => {
      const request = values.openCursor();
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor?.value.savedAt < Date.now() - LIFETIME) cursor.delete();
        cursor?.continue();
      };
      return request;
    });
  }
}

/** Returns a digest of texts and of both ends of a video: it identifies them, and neither can be read from it. */
export async function fingerprint(texts, { blob, name } = { blob: new Blob(), name: '' }) {
  // Insecure pages have no digests, and so keep nothing.
  if (!crypto.subtle) return undefined;
  const facts = JSON.stringify([texts, name, blob.size, blob.lastModified ?? 0]);
  const identity = await new Blob([facts, blob.slice(0, EDGE), blob.slice(-EDGE)]).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', identity));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
