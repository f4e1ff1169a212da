// Where the page begins: the address behind `#` names a view, and one view is shown at a time.
//
// A view is `{ title, mount(parameters, context) }`. It builds its element, and everything that it keeps going ends
// with `context.signal`.

import { showState } from "./connection.js";
import { announce, fill, h } from "./dom.js";
import { notice } from "./parts.js";
import addresses from "./views/addresses.js";
import errors from "./views/errors.js";
import job from "./views/job.js";
import jobs from "./views/jobs.js";
import newJob from "./views/new-job.js";
import system from "./views/system.js";
import workers from "./views/workers.js";

const VIEWS = [
  [/^\/(?:jobs)?$/, jobs, "jobs"],
  [/^\/jobs\/(?<id>\d{1,20})(?:\/(?<tab>workers|errors|addresses|details))?$/, job, "jobs"],
  [/^\/new$/, newJob, "new"],
  [/^\/workers$/, workers, "workers"],
  [/^\/errors$/, errors, "errors"],
  [/^\/addresses$/, addresses, "addresses"],
  [/^\/system$/, system, "system"],
];

const main = document.getElementById("main");
let leave = new AbortController();
let shown = null;

function show() {
  const hash = location.hash.startsWith("#/") ? location.hash.slice(1) : "/jobs";
  if (hash === shown) return;
  const [path, search = ""] = hash.split("?");
  const first = shown === null;
  shown = hash;
  leave.abort();
  leave = new AbortController();
  showState(null);
  for (const [pattern, view, section] of VIEWS) {
    const found = pattern.exec(path);
    if (!found) continue;
    markCurrent(section);
    const parameters = { ...Object.fromEntries(new URLSearchParams(search)), ...found.groups };
    const title = typeof view.title === "function" ? view.title(parameters) : view.title;
    document.title = `${title} \u00b7 mailscan`;
    fill(main, view.mount(parameters, { signal: leave.signal, go, moved }));
    arrive(title, first);
    return;
  }
  markCurrent("");
  document.title = "Not found \u00b7 mailscan";
  fill(main, h("div", { class: "view" }, h("h1", {}, "Not found"),
    notice("empty", "There is nothing here", "The address names no view of this page.", h("a", { href: "#/jobs" }, "All jobs"))));
}

/** A new view begins at its top, for the eyes and for the keyboard. */
function arrive(title, first) {
  if (first) return;
  window.scrollTo(0, 0);
  main.focus({ preventScroll: true });
  announce(title);
}

function markCurrent(section) {
  for (const link of document.querySelectorAll(".topbar a")) {
    const here = link.hash === `#/${section}` && !link.classList.contains("brand");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

/** Goes to another view. */
function go(path) {
  location.hash = `#${path}`;
}

/** The view that is shown has moved by itself: its address changes, and nothing else. */
function moved(path) {
  shown = path;
  history.replaceState(null, "", `#${path}`);
}

// The target of the skip link is no view.
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
window.addEventListener("hashchange", show);
show();
