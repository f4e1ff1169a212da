// The frame of a view that shows one thing of one job at a time: which job, and that thing.

import { get } from "../api.js";
import { fill, h, set, setText } from "../dom.js";
import { every } from "../live.js";
import { failure, loading, notice, select } from "../parts.js";

/** The newest jobs to choose from; any other is reached from its own page. */
const MOST = 100;
/** What there is to choose from is looked at so often. */
const LOOK_AGAIN = 5_000;

/**
 * A view called `name` over `show(id, signal)`. Where no job is named, the one is shown that `prefer(signal)` answers, if it
 * does, else the newest.
 */
export function chooseJob(name, title, { job }, { signal, moved }, show, prefer = () => undefined) {
  const named = /^\d{1,20}$/.test(job ?? "");
  const place = h("div", {}, loading());
  const control = select({ id: "job-choice" }, []);
  const own = h("a", {}, "Open this job");
  const chooser = h("div", { class: "field inline" });
  let shown = null;
  let empty = false;
  let leave = new AbortController();

  const present = (id) => {
    leave.abort();
    leave = new AbortController();
    shown = id;
    set(own, "href", `#/jobs/${id}`);
    fill(place, show(id, AbortSignal.any([signal, leave.signal])));
  };
  /** Whoever goes through the jobs with the arrow keys stays where they choose. */
  const choose = () => {
    moved(`/${name}?job=${control.value}`);
    present(control.value);
  };
  const look = async () => {
    let jobs, preferred;
    try {
      [{ jobs }, preferred] = await Promise.all([get(`/jobs?order=desc&limit=${MOST}`, signal), named || shown ? undefined : prefer(signal)]);
    } catch (error) {
      if (!signal.aborted && shown === null) {
        empty = false;
        fill(place, failure(error, () => look().catch(() => {}), signal));
      }
      throw error;
    }
    const wanted = shown ?? (named ? job : String(preferred ?? jobs[0]?.id ?? ""));
    if (wanted) {
      offer(control, jobs, wanted);
      if (shown === null) {
        fill(chooser, h("label", { for: "job-choice" }, "Job"), control, own);
        present(wanted);
      }
    } else if (!empty) {
      empty = true;
      fill(place, notice("empty", "No job yet", null, h("a", { class: "button primary", href: "#/new" }, "Create the first job")));
    }
  };
  control.addEventListener("change", choose);
  every(LOOK_AGAIN, signal, look);
  return h("div", { class: "view" }, h("div", { class: "row spread" }, h("h1", {}, title), chooser), place);
}

/** Puts jobs up for choice, of which one is chosen; what is there already stays in its place. */
function offer(control, jobs, chosen) {
  const there = new Map([...control.options].map((option) => [option.value, option]));
  const choices = jobs.map(({ id, status }) => [String(id), `Job ${id}, ${status}`]);
  if (!choices.some(([id]) => id === chosen)) choices.push([chosen, `Job ${chosen}`]);
  const options = choices.map(([value, label]) => {
    const option = there.get(value) ?? h("option", { value });
    setText(option, label);
    return option;
  });
  if (options.length === there.size && options.every((option, n) => option === control.options[n])) return;
  fill(control, options);
  control.value = chosen;
}
