// The host's API, and nothing else: calls of the page's own origin, with the token where one is needed.

import { Parser } from "./sse.js";

const KEY = "pelton.token";
/** A stream that says nothing for so long, not even a comment, is taken for dead; hosts send comments more often. */
const SILENCE = 45_000;

/** What the host refused, or why it could not be asked: title, every line of detail, and what to do. */
export class Problem extends Error {
  constructor({ status = 0, code = "", title = "the request failed", detail = [], causes = [], fix = null }) {
    super(title);
    this.status = status;
    this.code = code;
    this.title = title;
    // `causes` are what `detail` says, item by item.
    this.lines = (causes.length > 0 ? causes : [detail].flat()).filter(
      (line) => typeof line === "string" && line !== "",
    );
    this.fix = fix;
  }

  /** Of anything thrown. */
  static of(error) {
    if (error instanceof Problem) return error;
    if (error?.name === "AbortError") return new Problem({ code: "aborted", title: "the request was given up" });
    const fix = "check that the host runs, and that this machine reaches it";
    return new Problem({
      code: "unreachable",
      title: "the host does not answer",
      detail: String(error?.message ?? error),
      fix,
    });
  }
}

let asker = async () => null;
let asking = null;

/** Says who asks for a token: a function that gets the problem and resolves to a token, or to null for "none". */
export function onUnauthorized(ask) {
  asker = ask;
}

/** The token of this tab. */
export function token() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}

/** Keeps a token for as long as this tab lives; null forgets it. */
export function keepToken(value) {
  try {
    if (value) sessionStorage.setItem(KEY, value);
    else sessionStorage.removeItem(KEY);
  } catch {
    // Storage may be forbidden: the token is asked for again.
  }
}

/**
 * Fetches, or takes what was `begun`; asks for a token and tries again when the host wants one. One dialog serves all.
 */
async function request(path, options, begun) {
  for (;;) {
    const used = token();
    const headers = new Headers(options?.headers);
    if (used) headers.set("authorization", `Bearer ${used}`);
    const response = await (begun ?? fetch(path, { cache: "no-store", redirect: "error", ...options, headers }));
    begun = null;
    if (response.ok) return response;
    const problem = await refusal(response);
    if (response.status !== 401) throw problem;
    // Another call may have got a token meanwhile.
    if (token() === used) {
      asking ??= Promise.resolve(asker(problem)).finally(() => (asking = null));
      const given = await asking;
      if (!given) throw problem;
      keepToken(given);
    }
  }
}

async function refusal(response) {
  const body = await response.text().catch(() => "");
  try {
    const parsed = JSON.parse(body);
    if (parsed && typeof parsed === "object") return new Problem({ ...parsed, status: response.status });
  } catch {
    // Not the host's own answer, but a proxy's perhaps.
  }
  return new Problem({
    status: response.status,
    title: `the answer was ${response.status} ${response.statusText}`.trim(),
    detail: body.slice(0, 2000),
  });
}

/** GETs JSON. */
export async function get(path, signal) {
  return answer(request(path, { signal }));
}

/** Sends JSON and reads the JSON that comes back. */
export async function send(method, path, body, signal) {
  const options = { method, signal };
  if (method !== "DELETE" || body !== undefined) {
    options.headers = { "content-type": "application/json" };
    options.body = JSON.stringify(body ?? {});
  }
  return answer(request(path, options));
}

/** Uploads a component: `{digest, spec}`. */
export async function upload(file, signal) {
  return answer(
    request("/api/v1/components", {
      method: "POST",
      headers: { "content-type": "application/wasm" },
      body: file,
      signal,
    }),
  );
}

async function answer(response) {
  try {
    const body = await (await response).text();
    return body === "" ? null : JSON.parse(body);
  } catch (error) {
    throw Problem.of(error);
  }
}

/**
 * Reads a stream of events until it ends or fails; `opened()` is called once the host has answered. `begun` is a
 * request for it that is under way already, as `{controller, response}`.
 */
export async function stream(path, signal, onEvent, { opened, begun } = {}) {
  const own = begun?.controller ?? new AbortController();
  const stop = () => own.abort();
  signal.addEventListener("abort", stop);
  let watchdog = 0;
  try {
    const response = await request(
      path,
      { signal: own.signal, headers: { accept: "text/event-stream" } },
      begun?.response,
    );
    opened?.();
    const parser = new Parser();
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      clearTimeout(watchdog);
      watchdog = setTimeout(stop, SILENCE);
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      parser.feed(decoder.decode(value, { stream: true })).forEach(onEvent);
    }
  } catch (error) {
    if (!signal.aborted) throw Problem.of(error);
  } finally {
    clearTimeout(watchdog);
    signal.removeEventListener("abort", stop);
    // Whatever made it end, the connection is not left open.
    own.abort();
  }
}

/** The path of a job, or of something of it. */
export function of(job, rest = "") {
  return `/api/v1/jobs/${encodeURIComponent(job)}${rest}`;
}
