// Whether the server can be reached: one place that tries again, and says so. Everything else waits for it.

import { set, setText } from "./dom.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 15_000;
/** Whoever is there says so at once. */
const LONGEST_ANSWER = 5_000;

let down = false;
let losses = 0;
let waiters = [];
let hurry = null;

export const sleep = (ms, signal) => new Promise((resolve) => {
  if (signal?.aborted) return resolve();
  const done = () => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", done);
    resolve();
  };
  const timer = setTimeout(done, ms);
  signal?.addEventListener("abort", done);
});

/** Ready when the server was reached last, and the page is looked at. Also when the signal aborts: check it. */
export async function ready(signal) {
  while (!signal.aborted && (down || document.hidden)) {
    await new Promise((resolve) => {
      waiters.push(resolve);
      signal.addEventListener("abort", resolve, { once: true });
    });
  }
}

function wake() {
  const woken = waiters;
  waiters = [];
  woken.forEach((resolve) => resolve());
}

document.addEventListener("visibilitychange", wake);

/** A request got through. */
export function reached() {
  if (!down) return;
  down = false;
  showState(null);
  hurry?.abort();
  wake();
}

/** A request did not get through. */
export function lost() {
  if (down) return;
  down = true;
  retry((losses += 1));
}

async function retry(loss) {
  let wait = FIRST_WAIT;
  showState("lost");
  showBanner("The server cannot be reached. What you see may be old.", false);
  while (down && loss === losses) {
    // Many pages that lost one server should not all come back at the same instant.
    await countDown(wait * (0.8 + Math.random() * 0.4));
    wait = Math.min(wait * 2, LONGEST_WAIT);
    try {
      // What is whole and JSON comes from the server, and not from something between that answers in its place.
      await (await fetch("/healthz", { cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(LONGEST_ANSWER) })).json();
      reached();
    } catch {
      // Still down.
    }
  }
  // It came back and was lost once more.
  if (loss !== losses) return;
  showBanner("Connected again.", true);
  await sleep(4_000);
  if (!down && loss === losses) hideBanner();
}

async function countDown(ms) {
  const end = performance.now() + ms;
  const waiting = document.getElementById("banner-wait");
  const button = document.getElementById("banner-action");
  button.hidden = false;
  setText(button, "Try now");
  while (down) {
    hurry = new AbortController();
    button.onclick = () => hurry.abort();
    const left = end - performance.now();
    if (left <= 0) break;
    setText(waiting, `Trying again in ${Math.ceil(left / 1_000)} s.`);
    await sleep(Math.min(left, 1_000), hurry.signal);
    if (hurry.signal.aborted) break;
  }
}

function showBanner(text, good) {
  const banner = document.getElementById("banner");
  banner.hidden = false;
  banner.classList.toggle("good", good);
  setText(document.getElementById("banner-text"), text);
  setText(document.getElementById("banner-wait"), "");
  document.getElementById("banner-action").hidden = true;
}

function hideBanner() {
  document.getElementById("banner").hidden = true;
  setText(document.getElementById("banner-text"), "");
}

const STATES = { live: "Live", polling: "Polling", stale: "Stale", lost: "Offline" };

/** Says in the header how fresh the view is; nothing for a view that is not kept fresh. Without a server none is. */
export function showState(view) {
  const state = down ? "lost" : view;
  const node = document.getElementById("link-state");
  set(node, "hidden", !state);
  node.className = `link-state ${state ?? ""}`;
  setText(node, STATES[state] ?? "");
}
