// Which model serves, and how good it was.

import { part, place } from "./elements.js";
import { count, day, share } from "./formats.js";
import { read } from "./requests.js";

const UNKNOWN = { labels: [], max_tokens: null, limits: { text_characters: null } };

/** What `GET /model` says, and shows; while it says nothing, a model without labels. */
export async function describeModel() {
  const model = await read("/model").catch(() => UNKNOWN);
  if (model !== UNKNOWN) place("model-facts").replaceChildren(part("Model", known(model)));
  return model;
}

function known({ name, version, engine, max_tokens, training }) {
  const rows = [
    ["Name", name],
    ["Version", version],
    ["Engine", engine],
    ["Reads", `${count(max_tokens)} tokens`],
  ];
  const tested = training.metrics?.all?.accuracy ?? null;
  if (tested !== null) rows.push(["Right on later reviews", share(tested)]);
  if (training.created_at !== undefined) rows.push(["Made", day(training.created_at)]);
  return rows;
}
