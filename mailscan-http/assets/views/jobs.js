// All jobs, the newest first, kept fresh by events.

import { get, query } from "../api.js";
import { fill, h, set, source } from "../dom.js";
import { counted, number, percent, time } from "../format.js";
import { every, follow } from "../live.js";
import { STATUSES, badge, failure, isShort, kindOf, loading, notice, progress } from "../parts.js";
import { table } from "../table.js";

const PAGE = 50;
/** The most rows that are kept; older jobs are found by their state or opened by their number. */
const MOST = 1_000;
/** What events do not say, such as a settled job that another server deleted, is seen after so long. */
const LOOK_AGAIN = 30_000;
/** What events tell within so long is shown at once. */
const DRAW = 50;

function columns() {
  return [
    { label: "Job", kind: "name", cell: (job) => h("a", { href: `#/jobs/${job.id}` }, `Job ${job.id}`) },
    { label: "Status", cell: (job) => badge(job.status, kindOf(job)) },
    { label: "Sources", kind: "grow", cell: sources },
    { label: "Progress", kind: "bar", cell: bar },
    { label: "Collected", kind: "figure", cell: collected },
    { label: "Elapsed", kind: "figure", cell: (job) => job.elapsed_formatted },
    { label: "Created", kind: "figure", cell: (job) => time(job.created_at) },
  ];
}

/** As much of a source as a list has room for; the details of its job have more. */
const LONGEST = 160;

/** The first source, and how many more there are. */
export function sources(job) {
  const more = job.sources_total - 1;
  return h("span", {}, job.sources.slice(0, 1).map((text) => source(text, LONGEST)), more > 0 && h("span", { class: "quiet" }, ` and ${number(more)} more`));
}

/** How much of the target there is, and why no more comes. */
export function collected(job) {
  const amount = `${number(job.collected)} of ${number(job.target)}`;
  return isShort(job) ? `Sources exhausted: ${amount}` : amount;
}

function bar(job) {
  const { node, update } = progress(`Progress of job ${job.id}`, true);
  update(job.percentage, `${percent(job.percentage)}`, kindOf(job));
  return h("div", { class: "bar-cell" }, node, h("span", {}, percent(job.percentage)));
}

function mount({ status: wanted = "" }, { signal, go, moved }) {
  let status = STATUSES.includes(wanted) ? wanted : "";
  const list = table({ caption: "Jobs, the newest first", captionHidden: true, columns: columns(), key: (job) => job.id });
  const place = h("div", {}, loading());
  const count = h("span", { class: "quiet" });
  const older = h("button", { type: "button", class: "button", hidden: true }, "Show older jobs");
  const further = byNumber(go);
  let known = new Map();
  // The lowest id that was read, while there are jobs below it. These come with their page and not by events.
  let next = null;
  // Whoever comes back from a job finds the list as it was left.
  let back = history.state;
  let rows = back?.rows ?? PAGE;
  list.node.addEventListener("click", (event) => {
    const link = event.target.closest("a");
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link?.target;
    if (link && !elsewhere) history.replaceState({ rows: known.size, top: window.scrollY }, "");
  });
  let loaded = false;
  let turn = 0;
  let drawing = 0;
  // What events have told since the list was asked for last; its answer may be older.
  let told = new Map();

  const show = () => {
    const shown = [...known.values()].sort((a, b) => b.id - a.id).slice(0, MOST);
    count.textContent = shown.length === 0 ? "" : `${counted(shown.length, "job")}${next ? " shown" : ""}`;
    older.hidden = !next || shown.length >= MOST;
    further.hidden = !next || shown.length < MOST;
    if (shown.length === 0) return fill(place, nothing(status));
    list.update(shown);
    if (list.node.parentNode !== place) fill(place, list.node);
  };
  /** Puts in what an event told of a job, null where it is gone. */
  const put = (id, job) => {
    if (job && (!status || job.status === status) && id >= (next ?? 0)) known.set(id, job);
    else known.delete(id);
  };
  /** Reads all that is shown, so that no page can have a gap to the next. */
  const read = async () => {
    const mine = (turn += 1);
    told = new Map();
    try {
      const limit = Math.min(Math.max(rows, known.size), MOST);
      const { jobs, next_after } = await get(`/jobs${query({ order: "desc", limit, status })}`, signal);
      // It was asked for again meanwhile.
      if (mine !== turn) return;
      loaded = true;
      next = next_after;
      known = new Map(jobs.map((job) => [job.id, job]));
      for (const [id, job] of told) put(id, job);
      show();
      if (back) window.scrollTo(0, back.top);
      back = null;
    } catch (error) {
      if (!signal.aborted && mine === turn && !loaded) fill(place, failure(error, read, signal));
      throw error;
    }
  };
  older.addEventListener("click", () => {
    rows = known.size * 2;
    read().catch(() => {});
  });
  const heard = (id, job) => {
    told.set(id, job);
    if (!loaded) return;
    put(id, job);
    // Hundreds may come at a time, and are shown together.
    drawing ||= setTimeout(draw, DRAW);
  };
  const draw = () => {
    drawing = 0;
    if (loaded && !signal.aborted) show();
  };
  every(LOOK_AGAIN, signal, read);
  follow("/events", {
    signal,
    poll: read,
    on: { job: (job) => heard(job.id, job), deleted: ({ id }) => heard(id, null), snapshot: () => read().catch(() => {}) },
  });

  return h("div", { class: "view" },
    h("div", { class: "row" }, h("h1", {}, "Jobs"), count),
    filter(status, (value) => {
      status = value;
      moved(value ? `/jobs?status=${value}` : "/jobs");
      known = new Map();
      [rows, back] = [PAGE, null];
      loaded = false;
      fill(place, loading());
      read().catch(() => {});
    }), place, older, further);
}

/** The way to jobs that no list has room for. */
function byNumber(go) {
  const input = h("input", { id: "job-number", inputmode: "numeric", pattern: "[0-9]{1,19}", required: true, size: 8, autocomplete: "off" });
  const open = (event) => {
    event.preventDefault();
    go(`/jobs/${input.value}`);
  };
  return h("form", { class: "row", hidden: true, onsubmit: open },
    h("span", { class: "quiet" }, `No more than ${number(MOST)} jobs are listed.`),
    h("div", { class: "field inline" }, h("label", { for: "job-number" }, "Older ones by number"), input),
    h("button", { type: "submit", class: "button" }, "Open"));
}

function filter(status, choose) {
  const option = (value, label) => h("button", {
    type: "button", class: "chip", "aria-pressed": String(value === status), onclick: (event) => press(event.target, value),
  }, label);
  const options = [option("", "All"), ...STATUSES.map((name) => option(name, name[0].toUpperCase() + name.slice(1)))];
  const press = (pressed, value) => {
    for (const button of options) set(button, "aria-pressed", String(button === pressed));
    choose(value);
  };
  return h("div", { class: "row chips", role: "group", "aria-label": "Show jobs by status" }, options);
}

function nothing(status) {
  if (status) return notice("empty", `No job is ${status}`, null, h("a", { href: "#/jobs" }, "Show all jobs"));
  return notice("empty", "No job yet", "A job collects e-mail addresses from web pages, searches or files until it has as many as you want.",
    h("a", { class: "button primary", href: "#/new" }, "Create the first job"));
}

export default { title: "Jobs", mount };
