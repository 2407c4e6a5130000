// Numbers and times as people read them; times are the reader's own.

const COUNT = new Intl.NumberFormat("en-GB");
const MOMENT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });
const DAY = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium" });

export const count = (number) => COUNT.format(number);
export const share = (part) => `${(100 * part).toFixed(1)} %`;
export const milliseconds = (ms) => `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
export const moment = (text) => MOMENT.format(new Date(text));
export const day = (text) => DAY.format(new Date(text));

/** Bytes with a unit that leaves at most four digits. */
export function bytes(number) {
  const units = ["B", "kB", "MB", "GB"];
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, number)) / 3));
  return `${(number / 1000 ** step).toFixed(step === 0 ? 0 : 1)} ${units[step]}`;
}

/** A duration in its largest unit. */
export function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** A window of time, whose end is exclusive: by its days where it is whole ones, else to the minute. */
export function span(start, end) {
  const [from, to] = [new Date(start), new Date(end)];
  if (isMidnight(from) && isMidnight(to)) return DAY.formatRange(from, new Date(to.getTime() - 1));
  return MOMENT.formatRange(from, to);
}

const isMidnight = (date) => date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
