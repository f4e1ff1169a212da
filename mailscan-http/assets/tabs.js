// Tabs as the ARIA pattern has them: one stop for the Tab key, arrows between them, each panel alive only while it is
// shown.

import { fill, h, set } from "./dom.js";

/**
 * Tabs of `[name, label, build(signal)]`; `first` is shown, and `chosen(name)` hears of every change. The panel's signal
 * aborts when another is shown, or when `signal` does.
 */
export function tabs(label, entries, first, signal, chosen) {
  let leave = new AbortController();
  const panel = h("div", { role: "tabpanel", id: "tab-panel", class: "panel", tabindex: -1 });
  const buttons = entries.map(([name, text]) => h("button", {
    type: "button", role: "tab", id: `tab-${name}`, class: "tab", "aria-controls": "tab-panel", onclick: () => choose(name),
  }, text));
  const list = h("div", { role: "tablist", class: "tabs", "aria-label": label, onkeydown: (event) => move(event) }, buttons);

  const show = (name) => {
    leave.abort();
    leave = new AbortController();
    entries.forEach(([other], n) => {
      set(buttons[n], "aria-selected", String(other === name));
      set(buttons[n], "tabindex", other === name ? 0 : -1);
    });
    set(panel, "aria-labelledby", `tab-${name}`);
    fill(panel, entries.find(([other]) => other === name)[2](AbortSignal.any([signal, leave.signal])));
  };
  const choose = (name) => {
    show(name);
    chosen(name);
  };
  const move = (event) => {
    const at = buttons.indexOf(document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const button = buttons.at(to % buttons.length);
    button.focus();
    button.click();
  };
  show(first);
  return h("div", { class: "tabbed" }, list, panel);
}
