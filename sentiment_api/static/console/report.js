// Fetches a drift report with the key of this tab and hands it to the frame, which cannot reach anything.

import { place, telling } from "./elements.js";
import { ask, at, Problem } from "./requests.js";

const ID = /^[0-9a-f-]{36}$/i;
const frame = place("report-frame");

const html = await telling(place("report-problem"), async () => {
  const run = new URLSearchParams(location.search).get("run") ?? "";
  if (!ID.test(run)) throw new Problem({ title: "No such report", detail: "The address names no run." });
  return (await ask(`/drift/reports/${run}.html`)).text();
});
place("report-state").hidden = true;
place("report-back").hidden = html !== null;
if (html !== null) {
  // The frame says when it listens. Its origin is nobody's, so that it can be named in no other way than by its window.
  const hand = ({ source }) => {
    if (source !== frame.contentWindow) return;
    removeEventListener("message", hand);
    source.postMessage(html, "*");
  };
  addEventListener("message", hand);
  frame.hidden = false;
  frame.src = at("/console/frame.html");
}
