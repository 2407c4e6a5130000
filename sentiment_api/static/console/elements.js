// Makes what is shown. Whatever comes from outside becomes text or an attribute, and never markup.

/** The element of the page with this id. */
export const place = (id) => document.getElementById(id);

/** A new element; of attributes true stands for an empty one, and null and false for none. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null)); // a string becomes a text node
  return made;
}

/** The children of a `<dl>`: for each [term, value] a pair; a value may come with "bad" or "warn". */
export function facts(pairs) {
  return pairs.map(([term, value, mood = null]) =>
    element("div", {}, element("dt", {}, term), element("dd", { class: mood }, value)),
  );
}

/** A list of facts under a heading. */
export function part(heading, pairs) {
  return element("div", { class: "part" }, element("h3", {}, heading), element("dl", {}, ...facts(pairs)));
}

/** What a Problem says, for people; in a calm colour when nothing went wrong yet. */
export function told(problem, isCalm = false) {
  const again = problem.retryAfter === null ? "" : ` Try again in ${problem.retryAfter} s.`;
  const fields = problem.errors.map(({ path, message }) => element("li", {}, `${path}: ${message}`));
  return element(
    "div",
    { class: isCalm ? "problem calm" : "problem" },
    element("strong", {}, problem.title),
    element("p", {}, `${problem.detail}${again}`),
    fields.length > 0 ? element("ul", {}, ...fields) : null,
  );
}

/**
 * Run `work`; whatever Problem it ends in stands in `box`, which is empty otherwise, if it is still wanted then.
 * Of keys their form tells more. Returns null after a Problem.
 */
export async function telling(box, work, isWanted = () => true) {
  try {
    const result = await work();
    if (isWanted()) box.replaceChildren();
    return result;
  } catch (problem) {
    if (problem.title === undefined) throw problem; // a mistake of ours
    if (isWanted()) box.replaceChildren(problem.status === 401 ? brief(problem) : told(problem));
    return null;
  }
}

function brief(problem) {
  return element("p", { class: "quiet" }, `${problem.title}.`);
}
