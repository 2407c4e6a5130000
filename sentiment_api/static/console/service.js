// How service and prediction log do, asked again every few seconds while somebody may look.

import { part, place, telling } from "./elements.js";
import { bytes, count, duration } from "./formats.js";
import { Problem, reach } from "./requests.js";

const EVERY_MS = 10_000;
const SLOW_S = 60;

export function showService() {
  const look = () => document.visibilityState === "visible" && refresh();
  document.addEventListener("visibilitychange", look);
  setInterval(look, EVERY_MS);
  refresh();
}

async function refresh() {
  const box = place("service-facts");
  const health = await telling(box, asked);
  say(health?.status ?? "away");
  if (health === null) return;
  const log = health.prediction_log ?? null;
  const shadow = health.shadow ?? null;
  box.replaceChildren(
    ...(log === null ? [] : [part("Prediction log", now(log)), part("Records since start", since(log))]),
    ...(shadow === null ? [] : [part("Shadow model", beside(shadow))]),
  );
}

/** What `/health/ready` says; its 503 says it, too. */
async function asked() {
  const reply = await reach("/health/ready");
  const health = await reply.json().catch(() => ({}));
  if (typeof health.status !== "string") {
    throw new Problem({ title: "The health is unknown", detail: `The reply has the status ${reply.status}.` });
  }
  return health;
}

/** Only what changes is written, since it is read out. */
function say(status) {
  const mark = place("status");
  if (mark.textContent !== status) mark.textContent = status;
  mark.dataset.level = status === "ready" ? "good" : "bad";
}

function now(log) {
  const rows = [
    ["Postgres", log.database, { up: null, unknown: null }[log.database] === undefined ? "bad" : null],
    ["Oldest not in Postgres", ...lag(log.lag_s)],
    ["Spool", bytes(log.spool_bytes)],
  ];
  if (log.defect) rows.push(["Defect", log.defect, "bad"]);
  if (log.last_error !== null) rows.push(["Last failure", log.last_error]);
  return rows;
}

function lag(seconds) {
  if (seconds === null) return ["unknown: the spool cannot be read", "bad"];
  return [duration(seconds), seconds > SLOW_S ? "warn" : null];
}

function since(log) {
  const troubles = [
    ["Set aside", log.set_aside, "warn"],
    ["Dropped", log.dropped, "bad"],
    ["Of a newer release", log.newer, "warn"],
  ];
  return [
    ["Spooled", count(log.spooled)],
    ["Shipped", count(log.shipped)],
    ["Attempts repeated", count(log.retries)],
    ["Left out", count(log.left_out)],
    ...troubles.map(([term, number, mood]) => [term, count(number), number > 0 ? mood : null]),
  ];
}

function beside(shadow) {
  const rows = [["State", shadow.state, shadow.state === "disabled" ? "bad" : null]];
  if (shadow.name !== null) rows.push(["Model", `${shadow.name} ${shadow.version}`]);
  if (shadow.reason !== null) rows.push(["Because", shadow.reason]);
  return [...rows, ["Share", `${Math.round(100 * shadow.share)} %`], ["Waiting", count(shadow.waiting)]];
}
