// Whose video this page uploads: the details' person, or whom an upload link invites.

import { API, ask } from './page.js';

const path = location.pathname.slice(new URL(API).pathname.replace(/\/$/, '').length);
const [, token] = path.match(/^\/u\/([^/]+)\/*$/) ?? [];

/** Whether the details come with an upload link. */
export const isLink = token !== undefined;

/** What stands before the routes of an upload. */
export const linkPath = isLink ? `/u/${token}` : '';

/** Returns the path of the upload form. */
export function formPath({ project, step, mail }, type) {
  if (isLink) return `${linkPath}/presignedurl?${new URLSearchParams({ type })}`;
  const query = new URLSearchParams({ mail, type });
  return `/presignedurl/${encodeURIComponent(project)}/${encodeURIComponent(step)}?${query}`;
}

/** Returns what an upload in parts says of the person. */
export function metadata({ project, step, mail }) {
  return isLink ? {} : { project, step, mail };
}

/** Returns the texts that distinguish this person and video from others. */
export function texts({ project, step, mail }) {
  return isLink ? [token] : [project, step, mail];
}

/** Returns the state of the link's video. */
export async function readVideo() {
  return (await ask(`${linkPath}/video`)).body;
}
