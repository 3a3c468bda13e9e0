// Trying again: what fails while the connection is lost goes on by itself once it is back.

const FIRST_DELAY = 500;
const MAX_DELAY = 30_000;

/**
 * Repeats what fails for a passing reason, for as long as it takes, and what is refused until the given number of
 * `attempts`. `onWait` is called before each pause.
 */
export async function persist(act, { signal, attempts = 1, onWait = () => {}, isPassing = isTransient }) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (problem) {
      if (signal?.aborted || problem.isFinal || (!isPassing(problem) && attempt >= attempts)) throw problem;
    }
    onWait();
    await pause(attempt, signal);
  }
}

/** Repeats what fails because this device is offline. */
export function persistOffline(act, { signal, onWait }) {
  return persist(act, { signal, onWait, isPassing: ({ status }) => status === 0 && !navigator.onLine });
}

function isTransient({ status }) {
  return status === 0 || status === 429 || status >= 500;
}

/** Waits, longer after each attempt and at random, or until this device is online again. */
function pause(attempt, signal) {
  const delay = Math.min(FIRST_DELAY * 2 ** attempt, MAX_DELAY) * (0.5 + Math.random() / 2);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(end, delay);
    addEventListener('online', end);
    signal?.addEventListener('abort', end);
    function end() {
      clearTimeout(timer);
      removeEventListener('online', end);
      signal?.removeEventListener('abort', end);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    }
  });
}
