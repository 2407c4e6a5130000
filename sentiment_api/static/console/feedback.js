// Buttons that say what the customer said in the end, and what became of it.

import { element, told } from "./elements.js";
import { ask } from "./requests.js";

const STARS = [1, 2, 3, 4, 5];
const BECAME = {
  200: "Stored.",
  202: "Pending: kept until Postgres holds the prediction.",
};

/** A toolbar for a prediction: one stop of the Tab key, the arrows go from button to button. */
export function feedbackOn(prediction, labels) {
  const state = element("p", { class: "quiet", role: "status" });
  const buttons = [
    ...labels.map((label) => button(label, `Feedback: ${label}`, { label })),
    ...STARS.map((rating) => button(`${rating}`, `Feedback: ${rating} ${rating === 1 ? "star" : "stars"}`, { rating })),
  ].map(([made, said]) => {
    made.addEventListener("click", () => send(prediction.prediction_id, said, made, buttons, state));
    return made;
  });
  mark(buttons, buttons.find((each) => was(each, prediction.feedback ?? null)) ?? null);
  const split = labels.length;
  const bar = element(
    "div",
    { role: "toolbar", class: "feedback", "aria-label": "Feedback" },
    element("span", { class: "quiet", "aria-hidden": "true" }, "Feedback"),
    element("span", { class: "joined" }, ...buttons.slice(0, split)),
    element("span", { class: "joined stars" }, ...buttons.slice(split)),
  );
  bar.addEventListener("keydown", (event) => walk(event, buttons));
  return element("div", { class: "feedback-line" }, bar, state);
}

async function send(id, said, pressed, buttons, state) {
  state.replaceChildren("Sending…");
  try {
    const reply = await ask("/feedback", { method: "POST", json: { prediction_id: id, ...said } });
    mark(buttons, pressed);
    state.replaceChildren(BECAME[reply.status] ?? "Taken.");
  } catch (problem) {
    if (problem.title === undefined) throw problem;
    state.replaceChildren(told(problem));
  }
}

function button(text, name, said) {
  const [[kind, value]] = Object.entries(said);
  const attributes = { type: "button", "aria-label": name, "data-kind": kind, "data-value": value };
  return [element("button", attributes, text), said];
}

function was(button, feedback) {
  return feedback !== null && String(feedback[button.dataset.kind]) === button.dataset.value;
}

/** Show which one was pressed, and let the Tab key stop there. */
function mark(buttons, pressed) {
  for (const each of buttons) {
    each.setAttribute("aria-pressed", String(each === pressed));
    each.tabIndex = each === (pressed ?? buttons[0]) ? 0 : -1;
  }
}

function walk(event, buttons) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const at = buttons.indexOf(document.activeElement);
  const ends = { Home: 0, End: buttons.length - 1 };
  if (step === undefined && !(event.key in ends)) return;
  event.preventDefault();
  const next = buttons[ends[event.key] ?? (at + step + buttons.length) % buttons.length];
  for (const each of buttons) each.tabIndex = each === next ? 0 : -1;
  next.focus();
}
