// Requests to the server: JSON both ways, its problems as errors, the token where one is asked for.

import { askToken } from "./dialogs.js";
import { lost, reached } from "./connection.js";

const BASE = "/api/v1";
const TOKEN = "mailscan-token";
const COMMON = { cache: "no-store", redirect: "error", credentials: "omit" };
/** The server says within 30 s that it has no answer. One that says nothing for longer, over an open connection, hangs. */
const LONGEST_ANSWER = 35_000;

/** The server cannot be reached. The banner says so; who meets it waits. */
export class Unreachable extends Error {}

/** The server answered that something is wrong (RFC 9457). */
export class Problem extends Error {
  constructor(status, body, after = 0) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    /** How many seconds the server wants to be left alone. */
    this.after = after;
    const one = body.field ?? body.parameter;
    /** What is wrong with which field. */
    this.fields = Array.isArray(body.errors) ? body.errors : one ? [{ field: one, detail: this.message }] : [];
  }
}

/** Whether a token is in use, which links cannot send. */
export const hasToken = () => sessionStorage.getItem(TOKEN) !== null;

/** What a header can hold, and a token of the server consists of. */
const SENDABLE = /^[\x21-\x7e]+$/;

let asking = null;
let declined = false;

/**
 * Asks for a token, once however many requests want one; whether there is another one now. Why it is asked for: there is
 * `none` yet, the one there is is `wrong`, or it is for `reading` only. The question is gone with the last view that asked.
 */
export function enterToken(why = hasToken() ? "wrong" : "none", view = undefined) {
  asking ??= question(why);
  return asking.join(view);
}

function question(why) {
  const left = new AbortController();
  let waiting = 0;
  const end = () => {
    waiting -= 1;
    if (waiting > 0) return;
    if (asking === mine) asking = null;
    left.abort();
  };
  const answer = newToken(why, left.signal).then((token) => {
    if (asking === mine) asking = null;
    // Who wants to do no more than read is still asked when that is not possible any more, and who went away was not heard.
    if (token !== null || !left.signal.aborted) declined = token === null && why !== "reading";
    if (token !== null) sessionStorage.setItem(TOKEN, token);
    return token !== null;
  });
  const join = async (view) => {
    waiting += 1;
    view?.addEventListener("abort", end, { once: true });
    try {
      return await answer;
    } finally {
      view?.removeEventListener("abort", end);
    }
  };
  const mine = { join };
  return mine;
}

/** One that the server knows, so that nothing else takes the place of one that works; or null. */
async function newToken(why, signal) {
  const token = await askToken(why, signal);
  return token === null || (SENDABLE.test(token) && (await isKnown(token))) ? token : newToken("wrong", signal);
}

async function isKnown(token) {
  try {
    const init = { ...COMMON, headers: { Authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(LONGEST_ANSWER) };
    return (await fetch(`${BASE}/jobs?limit=1`, init)).status !== 401;
  } catch {
    // That is found out when the server is there.
    return true;
  }
}

/**
 * A response that is not a problem, whatever its kind. When an `optional` one cannot be had, the server may still be there;
 * and whether it was reached is not known before a `whole` one has been read, for which there is a time. A change goes on when
 * its `view` is left, but nobody is asked for a token any more, nor is it done with one that came afterwards.
 */
export async function open(path, { method = "GET", body, headers = {}, signal, view = signal, optional = false, whole = false } = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const all = { ...headers };
    if (token !== null) all.Authorization = `Bearer ${token}`;
    if (method !== "GET") all["Content-Type"] = "application/json";
    // A change takes as long as its body does on its way.
    const limits = whole && method === "GET" ? [AbortSignal.timeout(LONGEST_ANSWER)] : [];
    const init = { ...COMMON, method, headers: all, signal: AbortSignal.any([...limits, signal].filter(Boolean)) };
    if (method !== "GET") init.body = JSON.stringify(body ?? {});
    let response;
    try {
      response = await fetch(BASE + path, init);
    } catch (error) {
      if (signal?.aborted) throw error;
      if (!optional) lost();
      throw new Unreachable("the server cannot be reached");
    }
    if (!response.ok || !whole) reached();
    if (response.ok) return response;
    const problem = new Problem(response.status, await response.json().catch(() => ({})), Number(response.headers.get("Retry-After")) || 0);
    const why = reasonFor(response, token);
    if (why === null || (declined && why !== "reading") || view?.aborted) throw problem;
    // Somebody may have entered another one meanwhile.
    if (sessionStorage.getItem(TOKEN) === token && !(await enterToken(why, view))) throw problem;
    if (view?.aborted) throw problem;
  }
}

/** Why another token is needed after an answer; null where none would help. */
function reasonFor(response, token) {
  if (response.status === 401) return token === null ? "none" : "wrong";
  return response.headers.get("WWW-Authenticate")?.includes("insufficient_scope") ? "reading" : null;
}

/** The JSON of an answer; null where there is none. */
export async function request(path, options) {
  const response = await open(path, { ...options, whole: true });
  try {
    const answer = response.status === 204 ? null : await response.json();
    reached();
    return answer;
  } catch (error) {
    if (options?.signal?.aborted) throw error;
    // It broke off, or something between has answered in the server's place.
    lost();
    throw new Unreachable("the answer of the server broke off");
  }
}

export const get = (path, signal) => request(path, { signal });
export const post = (path, view, body, headers) => request(path, { method: "POST", body, headers, view });
export const remove = (path, view) => request(path, { method: "DELETE", view });

/** A query out of those parameters that have a value. */
export function query(parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

/** Saves what is at a path as a file. */
export async function download(path, name, view) {
  const link = document.createElement("a");
  link.download = name;
  if (!hasToken()) {
    // The browser streams it to the disk by itself.
    link.href = BASE + path;
    link.click();
    return;
  }
  const response = await open(path, { view });
  link.href = URL.createObjectURL(await response.blob());
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
