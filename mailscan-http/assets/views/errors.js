// The error desk of a job: groups with samples, one by one, resolved with a note or retried.

import { Problem, get, post, query } from "../api.js";
import { askResolution, toast } from "../dialogs.js";
import { fill, foreign, h, set, setText, source } from "../dom.js";
import { counted, number, time } from "../format.js";
import { every } from "../live.js";
import { badge, failure, loading, notice, select, settled } from "../parts.js";
import { table } from "../table.js";
import { chooseJob } from "./choose-job.js";

const EVERY = 3_000;
/** The most that one request answers, and so many groups are read at first. */
const MOST = 1_000;
/** Errors of a group at first, and with each press of the button. */
const FIRST = 25;
const MORE = 500;
const CLASSES = [["", "Every class"], ["blocked", "Blocked"], ["permanent", "Permanent"], ["exhausted", "Exhausted"],
  ["quarantined", "Quarantined"], ["partial", "Partial"], ["retried", "Retried"]];

const groupKey = ({ class: kind, code, host }) => `${kind} ${code} ${host}`;
const groupName = ({ code, host }) => (host ? `${code} at ${host}` : code);

/** Whether nothing of a job is tried again, by the rule of the server. */
const isOver = ({ status, remaining_emails: remaining }) => status === "cancelled" || remaining === 0;

/** Why the tasks of errors of this class cannot be tried again, in a job that is `over` or is not; null where they can. */
function noRetry(over, kind) {
  if (over) return "The job is over, so its tasks cannot be retried";
  return kind === "partial" ? "Their tasks are done, so there is nothing to retry" : null;
}

/** As many as are `wanted` of a list that comes in pages, and where it goes on; `ask` reads a page. */
async function readPages(wanted, ask) {
  const all = [];
  let after = null;
  do {
    const [part, next] = await ask(after, Math.min(wanted - all.length, MOST));
    all.push(...part);
    after = next;
  } while (after !== null && all.length < wanted);
  return [all, after];
}

/**
 * A list that is read again and again, of which more and more is wanted. A `look` reads the first page, and all of them one
 * time in as many as there are pages, so that the server has no more to do for a long list; `read` reads all that is wanted.
 */
function longList(first, ask, key) {
  let wanted = first;
  let looks = 0;
  let turn = 0;
  const list = { items: [], next: null, grow: (more) => { wanted += more; } };
  list.read = async () => {
    const mine = (turn += 1);
    looks = 0;
    const [items, next] = await readPages(wanted, ask);
    // It was read again meanwhile, and maybe more of it.
    if (mine === turn) Object.assign(list, { items, next });
  };
  list.look = async () => {
    looks += 1;
    if (list.items.length <= MOST || looks >= Math.ceil(list.items.length / MOST)) return list.read();
    const mine = turn;
    const [items, next] = await ask(null, MOST);
    if (mine !== turn) return undefined;
    const listed = new Set(items.map(key));
    list.items = next === null ? items : [...items, ...list.items.filter((item) => !listed.has(key(item)))];
    if (next === null) list.next = null;
    return undefined;
  };
  return list;
}

/** Resolves what is asked for and adds up what was done: of very many errors, one answer comes to a part. */
async function resolveAll(id, signal, asked, done) {
  let rest = {};
  do {
    const answer = await post(`/jobs/${id}/errors/resolve`, signal, { ...asked, ...rest });
    done.resolved += answer.resolved;
    done.retried += answer.retried;
    rest = { up_to: answer.up_to };
  } while (rest.up_to !== undefined);
}

/** Asks for a note and resolves what the selection names. */
async function resolve(id, signal, selection, { title, body, retry, kind }, done) {
  const sum = { resolved: 0, retried: 0 };
  let sent = false;
  try {
    const never = noRetry(isOver(await get(`/jobs/${id}/eta`, signal)), kind);
    // It has ended since the button was made.
    if (retry && never !== null) return toast(`${never}.`, true);
    const answer = await askResolution({ title: `${title} of job ${id}`, body, retry, never, signal });
    if (answer === null) return;
    sent = true;
    await resolveAll(id, signal, { ...selection, ...answer }, sum);
    toast(`${counted(sum.resolved, "error")} resolved${answer.retry ? backOnQueue(sum.retried) : ""}.`);
  } catch (error) {
    // Who has left the view has declined.
    if (error.name === "AbortError") return;
    const part = sum.resolved > 0 || (sent && error.status === 409);
    const what = part ? "Not all was resolved" : !sent || !isUnknown(error) ? "Nothing was resolved" : "It is not known whether anything was resolved";
    toast(`${what}: ${error.message}`, true);
  }
  // What cannot be read now is read with the next look.
  await done().catch(() => {});
}

/** Whether what was asked for may have been done all the same: it is not known what the server made of it, nor where it failed. */
const isUnknown = (error) => !(error instanceof Problem) || error.status === 409 || error.status >= 500;

/** What became of the tasks that were to be tried again: those that are done or wait to be done are as they were. */
const backOnQueue = (tasks) => (tasks === 0 ? ", but none of their tasks had been given up: nothing was tried again" : `, ${counted(tasks, "task")} back on the queue`);

/** What can be done about open errors; `never` says why their tasks cannot be tried again, if so. */
function actions(open, never, name, act) {
  if (open === 0) return "";
  const button = (label, retry) => h("button", { type: "button", class: "button small", "aria-label": `${label} ${name}`, onclick: () => act(retry) }, `${label}\u2026`);
  return h("div", { class: "row end" }, button("Resolve", false), never === null && button("Retry", true));
}

/** Groups, and the errors of the one that is open. */
export function errorsOf(id, signal) {
  const place = h("div", {}, loading());
  const samples = h("div", {});
  const text = h("input", { type: "search", id: "error-filter", placeholder: "code, host or message", maxlength: 200, autocomplete: "off" });
  const kind = select({ id: "error-class" }, CLASSES);
  const openOnly = h("input", { type: "checkbox", id: "error-open" });
  const rest = h("p", { class: "quiet", role: "status", hidden: true });
  const more = h("button", { type: "button", class: "button", hidden: true }, `Read ${number(MOST)} more groups`);
  let over = false;
  let loaded = false;
  let shown = null;
  let leave = null;
  let groups = null;

  const close = () => {
    leave?.abort();
    leave = null;
    shown = null;
    fill(samples);
  };
  /** Closes what is open from within, and leads back to where it was opened. */
  const back = () => {
    const row = place.querySelector("[aria-expanded=true]")?.closest("tr");
    close();
    show();
    const from = row?.querySelector("button") ?? text;
    from.focus({ preventScroll: true });
    from.scrollIntoView({ block: "center" });
  };
  const open = (group) => {
    const again = shown === groupKey(group);
    close();
    if (!again) {
      shown = groupKey(group);
      leave = new AbortController();
      signal.addEventListener("abort", close, { once: true });
      fill(samples, errorList(id, group, leave.signal, () => over, refresh, back));
    }
    show();
    if (!again) samples.querySelector("h3").focus();
  };
  const list = table({
    caption: "Errors by kind and host, the most frequent first",
    captionHidden: true,
    key: groupKey,
    columns: [
      { label: "Error", kind: "name", cell: (group) => h("button", {
        type: "button", class: "link", "aria-expanded": String(group.shown), onclick: () => open(group),
      }, foreign(group.code)) },
      { label: "Class", cell: (group) => badge(group.class) },
      { label: "Host", kind: "grow", cell: (group) => foreign(group.host) },
      { label: "Errors", kind: "figure", cell: (group) => number(group.count) },
      { label: "Open", kind: "figure", cell: (group) => number(group.open) },
      { label: "Newest message", kind: "grow", cell: (group) => foreign(group.sample) },
      { label: "Actions", quiet: true, cell: (group) => actions(group.open, noRetry(group.over, group.class), groupName(group), (retry) => resolve(id, signal,
        { class: group.class, code: group.code, host: group.host },
        { title: retry ? "Retry a group" : "Resolve a group", body: `${counted(group.open, "open error")}: ${groupName(group)}.`, retry, kind: group.class }, refresh)) },
    ],
  });
  const show = () => {
    if (!loaded) return;
    const words = text.value.trim().toLowerCase();
    const fits = (group) => (!openOnly.checked || group.open > 0)
      && (!words || `${group.code} ${group.host} ${group.sample}`.toLowerCase().includes(words));
    const fitting = groups.items.filter(fits).map((group) => ({ ...group, over, shown: groupKey(group) === shown }));
    if (fitting.length === 0) {
      fill(place, nothing(groups, kind.value));
      return;
    }
    list.update(fitting);
    if (list.node.parentNode !== place) fill(place, list.node);
  };
  /** A job may have more groups than are read, so those of a class are asked for. */
  const ask = () => {
    const asks = { class: kind.value };
    loaded = false;
    groups = longList(MOST, async (after, limit) => {
      const part = await get(`/jobs/${id}/errors${query({ after, limit, ...asks })}`, signal);
      return [part.groups, part.next_after];
    }, groupKey);
  };
  const load = async (how) => {
    const mine = groups;
    try {
      const [, eta] = await Promise.all([mine[how](), get(`/jobs/${id}/eta`, signal)]);
      // Another class is asked for meanwhile.
      if (mine !== groups) return;
      over = isOver(eta);
      const { items, next } = groups;
      setText(rest, next === null ? "" : `The ${number(items.length)} most frequent groups${ofClass(kind.value)} are listed and filtered. There are more.`);
      rest.hidden = more.hidden = next === null;
      loaded = true;
      show();
    } catch (error) {
      if (!signal.aborted && mine === groups && !loaded) fill(place, failure(error, refresh, signal));
      throw error;
    }
  };
  const refresh = () => load("read");
  text.addEventListener("input", settled(150, show));
  kind.addEventListener("change", () => {
    ask();
    fill(place, loading());
    rest.hidden = more.hidden = true;
    refresh().catch(() => {});
  });
  openOnly.addEventListener("change", show);
  more.addEventListener("click", () => { groups.grow(MOST); refresh().catch(() => {}); });
  ask();
  every(EVERY, signal, () => load("look"));

  return h("div", { class: "stack" },
    h("div", { class: "row tools" },
      h("div", { class: "field inline" }, h("label", { for: "error-filter" }, "Filter"), text),
      h("div", { class: "field inline" }, h("label", { for: "error-class", class: "hidden" }, "Class"), kind),
      h("label", { class: "check" }, openOnly, "Open only")),
    rest, place, more, samples);
}

const ofClass = (kind) => (kind ? ` of class ${kind}` : "");

/** What stands where no group of those that were read is shown, which may not be all of the class that is asked for. */
function nothing({ items, next }, kind) {
  if (next !== null) return notice("empty", `None of the ${number(items.length)} groups that were read matches this filter`, "There are more.");
  if (items.length > 0 || kind) return notice("empty", "No error matches this filter");
  return notice("empty", "No errors", "What workers could not fetch is listed here.");
}

/** How a resolved error stands. */
function outcome({ resolved }) {
  if (!resolved) return badge("open");
  const retried = resolved.retried ? `, retried: ${resolved.outcome ?? "pending"}` : "";
  return h("span", {}, "resolved ", time(resolved.at), retried, resolved.note && h("span", { class: "quiet" }, ": ", foreign(resolved.note)));
}

function errorList(id, group, signal, jobIsOver, changed, close) {
  const { class: kind, code, host } = group;
  const heading = h("h3", { tabindex: -1 }, foreign(groupName(group)));
  const place = h("div", {}, loading());
  const more = h("button", { type: "button", class: "button", hidden: true }, "Show more");
  const ends = h("button", { type: "button", class: "button small", onclick: close }, "Close");
  const list = table({
    caption: "Errors of this group",
    captionHidden: true,
    key: (error) => error.id,
    columns: [
      { label: "Task", kind: "name", cell: (error) => source(error.label) },
      { label: "Message", kind: "grow", cell: (error) => foreign(error.message) },
      { label: "At", kind: "figure", cell: (error) => time(error.at) },
      { label: "State", cell: outcome },
      { label: "Actions", quiet: true, cell: (error) => actions(error.resolved ? 0 : 1, noRetry(error.over, kind), `error ${error.id}`, (retry) => resolve(id, signal,
        { ids: [error.id] }, { title: retry ? "Retry a task" : "Resolve an error", body: error.message, retry, kind }, both)) },
    ],
  });
  const errors = longList(FIRST, async (after, limit) => {
    const part = await get(`/jobs/${id}/errors/list${query({ after, limit, class: kind, code, host })}`, signal);
    return [part.errors, part.next_after];
  }, (error) => error.id);
  const load = async (read) => {
    await read();
    more.hidden = errors.next === null;
    setText(more, `Show more than ${number(errors.items.length)}`);
    list.update(errors.items.map((error) => ({ ...error, over: jobIsOver() })));
    if (list.node.parentNode !== place) fill(place, list.node);
  };
  const refresh = () => load(errors.read);
  const both = () => Promise.all([changed(), refresh()]);
  more.addEventListener("click", () => { errors.grow(MORE); refresh().catch(() => {}); });
  const guarded = () => load(errors.look).catch((error) => {
    if (!signal.aborted && list.node.parentNode !== place) fill(place, failure(error, guarded, signal));
    throw error;
  });
  every(EVERY, signal, guarded);
  const node = h("section", { class: "card", "aria-label": "Errors of one group" }, h("div", { class: "row spread" }, heading, ends), place, more);
  set(node, "data-group", groupKey(group));
  return node;
}

/** A job with something to look at. */
const withOpenErrors = async (signal) => (await get("/errors?open=true&limit=1", signal)).errors[0]?.job_id;

const mount = (parameters, context) => chooseJob("errors", "Errors", parameters, context, errorsOf, withOpenErrors);

export default { title: "Errors", mount };
