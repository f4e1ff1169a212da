// Tables that keep their rows: what did not change is not touched, so focus, selection and screen readers stay where
// they are. At phone width each row becomes a card; roles are given because some browsers drop them there.

import { h } from "./dom.js";

/**
 * `columns` are `{label, cell(item), kind}`, where a cell is a node or a text, and kind is a class for both head and
 * cell. `key` tells rows apart.
 */
export function table({ caption, columns, key, captionHidden = false }) {
  const head = h("tr", { role: "row" }, columns.map(({ label, kind, quiet }) =>
    h("th", { scope: "col", role: "columnheader", class: kind ?? "" }, quiet ? h("span", { class: "hidden" }, label) : label)));
  const body = h("tbody", { role: "rowgroup" });
  const captionNode = h("caption", { class: captionHidden ? "hidden" : "" }, caption);
  const node = h("table", { role: "table", class: "table" }, captionNode, h("thead", { role: "rowgroup" }, head), body);
  let rows = new Map();

  const update = (items) => {
    const next = new Map();
    for (const item of items) {
      const id = String(key(item));
      const print = JSON.stringify(item);
      const row = rows.get(id) ?? { node: build(columns), print: null };
      if (row.print !== print) refresh(row.node, columns, item);
      next.set(id, { node: row.node, print });
    }
    for (const [id, row] of rows) if (!next.has(id)) row.node.remove();
    const held = body.contains(document.activeElement) ? document.activeElement : null;
    let at = body.firstChild;
    for (const row of next.values()) {
      if (row.node === at) at = at.nextSibling;
      else body.insertBefore(row.node, at);
    }
    // A row that is put elsewhere is out of the document for a moment, which takes the focus from what is in it.
    if (held !== document.activeElement) held?.focus({ preventScroll: true });
    rows = next;
  };
  return { node, update };
}

function build(columns) {
  return h("tr", { role: "row" }, columns.map(({ label, kind, quiet }) =>
    h("td", { role: "cell", class: kind ?? "", "data-label": quiet ? false : label })));
}

function refresh(row, columns, item) {
  columns.forEach(({ cell }, n) => {
    const place = row.children[n];
    const held = place.contains(document.activeElement) ? document.activeElement : null;
    const made = cell(item);
    if (made instanceof Node) {
      const same = place.childNodes.length === 1 && place.firstChild.isEqualNode(made);
      // Whoever is at a button keeps it as long as it looks the same.
      if (same && (held || !hasListener(made))) return;
      place.replaceChildren(made);
    } else if (place.textContent !== String(made ?? "")) {
      place.textContent = made ?? "";
    }
    if (held && !held.isConnected) keepFocus(place, held);
  });
}

/** What had the focus is gone: it goes to what came for it, or at least stays in its place. */
function keepFocus(place, held) {
  const next = [...place.querySelectorAll("button, a")].find((node) => node.textContent === held.textContent);
  if (!next) place.tabIndex = -1;
  (next ?? place).focus();
}

// A button that looks the same may do something else: it closes over its item.
const hasListener = (node) => node.nodeName === "BUTTON" || node.querySelector?.("button") !== null;
