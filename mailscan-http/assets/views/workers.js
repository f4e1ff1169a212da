// Who works: on one job, or on all of them by process.

import { get } from "../api.js";
import { fill, foreign, h, setText } from "../dom.js";
import { counted, number, seconds } from "../format.js";
import { every, keepLive } from "../live.js";
import { badge, failure, figures, loading, notice } from "../parts.js";
import { table } from "../table.js";

const EVERY = 2_000;
/** The most rows at first. Those that do nothing are shown to who asks for them. */
const FIRST_ROWS = 50;
const ORDER = ["stale", "active", "idle"];

const byState = (a, b) => ORDER.indexOf(a.status) - ORDER.indexOf(b.status) || a.worker - b.worker;
const ago = (value) => (value < 1 ? "just now" : `${seconds(value)} ago`);

function workerTable(caption, withJob) {
  const list = table({
    caption,
    captionHidden: true,
    key: (worker) => `${worker.node} ${worker.worker}`,
    columns: [
      { label: "Worker", kind: "name", cell: (worker) => `${worker.worker}` },
      { label: "Status", cell: (worker) => badge(worker.status) },
      ...(withJob ? [{ label: "Job", cell: (worker) => (worker.job ? h("a", { href: `#/jobs/${worker.job}` }, `Job ${worker.job}`) : "") }] : []),
      { label: "Fetches", kind: "figure", cell: (worker) => number(worker.in_flight) },
      { label: "Current task", kind: "grow", cell: (worker) => (worker.task ? foreign(worker.task) : h("span", { class: "quiet" }, "none")) },
      { label: "Last heartbeat", kind: "figure", cell: (worker) => ago(worker.silent) },
    ],
  });
  let all = [];
  let open = false;
  const more = h("button", { type: "button", class: "button", hidden: true, onclick: () => { open = true; show(); } });
  const show = () => {
    const busy = all.filter(({ status }) => status !== "idle").slice(0, FIRST_ROWS);
    const rows = open ? all : busy;
    list.update(rows);
    list.node.hidden = rows.length === 0;
    more.hidden = rows.length === all.length;
    setText(more, busy.length === 0 ? `Show ${counted(all.length, "idle worker")}` : `Show all ${counted(all.length, "worker")}`);
  };
  return { node: h("div", { class: "stack" }, list.node, more), update: (workers) => { all = workers.sort(byState); show(); } };
}

/** The workers of one job. */
export function workersOf(id, signal) {
  const place = h("div", {}, loading());
  const list = workerTable("Workers of this job", false);
  const counts = h("p", { class: "quiet" });
  const content = h("div", { class: "stack" }, counts, list.node);
  let loaded = false;
  const refresh = async () => {
    let answer;
    try {
      answer = await get(`/jobs/${id}/workers`, signal);
    } catch (error) {
      if (!signal.aborted && !loaded) fill(place, failure(error, refresh, signal));
      throw error;
    }
    loaded = true;
    const { planned, active, idle, stale } = answer;
    setText(counts, `${number(active)} active, ${number(idle)} idle, ${number(stale)} stale; the plan is for ${counted(planned, "worker")}.`);
    const workers = answer.workers.map((worker) => ({ ...worker, status: worker.state, silent: worker.last_heartbeat_seconds }));
    if (workers.length === 0) {
      fill(place, notice("empty", "Nobody works on this job now", "Workers show up here with their next heartbeat while the job runs."));
      return;
    }
    list.update(workers);
    if (!content.isConnected) fill(place, content);
  };
  every(EVERY, signal, refresh);
  return place;
}

function mount(_, { signal }) {
  const place = h("div", {}, loading());
  const totals = figures([["active", "Active"], ["idle", "Idle"], ["stale", "Stale"], ["nodes", "Processes"]], "Workers");
  const nodes = h("div", { class: "view" });
  const content = h("div", { class: "view" }, h("section", { class: "card", "aria-label": "All workers" }, totals.node), nodes);
  const cards = new Map();
  let loaded = false;

  const refresh = async () => {
    let answer;
    try {
      answer = await get("/workers", signal);
    } catch (error) {
      if (!signal.aborted && !loaded) fill(place, failure(error, refresh, signal));
      throw error;
    }
    loaded = true;
    totals.update({ active: number(answer.active), idle: number(answer.idle), stale: number(answer.stale), nodes: number(answer.nodes.length) });
    for (const [name, card] of cards) if (!answer.nodes.some(({ node }) => node === name)) { card.node.remove(); cards.delete(name); }
    for (const node of answer.nodes) {
      const card = cards.get(node.node) ?? nodeCard(node);
      cards.set(node.node, card);
      card.update(node);
      if (!card.node.isConnected || card.node.parentNode !== nodes) nodes.append(card.node);
    }
    if (answer.nodes.length === 0) fill(place, notice("empty", "No process works on this database", "Start one: mailscan serve works on every job of its database."));
    else if (!content.isConnected) fill(place, content);
  };
  keepLive(EVERY, signal, refresh);
  return h("div", { class: "view" }, h("h1", {}, "Workers"), place);
}

function nodeCard({ node, host, pid }) {
  const list = workerTable(`Workers of process ${pid} on ${host}`, true);
  const beat = h("span", { class: "quiet" });
  const mark = h("span", {});
  const card = h("section", { class: "card", "aria-label": `Process ${pid}` },
    h("div", { class: "row" }, h("h2", {}, "Process ", number(pid).replaceAll(",", ""), " on ", foreign(host)), mark, beat), list.node);
  return {
    node: card,
    update(now) {
      setText(beat, `last heartbeat ${ago(now.silent_seconds)}`);
      if (now.stale !== (mark.firstChild !== null)) fill(mark, now.stale && badge("stale"));
      list.update(now.workers.map((worker) => ({ ...worker, node, silent: now.silent_seconds })));
    },
  };
}

export default { title: "Workers", mount };
