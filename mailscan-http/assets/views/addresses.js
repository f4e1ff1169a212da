// The addresses of a job: search, pages, export.

import { Unreachable, download, get, query } from "../api.js";
import { toast } from "../dialogs.js";
import { fill, foreign, h, set, setText, source } from "../dom.js";
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
  const previous = h("button", { type: "button", class: "button", "aria-disabled": "true" }, "Previous");
  const next = h("button", { type: "button", class: "button", "aria-disabled": "true" }, "Next");
  const pager = h("nav", { class: "row", "aria-label": "Pages of addresses" }, previous, next, where);
  // The `after` of every page up to the one that is asked for; which one comes next is not known before its answer is there.
  let pages = [0];
  let nextAfter = null;
  let words = "";
  // What was found of the page by requests that have looked at all they can, and where the next one begins: one request of a
  // search looks at a part of what the job has.
  let found = [];
  let from = 0;
  let asked = 0;
  let loaded = false;

  const refresh = async () => {
    const turn = (asked += 1);
    try {
      for (let more = true; more;) {
        const asks = { after: from || null, limit: PAGE - found.length, search: words };
        const { addresses, next_after } = await get(`/jobs/${id}/addresses${query(asks)}`, signal);
        // A slow answer to an old question is dropped.
        if (turn !== asked) return;
        const all = [...found, ...addresses];
        more = next_after !== null && all.length < PAGE;
        // It is read to its end before anybody can turn it, or it is read anew.
        nextAfter = more ? undefined : next_after;
        if (more) [found, from] = [all, next_after];
        show(all, more);
      }
    } catch (error) {
      // What is shown stays while the server is away.
      if (!signal.aborted && turn === asked && !(loaded && error instanceof Unreachable)) {
        pager.hidden = true;
        fill(place, failure(error, refresh, signal));
      }
      // It is asked for again as the last page is.
      if (turn === asked) nextAfter = null;
      throw error;
    }
  };
  /** Shows what was found of the page so far, and whether it is searched for more. */
  const show = (rows, more) => {
    loaded = true;
    const [first, last] = [pages.length === 1, !nextAfter];
    // Who is at a button stays there also when it leads nowhere any more.
    set(previous, "aria-disabled", first && "true");
    set(next, "aria-disabled", last && "true");
    pager.hidden = first && last && !more;
    setText(where, more ? `Page ${number(pages.length)}: ${number(rows.length)} found, searching on\u2026` : `Page ${number(pages.length)}`);
    if (rows.length === 0) {
      fill(place, more ? notice("empty", "Searching\u2026", "Nothing that was looked at so far matches.") : nothing(words, pages.length > 1));
      return;
    }
    list.update(rows);
    if (list.node.parentNode !== place) fill(place, list.node);
  };
  const turn = async (to) => {
    pages = to;
    [found, from] = [[], pages.at(-1)];
    nextAfter = undefined;
    setText(where, `Page ${number(pages.length)}\u2026`);
    await refresh().catch(() => {});
  };
  previous.addEventListener("click", () => pages.length > 1 && turn(pages.slice(0, -1)));
  next.addEventListener("click", () => nextAfter && turn([...pages, nextAfter]));
  search.addEventListener("input", settled(250, () => {
    words = search.value.trim();
    turn([0]);
  }));
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

/** What stands on a page without addresses: the first, or one after others. */
function nothing(words, after) {
  if (after) return notice("empty", "No more addresses");
  return words ? notice("empty", "No address matches", "Search for a shorter part.") : notice("empty", "No address yet", "What the job finds shows up here.");
}

const mount = (parameters, context) => chooseJob("addresses", "Addresses", parameters, context, addressesOf);

export default { title: "Addresses", mount };
