// The fields of a new job: what they are called, and how what was typed becomes the body of the request.

import { h } from "../dom.js";
import { field } from "../parts.js";

const CLASSES = [["placeholder", "Placeholders"], ["message_id", "Message-IDs"], ["unknown_domain", "Unknown domains"], ["literal", "Address literals"], ["machine", "Keys of machines"], ["file_name", "Names of files"]];

const input = (id, props = {}) => h("input", { id, name: id, autocomplete: "off", ...props });
const count = (id, props = {}) => input(id, { type: "text", inputmode: "numeric", ...props });
const lines = (id, rows, placeholder) => h("textarea", { id, name: id, rows, placeholder, spellcheck: "false", autocapitalize: "off" });

/** All fields by their name in the API, their element, and how to show one. */
export function formFields() {
  const crawl = input("crawl", { type: "checkbox", checked: true });
  const checks = CLASSES.map(([value, label]) => h("label", { class: "check" }, h("input", { type: "checkbox", name: "include", value }), label));
  const include = h("fieldset", { id: "include", class: "checks" }, h("legend", {}, "Also collect"), checks);
  const includeError = h("p", { class: "field-error", hidden: true });
  const all = {
    target: field({ label: "How many addresses", control: count("target", { required: true, value: "1000" }), hint: "The job ends when it has so many, or when its sources hold no more." }),
    urls: field({ label: "Pages to begin with", control: lines("urls", 4, "https://example.org/"), hint: "One URL a line.", wide: true }),
    sitemaps: field({ label: "Sitemaps", control: lines("sitemaps", 2, "https://example.org/sitemap.xml"), hint: "One URL a line. A site without a path stands for all that its robots.txt names.", wide: true }),
    crawl: { control: crawl, fail: () => {}, node: h("label", { class: "check" }, crawl, "Follow links within the site of each page") },
    depth: field({ label: "Links deep", control: count("depth", { value: "3" }) }),
    max_pages: field({ label: "Pages at most", control: count("max_pages", { placeholder: "no limit" }), hint: "Sitemaps, calls, files and folders count too." }),
    searches: field({ label: "Queries", control: lines("searches", 2, "site:example.org contact"), hint: "One query a line.", wide: true }),
    search_endpoint: field({ label: "Search endpoint", control: input("search_endpoint", { type: "text", inputmode: "url", spellcheck: "false", placeholder: "https://searx.example.org" }), hint: "The base URL of a SearXNG, or a description as JSON, whose fields /openapi.json has (SearchEndpoint).", wide: true }),
    paths: field({ label: "Files and folders of the server", control: lines("paths", 2, "/srv/archive"), hint: "One a line. Only below the folder that the server was started with (--root).", wide: true }),
    workers: field({ label: "Workers", control: count("workers", { placeholder: "as planned" }) }),
    connections: field({ label: "Connections per worker", control: count("connections", { placeholder: "100" }) }),
    rate_limit: field({ label: "Seconds between requests", control: input("rate_limit", { type: "text", inputmode: "decimal", placeholder: "0.1" }), hint: "Between two search calls of a worker; above 0.1 between two pages of a host, too." }),
    per_host: field({ label: "Requests to one host", control: count("per_host", { placeholder: "as it bears" }) }),
    time_limit: field({ label: "Seconds at work", control: input("time_limit", { type: "text", inputmode: "decimal", placeholder: "600" }), hint: "Then it is paused and can go on. 0 is no limit." }),
    weight: field({ label: "Share beside other jobs", control: count("weight", { placeholder: "1" }) }),
    contact: field({ label: "Contact", control: input("contact", { type: "text", placeholder: "https://example.org/bot" }), hint: "Where owners of sites can reach you. Sent with every request.", wide: true }),
    include: { control: include, node: h("div", { class: "field wide" }, include, includeError), fail: (text) => { includeError.textContent = text ?? ""; includeError.hidden = !text; } },
  };
  const nodes = (...names) => names.map((name) => all[name].node);
  const advanced = h("details", { class: "card" }, h("summary", {}, h("h2", {}, "Advanced")),
    h("div", { class: "grid" }, nodes("workers", "connections", "rate_limit", "per_host", "time_limit", "weight", "contact", "paths", "include")));
  const node = h("div", { class: "view" },
    h("section", { class: "card", "aria-label": "Target" }, nodes("target")),
    h("section", { class: "card", "aria-label": "Pages" }, h("h2", {}, "Pages"), h("div", { class: "grid" }, nodes("urls", "sitemaps"), h("div", { class: "field wide" }, all.crawl.node), nodes("depth", "max_pages"))),
    h("section", { class: "card", "aria-label": "Searches" }, h("h2", {}, "Searches"), h("div", { class: "grid" }, nodes("searches", "search_endpoint"))),
    advanced);
  crawl.addEventListener("change", () => { all.depth.control.disabled = !crawl.checked; });
  const reveal = (name) => {
    if (advanced.contains(all[name].node)) advanced.open = true;
    all[name].control.focus();
  };
  return { all, node, reveal };
}

const listOf = (control) => control.value.split("\n").map((line) => line.trim()).filter(Boolean);
const NUMBERS = ["max_pages", "workers", "connections", "rate_limit", "weight", "time_limit", "per_host"];
const WHOLE = /^\d{1,15}$/;
const ANY = /^\d{1,15}(\.\d{1,9})?$/;
const FRACTIONS = ["rate_limit", "time_limit"];

/** A whole number as people type it, with commas or spaces between the thousands. */
const typed = (text) => text.trim().replace(/(?<=\d)[, _\u00a0\u202f](?=\d{3})/g, "");

/** One that may have a fraction: there a comma is none between thousands, as many mean the point by it. */
const typedFraction = (text) => text.trim().replace(/(?<=\d)[ _\u00a0\u202f](?=\d{3})/g, "");

/** What the fields hold as the body of a request, and the faults that need no server to be seen. */
export function body(all) {
  const faults = [];
  const numberOf = (name) => {
    const fraction = FRACTIONS.includes(name);
    const text = (fraction ? typedFraction : typed)(all[name].control.value);
    if (text === "") return null;
    const fits = (fraction ? ANY : WHOLE).test(text);
    if (!fits) faults.push({ field: name, detail: fraction ? "Give a number such as 1000 or 0.5" : "Give a whole number" });
    return fits ? Number(text) : null;
  };
  const value = { target: numberOf("target"), urls: listOf(all.urls.control), sitemaps: listOf(all.sitemaps.control), searches: listOf(all.searches.control) };
  if (value.target === null && faults.length === 0) faults.push({ field: "target", detail: "Say how many addresses you want" });
  const paths = listOf(all.paths.control);
  if (paths.length > 0) value.paths = paths;
  if (value.urls.length + value.sitemaps.length + value.searches.length + paths.length === 0) {
    faults.push({ field: "urls", detail: "Give at least one page or sitemap, or a search further down" });
  }
  value.crawl = all.crawl.control.checked;
  if (value.crawl) value.depth = numberOf("depth");
  for (const name of NUMBERS) {
    const number = numberOf(name);
    if (number !== null) value[name] = number;
  }
  if (value.depth === null) delete value.depth;
  const endpoint = all.search_endpoint.control.value.trim();
  if (endpoint.startsWith("{")) {
    try {
      value.search_endpoint = JSON.parse(endpoint);
    } catch (error) {
      faults.push({ field: "search_endpoint", detail: `This is not JSON: ${error.message}` });
    }
  } else if (endpoint) value.search_endpoint = endpoint;
  if (value.searches.length > 0 && !endpoint) faults.push({ field: "search_endpoint", detail: "A search needs an endpoint to ask" });
  const contact = all.contact.control.value.trim();
  if (contact) value.contact = contact;
  const include = [...all.include.control.querySelectorAll("input:checked")].map((box) => box.value);
  if (include.length > 0) value.include = include;
  return { value, faults };
}

/** The field that a problem names: `urls[3]` is in `urls`, and so are all members of a described endpoint. */
export const fieldNamed = (name) => /^[a-z_]*/.exec(name)[0];

/** "Line 4: " for `urls[3]`, counted as the person sees it. */
export function lineOf(name, control) {
  const found = /^(?:urls|sitemaps|searches|paths)\[(\d+)\]/.exec(name);
  if (!found) return "";
  let left = Number(found[1]);
  const line = control.value.split("\n").findIndex((text) => text.trim() && left-- === 0);
  return line < 0 ? "" : `Line ${line + 1}: `;
}

/** The target as typed, or null where it is no number. */
export function targetOf(all) {
  const text = typed(all.target.control.value);
  return WHOLE.test(text) && Number(text) > 0 ? Number(text) : null;
}

/** The hosts that the pages are on; none where searches may lead anywhere. */
export function hostsOf(all) {
  if (listOf(all.searches.control).length > 0) return null;
  const hosts = new Set([all.urls, all.sitemaps].flatMap((named) => listOf(named.control)).map((text) => URL.parse(text)?.host).filter(Boolean));
  return hosts.size || null;
}

/** A whole number that is given in an optional field. */
export function givenOf(all, name) {
  const text = typed(all[name].control.value);
  return WHOLE.test(text) && Number(text) > 0 ? Number(text) : null;
}
