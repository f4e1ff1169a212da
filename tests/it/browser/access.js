// Checks of what is shown now; returns a list of faults, each with the element it is about.

const faults = [];
const dialog = document.querySelector("dialog[open]");
const root = dialog ?? document.body;
const seen = (node) => node.checkVisibility({ visibilityProperty: true, contentVisibilityAuto: true });
const all = (selector) => [...root.querySelectorAll(selector)].filter(seen);
const show = (node) => node.outerHTML.replace(/\s+/g, " ").slice(0, 140);
const fault = (what, node) => faults.push(`${what}: ${show(node)}`);
const text = (id) => document.getElementById(id)?.textContent.trim() ?? "";

// Every control has a name.
const nameOf = (node) =>
  (node.getAttribute("aria-labelledby") ?? "").split(" ").map(text).join(" ").trim()
  || node.getAttribute("aria-label")
  || [...(node.labels ?? [])].map((label) => label.textContent.trim()).join(" ")
  || (/^(A|BUTTON|SUMMARY)$/.test(node.tagName) || node.getAttribute("role") === "tab" ? node.textContent.trim() : "")
  || "";
for (const node of all("button, a[href], input, select, textarea, summary, [role=tab], [role=progressbar], [role=img], [role=tabpanel], [role=group], section, aside, nav, dialog")) {
  if (!nameOf(node)) fault("no name", node);
}

// Headings begin with one h1 and skip no level.
if (!dialog) {
  const headings = all("h1, h2, h3, h4, h5, h6");
  if (headings.filter(({ tagName }) => tagName === "H1").length !== 1) faults.push("not exactly one h1");
  let last = 0;
  for (const heading of headings) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) fault(`level ${level} after ${last}`, heading);
    last = level;
  }
  for (const landmark of ["main", "header", "nav"]) {
    if (document.querySelectorAll(landmark).length < 1) faults.push(`no ${landmark}`);
  }
}
if (!document.documentElement.lang) faults.push("no language");
if (!document.title.includes("mailscan")) faults.push(`the title is ${document.title}`);

// Ids are unique, and what refers to them finds them.
const ids = new Set();
for (const { id } of document.querySelectorAll("[id]")) {
  if (ids.has(id)) faults.push(`id ${id} is there twice`);
  ids.add(id);
}
for (const name of ["aria-labelledby", "aria-describedby", "aria-controls", "for"]) {
  for (const node of document.querySelectorAll(`[${name}]`)) {
    for (const id of node.getAttribute(name).split(" ")) if (!ids.has(id)) fault(`${name} names ${id}, which is not there`, node);
  }
}

// Tables have a caption and heads with a scope.
for (const table of all("table")) {
  if (!table.caption?.textContent.trim()) fault("no caption", table);
  for (const head of table.querySelectorAll("th")) if (!head.scope) fault("no scope", head);
}

// Text stands out from what is behind it: 4.5 to 1, 3 to 1 where it is large (WCAG 2.2, 1.4.3).
const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
const paint = (colours) => {
  canvas.clearRect(0, 0, 1, 1);
  for (const colour of colours) {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
  }
  return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
};
const behind = (node) => {
  const colours = [];
  for (let at = node; at; at = at.parentElement) colours.unshift(getComputedStyle(at).backgroundColor);
  return ["Canvas", ...colours];
};
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const contrast = (one, other) => {
  const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
};
const check = (node, style) => {
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
  const back = behind(node);
  const ratio = contrast(paint(back), paint([...back, style.color]));
  if (ratio < (large ? 3 : 4.5)) fault(`contrast ${ratio.toFixed(2)}`, node);
};
const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
const checked = new Set();
while (walker.nextNode()) {
  const node = walker.currentNode.parentElement;
  if (!walker.currentNode.data.trim() || checked.has(node) || !seen(node) || node.closest(":disabled, [aria-disabled=true], noscript, script, style, .skip, .hidden")) continue;
  checked.add(node);
  check(node, getComputedStyle(node));
}
for (const node of all("input, textarea")) if (node.placeholder) check(node, getComputedStyle(node, "::placeholder"));

// The edges of controls stand out 3 to 1 (1.4.11), and what is clicked is large enough (2.5.8).
for (const node of all("input:not([type=checkbox]), textarea, select, button.button:not(.primary, .danger)")) {
  if (node.disabled || node.ariaDisabled === "true") continue;
  const ratio = contrast(paint(behind(node.parentElement)), paint([...behind(node.parentElement), getComputedStyle(node).borderTopColor]));
  if (ratio < 3) fault(`contrast ${ratio.toFixed(2)} of the edge`, node);
}
for (const node of all("button:not(.link), input:not([type=checkbox]), select, a.button, .nav a, [role=tab]")) {
  const box = node.getBoundingClientRect();
  if (box.width < 24 || box.height < 24) fault(`${Math.round(box.width)} x ${Math.round(box.height)} is too small`, node);
}

return [...new Set(faults)].slice(0, 30);
