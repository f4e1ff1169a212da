// A new job: what to ask for, and the plan as one types.

import { Problem, post } from "../api.js";
import { toast } from "../dialogs.js";
import { h } from "../dom.js";
import { settled } from "../parts.js";
import { body, fieldNamed, formFields, lineOf } from "./new-job-fields.js";
import { planOf } from "./new-job-plan.js";

/** A key that makes a repeated request the same one. `crypto.randomUUID` is not there over plain HTTP. */
const freshKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

function mount(_, { signal, go }) {
  const fields = formFields();
  const plan = planOf(signal);
  const trouble = h("p", { class: "notice error", role: "alert", hidden: true });
  const submit = h("button", { type: "submit", class: "button primary large" }, "Create job");
  let key = freshKey();
  let sending = false;

  const clear = () => {
    trouble.hidden = true;
    Object.values(fields.all).forEach(({ fail }) => fail(null));
  };
  /** Puts every fault beside its field; answers those that have none. */
  const place = (faults) => {
    const rest = [];
    const texts = new Map();
    for (const { field, detail } of faults) {
      const name = fieldNamed(field);
      if (!fields.all[name]) rest.push(`${field}: ${detail}`);
      else texts.set(name, [...(texts.get(name) ?? []), lineOf(field, fields.all[name].control) + detail]);
    }
    texts.forEach((all, name) => fields.all[name].fail(all.join(". ")));
    const first = Object.keys(fields.all).find((name) => texts.has(name));
    if (first) fields.reveal(first);
    return rest;
  };
  const send = async (event) => {
    event.preventDefault();
    if (sending) return;
    clear();
    const { value, faults } = body(fields.all);
    if (faults.length > 0) return place(faults);
    sending = true;
    submit.setAttribute("aria-disabled", "true");
    try {
      const job = await post("/jobs", signal, value, { "Idempotency-Key": key });
      toast(`Job ${job.id} is created.`);
      // Whoever has gone elsewhere meanwhile stays there.
      if (!signal.aborted) go(`/jobs/${job.id}`);
    } catch (error) {
      if (signal.aborted) return toast(`The job could not be created: ${error.message}`, true);
      const rest = error instanceof Problem && error.fields.length > 0 ? place(error.fields) : [error.message];
      trouble.hidden = rest.length === 0;
      trouble.textContent = rest.join(". ");
    } finally {
      sending = false;
      submit.removeAttribute("aria-disabled");
    }
  };
  const changed = settled(150, () => plan.update(fields.all));
  const form = h("form", { class: "job-form", novalidate: true, onsubmit: send, oninput: () => { key = freshKey(); changed(); } },
    h("div", { class: "view" }, fields.node, trouble),
    h("aside", { class: "card plan", "aria-label": "Plan" }, plan.node, submit));
  plan.update(fields.all);
  return h("div", { class: "view" }, h("h1", {}, "New job"), form);
}

export default { title: "New job", mount };
