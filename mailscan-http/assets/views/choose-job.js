// The frame of a view that shows one thing of one job at a time: which job, and that thing.

import { Unreachable, get } from "../api.js";
import { ready, sleep } from "../connection.js";
import { fill, h } from "../dom.js";
import { failure, loading, notice, select } from "../parts.js";

/** The newest jobs to choose from; any other is reached from its own page. */
const MOST = 100;

/**
 * A view called `name` over `show(id, signal)`. Where no job is named, the one is shown that `prefer(signal)` answers, if it
 * does, else the newest.
 */
export function chooseJob(name, title, { job }, { signal, go }, show, prefer = () => undefined) {
  const place = h("div", {}, loading());
  const chooser = h("div", { class: "field inline" });
  const load = async () => {
    let jobs, preferred;
    const named = /^\d{1,20}$/.test(job ?? "");
    try {
      [{ jobs }, preferred] = await Promise.all([get(`/jobs?order=desc&limit=${MOST}`, signal), named ? undefined : prefer(signal)]);
    } catch (error) {
      if (signal.aborted) return;
      fill(place, failure(error, load, signal));
      if (!(error instanceof Unreachable)) return;
      // One way may be broken where another is not.
      await sleep(1_000, signal);
      await ready(signal);
      if (!signal.aborted) load();
      return;
    }
    const wanted = named ? job : String(preferred ?? jobs[0]?.id ?? "");
    if (!wanted) {
      fill(place, notice("empty", "No job yet", null, h("a", { class: "button primary", href: "#/new" }, "Create the first job")));
      return;
    }
    const options = jobs.map(({ id, status }) => [String(id), `Job ${id}, ${status}`, String(id) === wanted]);
    if (!options.some(([id]) => id === wanted)) options.push([wanted, `Job ${wanted}`, true]);
    const control = select({ id: "job-choice", onchange: () => go(`/${name}?job=${control.value}`) }, options);
    fill(chooser, h("label", { for: "job-choice" }, "Job"), control, h("a", { href: `#/jobs/${wanted}` }, "Open this job"));
    fill(place, show(wanted, signal));
  };
  load();
  return h("div", { class: "view" }, h("div", { class: "row spread" }, h("h1", {}, title), chooser), place);
}
