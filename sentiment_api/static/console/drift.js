// What the drift job found, and the way to its reports.

import { element } from "./elements.js";
import { count, moment, span } from "./formats.js";
import { pagedList } from "./lists.js";
import { at, key } from "./requests.js";

const LIMIT = 10;
const VERDICTS = { none: "no drift", watch: "watch", drift: "drift", not_judged: "not judged" };

export function showDrift() {
  pagedList("drift", {
    address: (before) => `/drift/reports?limit=${LIMIT}${before === null ? "" : `&before=${before}`}`,
    rows: async ({ reports }) => reports.map(item),
    empty: () => "The drift job has not judged any window yet.",
  });
}

function item(run) {
  const window = span(run.window_start, run.window_end);
  const verdict = VERDICTS[run.verdict] ?? run.verdict;
  const removed = run.page === null ? "; the report was removed" : "";
  const revised = run.revision > 1 ? `, revision ${run.revision}` : "";
  return element(
    "li",
    {},
    element("h3", {}, run.page === null ? window : link(run, window, verdict)),
    element("p", { class: "mark", "data-level": run.verdict }, verdict),
    element("p", { dir: "auto" }, run.reason),
    element("p", { class: "quiet" }, `${count(run.n_current)} rows, model ${run.model.version}${revised}`),
    element("p", { class: "quiet" }, `Judged ${moment(run.finished_at)}${removed}`),
  );
}

/** A tab cannot be opened with a key: where there is one, `report.html` fetches the report with it. */
function link(run, window, verdict) {
  const way =
    key() === null
      ? { href: at(`/drift/reports/${run.run_id}.html`), rel: "noopener" }
      : { href: at(`/console/report.html?run=${run.run_id}`), rel: "opener" }; // as an opener's, the tab gets the key, too
  const name = `Report of ${window}: ${verdict}, in a new tab`;
  return element("a", { ...way, target: "_blank", "aria-label": name }, window);
}
