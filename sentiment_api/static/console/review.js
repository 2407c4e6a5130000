// A review of one's own, and what the model says of it.

import { element, facts, place, telling } from "./elements.js";
import { feedbackOn } from "./feedback.js";
import { count, milliseconds, share } from "./formats.js";
import { ask, Problem } from "./requests.js";

const TIMING = /(\w+);dur=([\d.]+)/g;
const STEPS = { queue: "Queue", tokenize: "Tokenize", inference: "Inference", total: "Total" };
const APPLE = /^(Mac|iP)/;

export function showReview(model) {
  const form = place("review-form");
  const text = place("review-text");
  let limit = null;
  let busy = false;

  async function predict(event) {
    event.preventDefault();
    if (busy) return;
    busy = true;
    form.setAttribute("aria-busy", "true");
    const answer = await telling(place("review-problem"), () => answered(text));
    const known = await model;
    busy = false;
    form.removeAttribute("aria-busy");
    place("result").hidden = answer === null;
    if (answer !== null) show(answer, known);
  }

  function countCharacters() {
    const length = [...text.value.trim()].length;
    place("review-length").textContent = limit === null ? count(length) : `${count(length)} / ${count(limit)}`;
    place("review-length").classList.toggle("bad", limit !== null && length > limit);
  }

  form.addEventListener("submit", predict);
  document.addEventListener("key-changed", () => {
    place("result").hidden = true;
  });
  text.addEventListener("input", countCharacters);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  if (APPLE.test(navigator.platform)) form.querySelector("kbd").textContent = "⌘ ⏎";
  countCharacters();
  model.then((known) => {
    limit = known.limits.text_characters;
    countCharacters();
  });
}

async function answered(text) {
  if (text.value.trim() === "") {
    text.focus();
    throw new Problem({ title: "There is no review yet", detail: "Type or paste one above." });
  }
  const reply = await ask("/predict", {
    method: "POST",
    headers: { "X-Sentiment-Source": "console" },
    json: { text: text.value, long_text: place("review-whole").checked ? "window" : "truncate" },
  });
  const said = [...(reply.headers.get("Server-Timing") ?? "").matchAll(TIMING)];
  const timing = Object.fromEntries(said.map(([, name, ms]) => [name, Number(ms)]));
  return { prediction: await reply.json(), timing };
}

function show({ prediction, timing }, model) {
  place("result-label").replaceChildren(element("strong", {}, prediction.label), ` ${share(prediction.score)}`);
  place("result-bars").replaceChildren(
    ...Object.entries(prediction.probabilities).map(([label, part]) => bar(label, part, label === prediction.label)),
  );
  const steps = Object.keys(STEPS).filter((name) => name in timing);
  const times = steps.map((name) => [STEPS[name], milliseconds(timing[name])]);
  place("result-facts").replaceChildren(...facts([["Tokens", ...tokens(prediction, model)], ...times]));
  place("result-feedback").replaceChildren(feedbackOn(prediction, model.labels));
  document.dispatchEvent(new Event("predicted"));
}

function tokens(prediction, model) {
  if (!prediction.truncated) return [count(prediction.tokens)];
  return [`${count(prediction.tokens)}, cut: the model reads ${count(model.max_tokens ?? prediction.tokens)}`, "warn"];
}

function bar(label, part, given) {
  const filled = element("span", {});
  filled.style.inlineSize = `${100 * part}%`; // through the object model, which the page's policy allows
  return element(
    "li",
    { class: given ? "given" : null },
    element("span", {}, label),
    element("span", { class: "bar", "aria-hidden": "true" }, filled),
    element("span", { class: "number" }, share(part)),
  );
}
