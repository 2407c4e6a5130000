// The form for the API key. It shows up when the service asks for one.

import { place, telling, told } from "./elements.js";
import { hold, key, Problem } from "./requests.js";

const PLAIN = /^[\x21-\x7e]+$/;
// The service's own words are for programs: they name the headers.
const ASKED = "It needs the scope read to see what is here, predict to try a review, and feedback to rate it.";
const NO_KEY = { title: "That is no API key", detail: "Expected sentiment_..., from `sentiment-api keys create`." };

export function takeKey() {
  place("key").addEventListener("submit", use);
  place("key-forget").addEventListener("click", forget);
  document.addEventListener("key-needed", ({ detail }) => ask(detail));
  if (key() !== null) show();
}

function use(event) {
  event.preventDefault();
  const field = place("key-text");
  const given = field.value.trim();
  telling(place("key-problem"), async () => {
    if (!PLAIN.test(given)) throw new Problem(NO_KEY);
    field.value = "";
    hold(given);
    show();
  });
}

function forget() {
  hold(null);
  show();
}

/** Show the form with what the service says of the key, and put the cursor there if nobody is elsewhere. */
function ask(problem) {
  show();
  place("key-problem").replaceChildren(key() === null ? told({ ...problem, detail: ASKED }, true) : told(problem));
  if (document.activeElement === document.body) place("key-text").focus();
}

function show() {
  place("key").hidden = false;
  place("key-forget").hidden = key() === null;
  place("key-text").placeholder = key() === null ? "sentiment_…" : "in use; type another to replace it";
}
