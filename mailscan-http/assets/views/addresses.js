// The addresses of a job: search, pages, export.

import { Unreachable, download, get, query } from "../api.js";
import { toast } from "../dialogs.js";
import { fill, foreign, h, setText, source } from "../dom.js";
import { number, time } from "../format.js";
import { every } from "../live.js";
import { failure, loading, notice, settled } from "../parts.js";
import { table } from "../table.js";
import { chooseJob } from "./choose-job.js";

const PAGE = 50;
/** While the last page is shown, what is found meanwhile is added to it. */
const LOOK_AGAIN = 3_000;

const columns = [
  { label: "Address", kind: "name", cell: (row) => foreign(row.address) },
  { label: "First seen in", kind: "grow", cell: (row) => source(row.source) },
  { label: "Written", cell: (row) => row.form.replaceAll("_", " ") },
  { label: "Classes", cell: (row) => row.classes.map((name) => name.replaceAll("_", " ")).join(", ") },
  { label: "Found", kind: "figure", cell: (row) => time(row.found_at) },
];

/** Search, pages and export for one job. */
export function addressesOf(id, signal) {
  const list = table({ caption: "Addresses, the first found first", captionHidden: true, columns, key: (row) => row.id });
  const place = h("div", {}, loading());
  const search = h("input", { type: "search", id: "address-search", placeholder: "part of an address", maxlength: 200, autocomplete: "off" });
  const where = h("span", { class: "quiet", role: "status" });
  const previous = h("button", { type: "button", class: "button", disabled: true }, "Previous");
  const next = h("button", { type: "button", class: "button", disabled: true }, "Next");
  const pager = h("nav", { class: "row", "aria-label": "Pages of addresses" }, previous, next, where);
  // The `after` of every page up to the one that is asked for; which one comes next is not known before its answer is there.
  let pages = [0];
  let nextAfter = null;
  let asked = 0;
  let loaded = false;

  const refresh = async () => {
    const turn = (asked += 1);
    try {
      const answer = await get(`/jobs/${id}/addresses${query({ after: pages.at(-1) || null, limit: PAGE, search: search.value.trim() })}`, signal);
      // A slow answer to an old question is dropped.
      if (turn === asked) show(answer);
    } catch (error) {
      // What is shown stays while the server is away.
      if (!signal.aborted && turn === asked && !(loaded && error instanceof Unreachable)) {
        pager.hidden = true;
        fill(place, failure(error, refresh, signal));
      }
      throw error;
    }
  };
  const show = ({ addresses, next_after }) => {
    loaded = true;
    nextAfter = next_after;
    previous.disabled = pages.length === 1;
    next.disabled = nextAfter === null;
    pager.hidden = previous.disabled && next.disabled;
    setText(where, `Page ${number(pages.length)}`);
    if (addresses.length === 0) {
      const text = search.value.trim() ? "No address matches" : pages.length > 1 ? "No more addresses" : "No address yet";
      fill(place, notice("empty", text, search.value.trim() ? "Search for a shorter part." : "What the job finds shows up here."));
      return;
    }
    list.update(addresses);
    if (list.node.parentNode !== place) fill(place, list.node);
  };
  const turn = async (to) => {
    pages = to;
    nextAfter = undefined;
    setText(where, `Page ${number(pages.length)}\u2026`);
    // It is asked for again as the last page is.
    await refresh().catch(() => { if (pages === to) nextAfter = null; });
  };
  previous.addEventListener("click", () => pages.length > 1 && turn(pages.slice(0, -1)));
  next.addEventListener("click", () => nextAfter && turn([...pages, nextAfter]));
  search.addEventListener("input", settled(250, () => turn([0])));
  every(LOOK_AGAIN, signal, () => (nextAfter === null ? refresh() : null));

  const save = (format, label) => h("button", {
    type: "button",
    class: "button",
    onclick: () => download(`/jobs/${id}/export?format=${format}`, `mailscan-job-${id}.${format}`, signal).catch((error) => toast(`The export failed: ${error.message}`, true)),
  }, label);
  return h("div", { class: "stack" },
    h("div", { class: "row tools" },
      h("div", { class: "field inline" }, h("label", { for: "address-search" }, "Search"), search),
      h("div", { class: "row" }, save("csv", "Export CSV"), save("jsonl", "Export JSONL"), save("parquet", "Export Parquet"))),
    place, pager);
}

const mount = (parameters, context) => chooseJob("addresses", "Addresses", parameters, context, addressesOf);

export default { title: "Addresses", mount };
