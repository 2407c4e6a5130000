// Predictions that Postgres holds, with their feedback.

import { element } from "./elements.js";
import { feedbackOn } from "./feedback.js";
import { moment, share } from "./formats.js";
import { pagedList } from "./lists.js";

const LIMIT = 20;
const LONG = 280;
const SHIPPED_AFTER_MS = 1_500;

export function showPredictions(model) {
  const again = pagedList("predictions", {
    address: (cursor) => `/predictions?${query(cursor)}`,
    rows: async ({ predictions }) => {
      const { labels } = await model;
      return predictions.map((each) => item(each, labels));
    },
    empty: () =>
      source() === ""
        ? "No customer has asked yet. What you try above is listed under Console."
        : "Nothing was tried from a console yet.",
  });
  for (const choice of document.querySelectorAll("[name=source]")) choice.addEventListener("change", again);
  document.addEventListener("predicted", () => {
    if (source() === "console") setTimeout(again, SHIPPED_AFTER_MS); // only what reached Postgres is listed
  });
}

const source = () => document.querySelector("[name=source]:checked").value;

function query(cursor) {
  const asked = { limit: LIMIT, source: source(), cursor: cursor ?? "" };
  return new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""));
}

function item(prediction, labels) {
  const about = element(
    "p",
    { class: "about" },
    element("time", { datetime: prediction.created_at }, moment(prediction.created_at)),
    prediction.product_id === null ? null : element("bdi", { class: "product" }, prediction.product_id),
  );
  const said = element("p", { class: "said" }, element("strong", {}, prediction.label), ` ${share(prediction.score)}`);
  const head = element("div", { class: "head" }, said, about);
  return element("li", {}, head, element("div", {}, ...textOf(prediction), feedbackOn(prediction, labels)));
}

function textOf({ text }) {
  if (text === null) return [element("p", { class: "quiet text" }, "The text was not kept.")];
  const shown = element("p", { class: "text", dir: "auto" }, text);
  if (text.length <= LONG && text.split("\n").length <= 4) return [shown];
  shown.classList.add("cut");
  const button = element("button", { type: "button", class: "plain", "aria-expanded": "false" }, "Show all of it");
  button.addEventListener("click", () => {
    const isCut = shown.classList.toggle("cut");
    button.setAttribute("aria-expanded", String(!isCut));
    button.textContent = isCut ? "Show all of it" : "Show less";
  });
  return [shown, button];
}
