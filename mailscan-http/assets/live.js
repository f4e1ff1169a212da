// Keeps a view fresh: by server-sent events where they come, by asking again where they do not.
// EventSource cannot send a token, so the stream is read with fetch.

import { Problem, Unreachable, open } from "./api.js";
import { ready, showState, sleep } from "./connection.js";

/** Without even a comment for so long, a stream is dead: the server sends one every 15 s. */
const SILENCE = 40_000;
const POLL = 2_000;
/** The longest time between requests that the server refuses, unless it wants a longer one; and the longest one heeded. */
const LONGEST_WAIT = 15_000;
const LONGEST_AFTER = 300_000;
/** Polls until a stream is tried again. */
const POLLS = 15;
/** The most text of one event; nothing honest comes near. */
const LONGEST_EVENT = 4_000_000;

/**
 * Follows a stream until the signal aborts or it says that it is over. `on` has a function for each event name;
 * `poll` asks for the same by ordinary requests.
 */
export async function follow(path, { signal, on, poll }) {
  let last = null;
  let wait = 500;
  let refused = 0;
  const fresh = freshness(signal);
  const ask = async () => {
    await poll();
    fresh.came();
  };
  while (!signal.aborted) {
    await ready(signal);
    if (signal.aborted) break;
    try {
      const came = await read(path, last, signal, (event) => {
        fresh.came();
        last = event.id ?? last;
        on[event.name]?.(JSON.parse(event.data));
      });
      if (came.ended) return;
      refused = 0;
      wait = came.events > 0 ? 500 : Math.min(wait * 2, LONGEST_WAIT);
      // It ended without a word: the server stops or cannot read what it tells of, or something between cut it.
      fresh.failed(await attempt(ask, signal));
      await sleep(wait, signal);
    } catch (error) {
      // No such stream, or something between lets none through: ordinary requests may still work.
      if (signal.aborted) break;
      const trouble = await pollForAWhile(ask, signal, error);
      fresh.failed(trouble);
      refused = trouble instanceof Unreachable || trouble === null ? 0 : refused + 1;
      if (trouble !== null) await sleep(pause(POLL, trouble, refused), signal);
    }
  }
}

/** Says that what is shown is stale once something came, and what would have come next failed. Without a server it is old anyway. */
function freshness(signal) {
  let any = false;
  return {
    came: () => { any = true; },
    failed: (trouble) => {
      if (any && trouble !== null && !(trouble instanceof Unreachable) && !signal.aborted) showState("stale");
    },
  };
}

/** Answers what ended it early. */
async function pollForAWhile(poll, signal, error) {
  if (!(error instanceof Problem || error instanceof Unreachable)) console.warn("events cannot be read", error);
  for (let n = 0; n < POLLS && !signal.aborted; n += 1) {
    await ready(signal);
    if (signal.aborted) break;
    const trouble = await attempt(poll, signal);
    if (trouble !== null) return trouble;
    showState("polling");
    await sleep(POLL, signal);
  }
  return null;
}

/** Does the work; answers what it failed with, if it did. */
async function attempt(work, signal) {
  if (signal.aborted) return null;
  try {
    await work();
    return null;
  } catch (error) {
    // Whatever it is, it does not end what keeps the view fresh.
    if (!signal.aborted && !(error instanceof Problem) && !(error instanceof Unreachable)) console.error(error);
    return error;
  }
}

/** How long to wait after a failure, `refused` times in a row, of what is done every `ms`. */
function pause(ms, error, refused) {
  // It waits until the server is there, and then goes on at once.
  if (error instanceof Unreachable) return Math.min(ms, POLL);
  const longer = Math.min(POLL * 2 ** refused, Math.max(ms, LONGEST_WAIT));
  return Math.max(longer, Math.min((error.after ?? 0) * 1_000, LONGEST_AFTER));
}

/** Does the work now and again and again, while the page is looked at and the server is there. */
export async function every(ms, signal, work) {
  let refused = 0;
  while (!signal.aborted) {
    await ready(signal);
    const trouble = await attempt(work, signal);
    refused = trouble === null || trouble instanceof Unreachable ? 0 : refused + 1;
    await sleep(trouble === null ? ms : pause(ms, trouble, refused), signal);
  }
}

/** The same for a view whose state this is: live as long as the server answers. */
export function keepLive(ms, signal, work) {
  const fresh = freshness(signal);
  return every(ms, signal, async () => {
    try {
      await work();
    } catch (error) {
      fresh.failed(error);
      throw error;
    }
    fresh.came();
    if (!signal.aborted) showState("live");
  });
}

async function read(path, last, signal, deliver) {
  const ours = new AbortController();
  const stop = () => ours.abort();
  const hide = () => document.hidden && stop();
  let timer = setTimeout(stop, SILENCE);
  signal.addEventListener("abort", stop);
  document.addEventListener("visibilitychange", hide);
  const came = { events: 0, ended: false };
  let live = false;
  try {
    const headers = { Accept: "text/event-stream", ...(last === null ? {} : { "Last-Event-ID": last }) };
    const response = await open(path, { headers, signal: ours.signal, view: signal, optional: true });
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream")) throw new Error("not a stream of events");
    live = true;
    const parse = parser((event) => {
      came.events += 1;
      came.ended ||= event.name === "end";
      deliver(event);
    });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      // Also when the server was lost and found meanwhile, as it was for requests while it hung.
      if (!signal.aborted) showState("live");
      const { done, value } = await reader.read();
      if (done) return came;
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE);
      parse(value);
    }
  } catch (error) {
    // Stopped by ourselves, or cut while reading: either way the stream is tried again.
    if (ours.signal.aborted || error instanceof TypeError) return came;
    throw error;
  } finally {
    clearTimeout(timer);
    stop();
    signal.removeEventListener("abort", stop);
    document.removeEventListener("visibilitychange", hide);
    if (live && !signal.aborted) showState(null);
  }
}

/** Takes pieces of an event stream, and hands on each event as it is whole. */
export function parser(deliver) {
  let rest = "";
  let event = { name: "message", id: null, data: [] };
  return (piece) => {
    rest += piece;
    if (rest.length > LONGEST_EVENT) throw new Error("an event is too long");
    const lines = rest.split("\n");
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
      if (line === "") {
        if (event.data.length > 0) deliver({ ...event, data: event.data.join("\n") });
        event = { name: "message", id: null, data: [] };
      } else if (name === "event") event.name = value;
      else if (name === "id") event.id = value;
      else if (name === "data") event.data.push(value);
    }
  };
}
