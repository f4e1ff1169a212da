// Numbers, sizes and times as people read them.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const hundredth = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const moment = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });

/** What stands where something is not known. */
export const UNKNOWN = "\u2013";

export const number = (value) => (value === null || value === undefined ? UNKNOWN : whole.format(value));
export const decimal = (value) => (value === null || value === undefined ? UNKNOWN : hundredth.format(value));

/** "1 address", "2 addresses". */
export const counted = (value, one, many = `${one}s`) => `${number(value)} ${value === 1 ? one : many}`;

/** A percentage that says 100 only when it is. */
export function percent(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return value >= 100 ? "100 %" : `${tenth.format(Math.min(Math.floor(value * 10) / 10, 99.9))} %`;
}

/** A percentage that may be more than all of one, as of a process on several processors. */
export const share = (value) => (value === null || value === undefined ? UNKNOWN : `${tenth.format(value)} %`);

/** Bytes as MB, with a decimal where there is room for one. */
export function megabytes(bytes) {
  if (bytes === null || bytes === undefined) return UNKNOWN;
  return `${(bytes < 1e9 ? tenth : whole).format(bytes / 1e6)} MB`;
}

/** A rate, with a decimal while it is small. */
export const rate = (value) => (value > 0 && value < 10 ? tenth.format(value) : number(value));

/** Seconds as "2h 15m 30s". */
export function seconds(value) {
  if (value === null || value === undefined) return UNKNOWN;
  const [h, m, s] = [Math.floor(value / 3600), Math.floor(value / 60) % 60, Math.floor(value) % 60];
  return [h && `${h}h`, (h || m) && `${m}m`, `${s}s`].filter(Boolean).join(" ");
}

/** A moment, as an element that keeps its exact form. */
export function time(text, short = false) {
  const node = document.createElement("time");
  if (!text) {
    node.textContent = UNKNOWN;
    return node;
  }
  const date = new Date(text);
  node.dateTime = text;
  node.title = moment.format(date);
  const today = date.toDateString() === new Date().toDateString();
  node.textContent = (short || today ? clock : moment).format(date);
  return node;
}
