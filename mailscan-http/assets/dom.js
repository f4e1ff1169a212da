// Builds elements out of data. What comes from outside becomes text nodes and attribute values, never markup.

/** An element with properties, listeners (`onclick: f`) and children; strings among the children become text. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  setAll(node, props);
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAll(node, props);
  node.append(...children);
  return node;
}

function setAll(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else set(node, name, value);
  }
}

/** Sets an attribute, or removes it where the value is false or nothing. */
export function set(node, name, value) {
  if (value === false || value === null || value === undefined) {
    node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value === true ? "" : value);
  }
}

/** Puts text into an element, and touches nothing when it is there: screen readers and selections stay calm. */
export function setText(node, text) {
  if (node.textContent !== String(text)) node.textContent = text;
}

/** Puts children into an element in place of what it has. */
export function fill(node, ...children) {
  node.replaceChildren(...children.flat(Infinity).filter((child) => child !== null && child !== false));
  return node;
}

// Control characters and those that turn the direction of text could make a text look like another one.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
/** The longest text of one piece of data; no view needs more, and a hostile one may send any number. */
const MOST_CHARACTERS = 2_000;

/** Foreign text as it may be shown: unseen characters spelt out, and not without end. */
export function visible(text, most = MOST_CHARACTERS) {
  const whole = String(text);
  const cut = whole.length > most ? `${whole.slice(0, most)} ...` : whole;
  return cut.replace(UNSEEN, (c) => (c === "\n" || c === "\t" ? " " : `\\u{${c.codePointAt(0).toString(16)}}`));
}

/** Foreign text as an element that keeps its direction to itself. */
export function foreign(text, most) {
  return h("bdi", {}, visible(text, most));
}

/** A foreign URL: a link where it is one to the web, and text anywhere else. At most so much of it is shown. */
export function source(text, most) {
  let url = null;
  try {
    url = new URL(text);
  } catch {
    return foreign(text, most);
  }
  if (url.protocol !== "https:" && url.protocol !== "http:") return foreign(text, most);
  return h("a", { href: url.href, target: "_blank", rel: "noreferrer noopener" }, foreign(text, most));
}

/** What is to be said; one thing may be told twice, as a toast and as a change of state. */
const saying = new Set();

/** Has a screen reader say something when it has time. For changes of state, never for a tick. */
export function announce(text) {
  const node = document.getElementById("announcer");
  const first = saying.size === 0;
  saying.add(text.replace(/\.$/, ""));
  if (!first) return;
  node.textContent = "";
  // The same words twice are only said twice when the node was empty in between.
  setTimeout(() => {
    node.textContent = [...saying].join(". ");
    saying.clear();
  }, 50);
}
