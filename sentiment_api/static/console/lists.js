// A list that comes page by page, newest first.

import { place, telling } from "./elements.js";
import { read } from "./requests.js";

/**
 * Fill the list `NAME-list` from `address(cursor)`, again whenever the key changes or `NAME-again` is pressed.
 * `rows(reply)` promises the next items, `empty()` says what it means that there are none. Returns what loads it again.
 */
export function pagedList(name, { address, rows, empty }) {
  const [list, state, more] = [`${name}-list`, `${name}-state`, `${name}-more`].map(place);
  let next = null;
  let latest = 0;

  async function load(cursor) {
    const turn = ++latest;
    list.setAttribute("aria-busy", "true");
    const isWanted = () => turn === latest; // until another one is asked for
    const reply = await telling(place(`${name}-problem`), () => read(address(cursor)), isWanted);
    const items = reply === null ? [] : await rows(reply);
    if (!isWanted()) return;
    list.removeAttribute("aria-busy");
    if (cursor === null) list.replaceChildren();
    list.append(...items);
    next = reply?.next ?? (reply === null ? cursor : null);
    more.hidden = next === null;
    state.textContent = reply !== null && list.children.length === 0 ? empty() : "";
  }

  const again = () => load(null);
  place(`${name}-again`).addEventListener("click", again);
  more.addEventListener("click", () => load(next));
  document.addEventListener("key-changed", again);
  again();
  return again;
}
