// Memory and load of the server's process and machine.

import { get } from "../api.js";
import { chart } from "../chart.js";
import { fill, h } from "../dom.js";
import { decimal, megabytes, number, percent, share } from "../format.js";
import { keepLive } from "../live.js";
import { failure, figures, loading, progress } from "../parts.js";

const EVERY = 2_000;
/** Ten minutes of points, as many as the server keeps. */
const MOST = 300;

function mount(_, { signal }) {
  const place = h("div", {}, loading());
  const memory = figures([["now", "Memory now"], ["part", "Of the limit"], ["peak", "Peak"], ["limit", "Limit"], ["used", "Machine in use"]], "Memory");
  const load = figures([["one", "Load, 1 min"], ["five", "5 min"], ["fifteen", "15 min"], ["cpus", "Processors"], ["cpu", "This process"]], "Load");
  const bar = progress("Memory in use");
  const used = chart({ title: "Memory of the process", unit: "MB", format: (value) => number(value), empty: "The line begins after a few seconds." });
  const loads = chart({ title: "Load over 1 minute", unit: "processes", format: decimal, empty: "The line begins after a few seconds." });
  const content = h("div", { class: "columns even" },
    h("section", { class: "card", "aria-label": "Memory" }, h("h2", {}, "Memory"), memory.node, bar.node, used.node),
    h("section", { class: "card", "aria-label": "Load" }, h("h2", {}, "Load"), load.node, loads.node));
  let seen = [];

  const refresh = async () => {
    let system;
    try {
      system = await get("/system", signal);
    } catch (error) {
      if (!signal.aborted && !content.isConnected) fill(place, failure(error, refresh, signal));
      throw error;
    }
    memory.update({
      now: megabytes(system.memory_bytes),
      part: percent(system.memory_percentage),
      peak: megabytes(system.memory_peak_bytes),
      limit: megabytes(system.memory_limit_bytes),
      used: megabytes(system.memory_used_bytes),
    });
    bar.update(system.memory_percentage, `${percent(system.memory_percentage)} of the limit`, system.memory_percentage >= 85 ? "failed" : "");
    load.update({
      one: decimal(system.load_1min),
      five: decimal(system.load_5min),
      fifteen: decimal(system.load_15min),
      cpus: number(system.cpus),
      cpu: share(system.process_cpu_percentage),
    });
    seen = system.history ?? [...seen, { ...system, at: new Date().toISOString() }].slice(-MOST);
    used.update(seen.map(({ at, memory_bytes }) => ({ at: Date.parse(at), value: memory_bytes / 1e6 })));
    loads.update(seen.map(({ at, load_1min }) => ({ at: Date.parse(at), value: load_1min })));
    if (!content.isConnected) fill(place, content);
  };
  keepLive(EVERY, signal, refresh);
  return h("div", { class: "view" }, h("h1", {}, "System"), place);
}

export default { title: "System", mount };
