// One job, live: how far it is, what bounds it, what can be done with it, and its parts in tabs.

import { Problem, get, post, remove } from "../api.js";
import { confirmed, toast } from "../dialogs.js";
import { announce, fill, h, setText } from "../dom.js";
import { number } from "../format.js";
import { showState, sleep } from "../connection.js";
import { every, follow } from "../live.js";
import { failure, isSettled, loading } from "../parts.js";
import { tabs } from "../tabs.js";
import { addressesOf } from "./addresses.js";
import { errorsOf } from "./errors.js";
import { detailsOf } from "./job-details.js";
import { liveFigures, remember } from "./job-live.js";
import { workersOf } from "./workers.js";

/** A settled job is looked at so often, as it may be put back on the queue. */
const SETTLED = 5_000;

const ACTIONS = {
  pause: { label: "Pause", when: ["queued", "running"], done: "paused" },
  resume: { label: "Resume", when: ["paused", "failed"], done: "resumed", primary: true },
  cancel: {
    label: "Cancel", when: ["queued", "running", "paused", "failed"], done: "cancelled",
    ask: { title: (id) => `Cancel job ${id}?`, body: "It ends for good and cannot be resumed. The addresses that it has found are kept.", confirm: "Cancel the job" },
  },
  remove: {
    label: "Delete", when: ["paused", "completed", "failed", "cancelled"],
    ask: { title: (id) => `Delete job ${id}?`, body: "Its addresses, tasks and errors are deleted with it. Nobody can bring them back.", confirm: "Delete the job" },
  },
};

/** Whether nothing is left of a failed job but what was given up: a resume is refused, and a retry of its errors is what helps. */
const isGivenUp = ({ status, queue }) => status === "failed" && queue !== undefined
  && queue.pending + queue.delayed + queue.processing === 0 && queue.blocked + queue.failed + queue.quarantined > 0;

function mount({ id, tab = "workers" }, { signal, go, moved }) {
  const place = h("div", { class: "view" }, loading());
  const live = liveFigures(id);
  const buttons = h("div", { class: "row actions", role: "group", "aria-label": "Actions" });
  const errorCount = h("span", { class: "count", hidden: true });
  const details = h("div", {});
  let job = null;
  // All that is kept going ends with the job, too.
  const deleted = new AbortController();
  const alive = AbortSignal.any([signal, deleted.signal]);

  const vanish = () => {
    if (alive.aborted) return;
    const had = place.contains(document.activeElement);
    deleted.abort();
    showState(null);
    fill(place, h("h1", {}, `Job ${id}`), gone(id));
    if (had) place.querySelector("a").focus();
    if (job) announce(`Job ${id} is deleted`);
  };
  const take = (news) => {
    if (news.status === "deleted") return vanish();
    const before = job?.status;
    const wasGivenUp = job !== null && isGivenUp(job);
    job = { ...job, ...news };
    if (live.update(job, news)) catchUp();
    if (before !== job.status || wasGivenUp !== isGivenUp(job)) showActions();
    if (details.isConnected) showDetails();
    if (before && before !== job.status) announce(`Job ${id} is ${job.status}${job.reason ? `: ${job.reason}` : ""}`);
    errorCount.hidden = !job.errors_open;
    setText(errorCount, job.errors_open ? `${number(job.errors_open)} open` : "");
  };
  const showDetails = () => {
    const made = detailsOf(job);
    if (!details.firstChild?.isEqualNode(made)) fill(details, made);
    return details;
  };
  /** Takes what a stream tells. That tells no dates, so they are asked for when the state has changed. */
  const hear = (news) => {
    const before = job.status;
    take(news);
    if (!alive.aborted && job.status !== before) readDates().catch(() => {});
  };
  const readDates = async () => {
    while (!alive.aborted) {
      const { status, started_at, finished_at } = await get(`/jobs/${id}`, alive);
      // An answer may be a moment older than the news.
      if (status === job.status) return take({ started_at, finished_at });
      await sleep(500, alive);
    }
  };
  let catching = null;
  /** Fills the line with what the server has seen; without it the line begins, or goes on, now. */
  const catchUp = () => {
    catching ??= get(`/jobs/${id}/rates`, alive)
      .then(({ history }) => {
        remember(id, history);
        live.update(job);
      })
      .catch(() => {})
      .finally(() => { catching = null; });
    return catching;
  };
  const poll = async () => {
    try {
      const [shown, eta, workers] = await Promise.all(["", "/eta", "/workers"].map((part) => get(`/jobs/${id}${part}`, alive)));
      const { active } = workers;
      take({ ...eta, ...shown, active_workers: active });
      await catchUp();
    } catch (error) {
      if (error instanceof Problem && error.status === 404) vanish();
      throw error;
    }
  };
  const act = async (name) => {
    const { ask, done } = ACTIONS[name];
    if (ask && !(await confirmed({ ...ask, title: ask.title(id), signal: alive }))) return;
    try {
      if (name === "remove") {
        await remove(`/jobs/${id}`, alive);
        toast(`Job ${id} is deleted.`);
        // Whoever has gone elsewhere meanwhile stays there.
        if (!signal.aborted) go("/jobs");
        return;
      }
      take(await post(`/jobs/${id}/${name}`, alive));
      toast(`Job ${id} is ${done}.`);
    } catch (error) {
      toast(`Job ${id} could not be ${done ?? "deleted"}: ${error.message}`, true);
      poll().catch(() => {});
    }
  };
  const showActions = () => {
    const had = buttons.contains(document.activeElement);
    const givenUp = isGivenUp(job);
    const able = Object.entries(ACTIONS).filter(([name, action]) => action.when.includes(job.status) && !(givenUp && name === "resume"));
    const toErrors = () => {
      const errors = place.querySelector("#tab-errors");
      errors.click();
      errors.focus();
    };
    const look = givenUp && h("button", { type: "button", class: "button primary", "data-action": "errors", onclick: toErrors }, "See its errors");
    fill(buttons, look, able.map(([name, { label, primary }]) =>
      h("button", { type: "button", class: `button ${primary ? "primary" : ""}`, "data-action": name, onclick: () => act(name) }, label)));
    // The button that was pressed is gone; the keyboard stays where it was.
    if (had) buttons.querySelector("button")?.focus();
  };

  const show = () => {
    const sections = tabs("Parts of the job", [
      ["workers", "Workers", (until) => workersOf(id, until)],
      ["errors", h("span", {}, "Errors ", errorCount), (until) => errorsOf(id, until)],
      ["addresses", "Addresses", (until) => addressesOf(id, until)],
      ["details", "Details", showDetails],
    ], tab, alive, (name) => moved(`/jobs/${id}/${name}`));
    fill(place, live.head(buttons), live.node, sections);
  };
  const begin = async () => {
    try {
      await poll();
    } catch (error) {
      if (alive.aborted) return;
      fill(place, h("h1", {}, `Job ${id}`), failure(error, begin, alive));
      // Without a connection the banner says so, and this goes on by itself.
      if (!(error instanceof Problem)) {
        await sleep(1_000, alive);
        if (!alive.aborted) begin();
      }
      return;
    }
    if (alive.aborted) return;
    show();
    keep();
  };
  // What progress does not tell: the queue's reasons, when it ended.
  const keep = async () => {
    every(SETTLED, alive, async () => {
      if (isSettled(job.status)) await poll();
    });
    while (!alive.aborted) {
      if (!isSettled(job.status)) {
        await follow(`/jobs/${id}/events`, { signal: alive, poll, on: { progress: hear, end: take } });
        await poll().catch(() => {});
      }
      await sleep(1_000, alive);
    }
  };
  begin();
  return place;
}

const gone = (id) => h("div", { class: "notice empty" },
  h("p", { class: "notice-title" }, `There is no job ${id}`),
  h("p", {}, "It may have been deleted."), h("a", { href: "#/jobs" }, "All jobs"));

export default { title: ({ id }) => `Job ${id}`, mount };
