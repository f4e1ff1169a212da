// Questions to the person, and short answers to what they did.

import { announce, h } from "./dom.js";

let ids = 0;

/**
 * Asks in a modal dialog; answers what the form holds, or null when it was declined or the signal of the view that asks
 * aborts. The focus goes back to where it was by itself.
 */
function ask({ title, body, confirm, danger = false, fields = [], signal }) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve(null);
    const heading = `dialog-${(ids += 1)}`;
    const form = h("form", { method: "dialog", class: "dialog-form" },
      h("h2", { id: heading }, title),
      body && h("p", {}, body),
      fields,
      h("div", { class: "row end" },
        h("button", { type: "button", class: "button", onclick: () => dialog.close() }, "Not now"),
        h("button", { type: "submit", class: `button ${danger ? "danger" : "primary"}`, value: "yes" }, confirm)));
    const dialog = h("dialog", { "aria-labelledby": heading }, form);
    const leave = () => dialog.close();
    signal?.addEventListener("abort", leave, { once: true });
    dialog.addEventListener("close", () => {
      signal?.removeEventListener("abort", leave);
      resolve(dialog.returnValue === "yes" ? new FormData(form) : null);
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Whether the person means it. */
export const confirmed = async (question) => (await ask({ danger: true, ...question })) !== null;

const WHY_TOKEN = {
  none: "This server answers to those with a token only. Whoever runs it has them in its token file. It is kept until this tab closes.",
  wrong: "The server does not know this token. Enter another one.",
  reading: "The token in use is for reading only. With one for writing this is done; it is kept until this tab closes.",
};

/** A token, or null; `why` is one of the reasons above. */
export async function askToken(why, signal) {
  const input = h("input", { type: "password", name: "token", id: "token", required: true, autocomplete: "off", autofocus: true });
  const answer = await ask({
    signal,
    title: why === "reading" ? "Another token needed" : "Token needed",
    body: WHY_TOKEN[why],
    confirm: "Use this token",
    fields: h("div", { class: "field" }, h("label", { for: "token" }, "Token"), input),
  });
  return answer && answer.get("token").trim();
}

/** A note with a resolution, and whether to retry; or null. `never` says why nothing can be retried, and is null where it can. */
export async function askResolution({ title, body, retry, never, signal }) {
  const answer = await ask({
    signal,
    title,
    body,
    confirm: retry ? "Retry" : "Resolve",
    fields: [
      h("div", { class: "field" },
        h("label", { for: "note" }, "Note"),
        h("textarea", { name: "note", id: "note", rows: 3, maxlength: 1000, required: true, "aria-describedby": "note-hint" }, retry ? "Tried again" : ""),
        h("p", { class: "hint", id: "note-hint" }, "For whoever looks at these errors later.")),
      h("label", { class: "check" },
        h("input", { type: "checkbox", name: "retry", checked: retry && never === null, disabled: never !== null }),
        never ?? "Put the tasks back on the queue"),
    ],
  });
  return answer && { note: answer.get("note").trim(), retry: answer.get("retry") !== null };
}

/** Says shortly what came of an action. */
export function toast(text, bad = false) {
  const node = h("p", { class: `toast ${bad ? "bad" : ""}` }, text,
    h("button", { type: "button", class: "button small", onclick: () => node.remove(), "aria-label": "Dismiss this message" }, "Dismiss"));
  const all = document.getElementById("toasts");
  while (all.children.length >= 4) all.firstChild.remove();
  all.append(node);
  announce(text);
  // An error stays until it has been read.
  if (!bad) setTimeout(() => node.remove(), 6_000);
}
