// A line over time as SVG, with its figures as text: a summary for everybody, and a table for who wants numbers.

import { fill, h, set, setText, svg } from "./dom.js";
import { time } from "./format.js";

const WIDTH = 600;
const HEIGHT = 150;
const TABLE_ROWS = 12;

/**
 * A chart of points `{at, value}`, `at` in milliseconds. `format` writes a value; where there are not enough points for a
 * line stands `empty`, or what `update` is given as `otherwise`. A line that is not `live` ends when it ended, and not now.
 */
export function chart({ title, unit, format, empty }) {
  const area = svg("path", { class: "area" });
  const line = svg("path", { class: "line", "vector-effect": "non-scaling-stroke" });
  const grid = svg("path", { class: "rule", "vector-effect": "non-scaling-stroke" });
  const cursor = svg("path", { class: "cursor", "vector-effect": "non-scaling-stroke" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": title }, grid, area, line, cursor);
  const [top, middle, start, end, read] = ["top", "middle", "start", "end", "read"].map((name) => h("span", { class: `axis ${name}`, "aria-hidden": "true" }));
  const summary = h("p", { class: "chart-summary" });
  const rows = h("tbody", {});
  const details = h("details", { class: "chart-data", ontoggle: () => table() },
    h("summary", {}, "Figures"),
    h("table", { class: "table plain" }, h("caption", { class: "hidden" }, title),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Time"), h("th", { scope: "col", class: "figure" }, unit))), rows));
  const plot = h("div", { class: "plot" }, picture, top, middle, start, end, read);
  const node = h("figure", { class: "chart" }, h("figcaption", {}, title), plot, summary, details);

  let points = [];
  let ceiling = 1;
  const x = (at) => ((at - points[0].at) / Math.max(points.at(-1).at - points[0].at, 1)) * WIDTH;
  const y = (value) => HEIGHT - (Math.min(value, ceiling) / ceiling) * HEIGHT;

  const table = () => {
    if (!details.open) return;
    const step = Math.max(Math.ceil(points.length / TABLE_ROWS), 1);
    const shown = points.filter((_, n) => (points.length - 1 - n) % step === 0).reverse();
    fill(rows, shown.map(({ at, value }) =>
      h("tr", {}, h("td", {}, time(new Date(at).toISOString(), true)), h("td", { class: "figure" }, format(value)))));
  };

  const update = (given, { otherwise, live = true } = {}) => {
    points = given;
    const drawn = points.length > 1;
    node.classList.toggle("blank", !drawn);
    details.hidden = !drawn;
    if (!drawn) {
      setText(summary, otherwise ?? empty);
      for (const path of [line, area, grid, cursor]) set(path, "d", "");
      for (const label of [top, middle, start, end, read]) setText(label, "");
      return;
    }
    const values = points.map(({ value }) => value);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    ceiling = nice(high);
    const path = points.map(({ at, value }, n) => `${n === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    set(line, "d", path);
    set(area, "d", `${path}L${WIDTH} ${HEIGHT}L0 ${HEIGHT}Z`);
    set(grid, "d", [0, 0.5, 1].map((part) => `M0 ${HEIGHT * part}H${WIDTH}`).join(""));
    setText(top, format(ceiling));
    setText(middle, format(ceiling / 2));
    const [began, ended] = [points[0], points.at(-1)];
    setText(start, live ? `${span(ended.at - began.at)} ago` : moment(began));
    setText(end, live ? "now" : moment(ended));
    setText(summary, `${live ? "Now" : `At ${moment(ended)}:`} ${format(ended.value)}, lowest ${format(low)}, highest ${format(high)} ${unit}.`);
    table();
  };

  plot.addEventListener("pointermove", (event) => {
    if (points.length < 2) return;
    const box = picture.getBoundingClientRect();
    const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
    const at = points[0].at + part * (points.at(-1).at - points[0].at);
    const nearest = points.reduce((best, point) => (Math.abs(point.at - at) < Math.abs(best.at - at) ? point : best));
    set(cursor, "d", `M${x(nearest.at).toFixed(1)} 0V${HEIGHT}`);
    setText(read, `${moment(nearest)}  ${format(nearest.value)} ${unit}`);
  });
  plot.addEventListener("pointerleave", () => {
    set(cursor, "d", "");
    setText(read, "");
  });
  update([]);
  return { node, update };
}

const moment = ({ at }) => time(new Date(at).toISOString(), true).textContent;

/** The next round number: 1, 2, 5, 10, 20, ... */
export function nice(value) {
  if (!(value > 0)) return 1;
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * ten).find((step) => step >= value);
}

function span(ms) {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3_600)} h`;
}
