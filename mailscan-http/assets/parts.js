// Small pieces that several views are made of.

import { Problem, Unreachable, enterToken } from "./api.js";
import { h, set, setText } from "./dom.js";
import { percent } from "./format.js";

export const STATUSES = ["running", "queued", "paused", "completed", "failed", "cancelled"];
export const isSettled = (status) => ["completed", "failed", "cancelled"].includes(status);

/** Whether a job is done without its target: its sources held no more. */
export const isShort = ({ status, collected, target }) => status === "completed" && collected < target;

/** How a job is marked: by its state, but what ended short of its target does not look like what reached it. */
export const kindOf = (job) => (isShort(job) ? "short" : job.status);

/** The state of something, in words beside the colour. */
export const badge = (status, kind = status) => h("span", { class: `badge ${kind}` }, status);

export function setBadge(node, status, kind = status) {
  node.className = `badge ${kind}`;
  setText(node, status);
}

/** A bar from 0 to 100. */
export function progress(label, small = false) {
  const fillNode = h("div", { class: "fill" });
  const node = h("div", { class: `progress ${small ? "small" : ""}`, role: "progressbar", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fillNode);
  const update = (value, text, kind = "") => {
    set(node, "aria-valuenow", Math.floor(value * 10) / 10);
    set(node, "aria-valuetext", text ?? percent(value));
    node.dataset.kind = kind;
    fillNode.style.width = `${Math.min(Math.max(value, 0), 100)}%`;
  };
  return { node, update };
}

/** Named figures, each of which can be set by its key. */
export function figures(entries, label) {
  const values = {};
  const node = h("dl", { class: "figures", "aria-label": label }, entries.map(([key, name]) => {
    values[key] = h("dd", { "data-figure": key });
    return h("div", {}, h("dt", {}, name), values[key]);
  }));
  return { node, update: (all) => Object.entries(all).forEach(([key, text]) => setText(values[key], text)) };
}

/** What stands where there is nothing to show: loading, empty, or an error with a way on. */
export function notice(kind, title, detail, action) {
  return h("div", { class: `notice ${kind}`, role: kind === "error" ? "alert" : false },
    h("p", { class: "notice-title" }, title),
    detail && h("p", {}, detail),
    action);
}

export const loading = () => h("p", { class: "notice loading" }, "Loading\u2026");

/** An error of a view for the person, with a way on. */
export function failure(error, again, view) {
  if (error instanceof Unreachable) {
    return notice("empty", "No connection", "This is shown as soon as the server can be reached.");
  }
  if (error instanceof Problem && error.status === 401) {
    const ask = async () => (await enterToken(undefined, view)) && !view.aborted && again();
    const button = h("button", { type: "button", class: "button primary", onclick: ask }, "Enter a token");
    return notice("error", "A token is needed", "This server answers to those with a token only.", button);
  }
  if (error instanceof Problem && error.status === 403) {
    return notice("error", "Not allowed", `${error.message}.`);
  }
  const button = h("button", { type: "button", class: "button", onclick: again }, "Try again");
  return notice("error", "This could not be loaded", error.message, button);
}

/** A labelled control with room for a hint and for what is wrong with it. */
export function field({ label, control, hint, wide = false }) {
  const { id } = control;
  const error = h("p", { class: "field-error", id: `${id}-error`, hidden: true });
  const hintNode = hint && h("p", { class: "hint", id: `${id}-hint` }, hint);
  set(control, "aria-describedby", [hintNode && `${id}-hint`, `${id}-error`].filter(Boolean).join(" "));
  const node = h("div", { class: `field ${wide ? "wide" : ""}` }, h("label", { for: id }, label), control, hintNode, error);
  const fail = (text) => {
    setText(error, text ?? "");
    error.hidden = !text;
    set(control, "aria-invalid", text ? "true" : false);
  };
  return { node, control, fail };
}

/** A list to choose from. */
export const select = (props, options) =>
  h("select", props, options.map(([value, label, chosen]) => h("option", { value, selected: Boolean(chosen) }, label)));

/** Waits until nobody has called for a while. */
export function settled(ms, work) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(work, ms);
  };
}
