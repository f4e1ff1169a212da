// The plan beside the form: asked of the server as one types, since nobody else knows the rule.

import { get, query } from "../api.js";
import { h, setText } from "../dom.js";
import { counted, number } from "../format.js";
import { figures } from "../parts.js";
import { givenOf, hostsOf, targetOf } from "./new-job-fields.js";

/** How many, with tenths where few. */
const some = (rate) => (rate < 10 ? String(Math.round(rate * 10) / 10) : number(Math.floor(rate)));

/** The plan's element, and how to ask anew. */
export function planOf(signal) {
  const numbers = figures([["workers", "Workers"], ["each", "Addresses per worker"], ["time", "Projected time"]], "Plan");
  const words = h("p", { class: "quiet", role: "status" });
  const node = h("div", { class: "stack" }, h("h2", {}, "Plan"), numbers.node, words);
  let asked = 0;

  const blank = (text) => {
    numbers.update({ workers: "\u2013", each: "\u2013", time: "\u2013" });
    setText(words, text);
  };
  const update = async (fields) => {
    const turn = (asked += 1);
    const emails = targetOf(fields);
    if (emails === null) return blank("Say how many addresses you want.");
    try {
      const hosts = hostsOf(fields);
      const workers = givenOf(fields, "workers");
      const limits = hosts === null ? {} : { hosts, per_host: givenOf(fields, "per_host"), connections: givenOf(fields, "connections") };
      const plan = await get(`/plan${query({ emails, workers, ...limits })}`, signal);
      // A slow answer to an old question is dropped.
      if (turn === asked) show(plan, workers, hosts);
    } catch (error) {
      if (turn === asked && !signal.aborted) blank(`The plan could not be made: ${error.message}`);
    }
  };
  const show = (plan, workers, hosts) => {
    numbers.update({ workers: number(plan.workers), each: number(plan.emails_per_worker), time: plan.projected_formatted });
    const parts = [];
    if (workers > plan.workers) parts.push(`There are ${counted(plan.workers, "worker")} at most.`);
    parts.push("The time is a projection for searches; pages take as long as their sites do.");
    if (plan.bound_by === "hosts" && hosts !== null) {
      parts.push(`${counted(hosts, "host")} ${hosts === 1 ? "bears" : "bear"} at most ${some(plan.max_pages_per_second)} pages a second.`);
    }
    setText(words, parts.join(" "));
  };
  return { node, update };
}
