// How the page asks the service, and the API key that it asks with.

// Where the service is, also below a path of a proxy: this file is in the folder `console` there.
const ROOT = new URL("..", import.meta.url);
// Other services may be on this origin, under other paths.
const NAME = `sentiment-key ${ROOT.pathname}`;
const PATIENCE_MS = 30_000;

let held = stored();

/** The address of one of the service's paths. */
export function at(path) {
  return new URL(`.${path}`, ROOT).href;
}

/** The key, or null. It lives as long as the tab. */
export function key() {
  return held;
}

/** Use this key from now on, or none; tell whoever listens to `key-changed`. */
export function hold(text) {
  held = text;
  try {
    if (text === null) sessionStorage.removeItem(NAME);
    else sessionStorage.setItem(NAME, text);
  } catch {
    // A browser that keeps nothing: it is asked for again after a reload.
  }
  document.dispatchEvent(new Event("key-changed"));
}

/** What went wrong, as the service says it (RFC 9457), or as we must when it says nothing. */
export class Problem extends Error {
  constructor({ title, detail, status = 0, errors = [] }, retryAfter = null) {
    super(title);
    Object.assign(this, { title, detail, status, errors, retryAfter });
  }
}

/** The reply to a request, whatever its status. Throws a Problem when none comes. */
export async function reach(path, { method = "GET", json, headers = {} } = {}) {
  const all = { ...headers };
  if (held !== null) all.Authorization = `Bearer ${held}`;
  if (json !== undefined) all["Content-Type"] = "application/json";
  const body = json === undefined ? undefined : JSON.stringify(json);
  const request = { method, headers: all, body, cache: "no-store", signal: AbortSignal.timeout(PATIENCE_MS) };
  try {
    return await fetch(at(path), request);
  } catch {
    throw new Problem({ title: "The service does not answer", detail: "It may be starting, or the way to it is cut." });
  }
}

/** The reply to a request that was granted. Else throws a Problem; of a 401 `key-needed` tells, too. */
export async function ask(path, request) {
  const used = held;
  const reply = await reach(path, request);
  if (reply.ok) return reply;
  const problem = await problemOf(reply);
  if (reply.status === 401 && used === held) document.dispatchEvent(new CustomEvent("key-needed", { detail: problem }));
  throw problem;
}

/** The JSON of a granted request. */
export async function read(path) {
  return (await ask(path)).json();
}

async function problemOf(reply) {
  const said = await reply.json().catch(() => ({}));
  const unsaid = { title: `The reply has the status ${reply.status}`, detail: "Nothing else is known.", errors: [] };
  return new Problem({ ...unsaid, ...said, status: reply.status }, reply.headers.get("Retry-After"));
}

function stored() {
  try {
    return sessionStorage.getItem(NAME);
  } catch {
    return null;
  }
}
