// The live figures of a job: head, bar, numbers, the chart of the rate, the queue, and what bounds it.

import { chart } from "../chart.js";
import { fill, foreign, h, set, setText } from "../dom.js";
import { UNKNOWN, number, percent, rate, seconds } from "../format.js";
import { badge, figures, kindOf, progress, setBadge } from "../parts.js";
import { collected, sources } from "./jobs.js";

/**
 * The rates of jobs that were watched, so that leaving a view forgets nothing; what the server has seen takes the place of
 * what the page has. All times are the server's: the browser's clock may be another one.
 */
const watched = new Map();
const MOST_JOBS = 50;
const MOST_POINTS = 600;
/** The least time between two points. */
const STEP = 1_000;
/** Without a point for so long, the server has seen more than the page. */
const GAP = 6_000;

const pointsOf = (id) => watched.get(id) ?? [];

function keep(id, points) {
  if (watched.size >= MOST_JOBS && !watched.has(id)) watched.delete(watched.keys().next().value);
  // Old points are thinned out, not dropped: the line still begins where it began.
  watched.set(id, points.length > MOST_POINTS ? points.filter((_, n) => n % 2 === 1) : points);
}

/** Notes a rate that was told live, with its time; answers whether there is a gap before it. */
function note(id, { at: told, status, emails_per_minute: value }) {
  if (told === undefined || status !== "running") return false;
  const at = Date.parse(told);
  const points = pointsOf(id);
  const since = points.length > 0 ? at - points.at(-1).at : Infinity;
  if (since >= STEP) keep(id, [...points, { at, value }]);
  return since > GAP;
}

/** What the server has seen of the rate. */
export function remember(id, history) {
  if (history.length === 0) return;
  const seen = history.map(({ at, emails_per_minute: value }) => ({ at: Date.parse(at), value }));
  const points = pointsOf(id);
  keep(id, [...points.filter(({ at }) => at < seen[0].at), ...seen, ...points.filter(({ at }) => at > seen.at(-1).at)]);
}

const QUEUE = [["pending", "Pending"], ["processing", "Processing"], ["completed", "Completed"], ["failed", "Failed"]];
const REST = [["delayed", "delayed"], ["blocked", "blocked by their source"], ["quarantined", "set aside after crashes"]];

/** Head and figures of the job with this id, and how to set them. */
export function liveFigures(id) {
  const mark = badge("queued");
  const from = h("p", { class: "quiet sources" });
  const bar = progress(`Progress of job ${id}`);
  const done = h("p", { class: "done" });
  const part = h("span", { class: "percent", "data-figure": "percentage" });
  const amount = h("span", { "data-figure": "collected" });
  fill(done, part, amount);
  const main = figures([["active", "Active workers"], ["eta", "ETA"], ["elapsed", "Elapsed"], ["rate", "E-mails per minute"], ["remaining", "Remaining"]], "Progress");
  const queue = figures(QUEUE, "Queue");
  const rest = h("p", { class: "quiet" });
  const leftOut = h("p", { class: "quiet" });
  const reason = h("p", { class: "reason", hidden: true });
  const bounds = h("ul", { class: "bounds" });
  const line = chart({ title: "E-mails per minute", unit: "e-mails/min", format: rate, empty: "The line is drawn while the job runs." });
  const node = h("div", { class: "view" },
    h("section", { class: "card", "aria-label": "Progress" }, done, bar.node, reason, main.node),
    h("div", { class: "columns" },
      h("section", { class: "card", "aria-label": "Rate" }, h("h2", {}, "Rate"), line.node),
      h("section", { class: "card", "aria-label": "Queue" }, h("h2", {}, "Queue"), queue.node, rest, leftOut,
        h("h2", {}, "What bounds it"), bounds)));

  /** Shows the job as it is by the latest `news`; answers whether the line lacks what the server has seen. */
  const update = (job, news = {}) => {
    setBadge(mark, job.status, kindOf(job));
    if (from.childNodes.length === 0 && job.sources) fill(from, sources(job));
    setText(part, percent(job.percentage));
    setText(amount, `${collected(job)} collected`);
    bar.update(job.percentage, `${percent(job.percentage)}, ${collected(job)}`, kindOf(job));
    reason.hidden = !job.reason;
    fill(reason, job.reason && foreign(job.reason));
    main.update({
      active: `${number(job.active_workers ?? 0)} of ${number(job.workers)}`,
      eta: job.eta_formatted ?? UNKNOWN,
      elapsed: job.elapsed_formatted ?? seconds(job.elapsed_seconds),
      rate: rate(job.emails_per_minute),
      remaining: number(job.remaining_emails),
    });
    if (job.queue) showQueue(job.queue);
    showBounds(job);
    const gap = note(id, news);
    line.update(pointsOf(id), { live: job.status === "running", otherwise: job.status === "running" ? undefined : average(job) });
    return gap;
  };
  const showQueue = (tasks) => {
    queue.update(Object.fromEntries(QUEUE.map(([key]) => [key, number(tasks[key])])));
    const more = REST.filter(([key]) => tasks[key] > 0).map(([key, text]) => `${number(tasks[key])} ${text}`);
    setText(rest, more.length > 0 ? `Also ${more.join(", ")}.` : "");
    rest.hidden = more.length === 0;
    const classes = Object.entries(tasks.left_out ?? {}).filter(([, count]) => count > 0);
    setText(leftOut, `Left out by class: ${classes.map(([name, count]) => `${number(count)} ${name.replaceAll("_", " ")}`).join(", ")}.`);
    leftOut.hidden = classes.length === 0;
  };
  const showBounds = ({ bounds: all, status }) => {
    const lines = status === "running" ? (all ?? []).map(({ bound, in_flight }) => ({ bound, in_flight })) : [];
    const print = JSON.stringify([lines, status]);
    if (bounds.dataset.print === print) return;
    set(bounds, "data-print", print);
    fill(bounds, lines.length > 0 ? lines.map(boundLine) : h("li", { class: "quiet" }, nothingBinds(status)));
  };
  const head = (buttons) => h("div", { class: "row spread" },
    h("div", { class: "heading" }, h("div", { class: "row" }, h("h1", {}, `Job ${id}`), mark), from), buttons);
  return { node, head, update };
}

/** What is known of the rate where no line was seen. */
function average({ overall_emails_per_minute: overall, elapsed_formatted: elapsed }) {
  return overall > 0 ? `${rate(overall)} e-mails per minute on average, over ${elapsed} at work.` : undefined;
}

/** "hosts: a.org gets 8 requests at a time" as what, and why. */
function boundLine({ bound, in_flight }) {
  const [what, ...why] = bound.split(": ");
  return h("li", {}, h("strong", {}, foreign(what)), why.length > 0 && [": ", foreign(why.join(": "))],
    h("span", { class: "quiet" }, ` (${number(in_flight)} in flight)`));
}

function nothingBinds(status) {
  if (status === "running") return "Known with the next heartbeat of a worker.";
  return status === "queued" ? "It waits for workers." : `Nothing: the job is ${status}.`;
}
