// What a job was asked for, and when it did what.

import { foreign, h, source } from "../dom.js";
import { number, time } from "../format.js";

/** The details of a job as it is now. */
export function detailsOf(job) {
  const more = job.sources_total - job.sources.length;
  const row = (name, ...value) => h("div", {}, h("dt", {}, name), h("dd", {}, value));
  return h("dl", { class: "details" },
    row("Sources", h("ul", {}, job.sources.map((text) => h("li", {}, source(text))), more > 0 && h("li", { class: "quiet" }, `and ${number(more)} more`))),
    row("Target", number(job.target)),
    row("Planned workers", number(job.workers)),
    row("Created", time(job.created_at)),
    row("Started", time(job.started_at)),
    row("Finished", time(job.finished_at)),
    job.overall_emails_per_minute !== undefined && row("E-mails per minute, overall", number(job.overall_emails_per_minute)),
    job.reason && row("Reason", foreign(job.reason)));
}
