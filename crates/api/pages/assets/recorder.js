// The camera: opening, recording and closing it.

import { Problem, t } from './page.js';

const RECORDED_TYPES = ['video/webm;codecs=vp8,opus', 'video/webm', 'video/mp4'];
const CAMERA_ERRORS = { NotFoundError: 'cameraMissing', NotReadableError: 'cameraBusy', AbortError: 'cameraBusy' };

/** Opens the camera and the microphone, or the camera alone where there is no microphone. */
export async function open() {
  if (!window.isSecureContext) throw cameraProblem('cameraInsecure');
  if (!navigator.mediaDevices || !window.MediaRecorder) throw cameraProblem('cameraUnsupported');
  const video = { facingMode: 'user', width: { ideal: 1280 }, height: { ideal: 720 } };
  const request = (audio) => navigator.mediaDevices.getUserMedia({ video, audio });
  try {
    const withoutSound = (error) => (error.name === 'NotFoundError' ? request(false) : Promise.reject(error));
    return await request(true).catch(withoutSound);
  } catch (error) {
    throw cameraProblem(CAMERA_ERRORS[error.name] ?? 'cameraBlocked');
  }
}

function cameraProblem(key) {
  return new Problem(`${t(key)} ${t('orFile')}`);
}

export function close(stream) {
  for (const track of stream.getTracks()) track.stop();
}

/**
 * Starts recording; `stop()` ends it. `video` resolves to `{ blob, type }`, with the type as the API names it, even if
 * the camera stops by itself.
 */
export function record(stream) {
  const mimeType = RECORDED_TYPES.find((type) => MediaRecorder.isTypeSupported(type));
  const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 2_500_000 });
  const chunks = [];
  const video = new Promise((resolve, reject) => {
    recorder.ondataavailable = ({ data }) => chunks.push(data);
    recorder.onerror = () => reject(cameraProblem('cameraBusy'));
    recorder.onstop = () => {
      const [type] = recorder.mimeType.split(';');
      const blob = new Blob(chunks, { type });
      if (blob.size > 0) resolve({ blob, type });
      else reject(new Problem(t('recordingEmpty')));
    };
  });
  // One-second chunks let the browser keep a long recording out of memory.
  recorder.start(1000);
  return { video, stop: () => recorder.state !== 'inactive' && recorder.stop() };
}
