// What a job and the host say about it, live: a stream that goes on where it broke off, and a bounded number of lines.

import { of, get, stream } from "./api.js";
import { problemBox } from "./dialogs.js";
import { attribute, h, section, text } from "./dom.js";
import { time } from "./format.js";

/** Lines kept. */
const MOST = 500;
const LEVELS = ["trace", "debug", "info", "warn", "error"];

/** The panel. */
export function logsPanel({ name }) {
  const closed = new AbortController();
  const lines = h("ol", { class: "lines" });
  const frame = h(
    "div",
    { class: "log scroll", tabindex: "0", role: "log", "aria-live": "off", "aria-label": `Log of ${name}` },
    lines,
  );
  const trouble = h("div");
  const told = h("span", { class: "hint", role: "status" });
  const level = h(
    "select",
    { "aria-label": "Least level" },
    LEVELS.map((one) => h("option", { value: one }, `${one} and above`)),
  );
  level.value = "trace";
  const search = h("input", {
    type: "search",
    placeholder: "Filter",
    "aria-label": "Filter log lines",
    autocomplete: "off",
  });
  const follow = h("input", { type: "checkbox", id: "follow", checked: true });
  const node = section(
    "Log",
    h(
      "div",
      { class: "row" },
      level,
      search,
      h("span", { class: "check" }, follow, h("label", { for: "follow" }, "Follow")),
      told,
    ),
    trouble,
    frame,
  );
  let since = null;
  let connection = null;
  let wait = 500;

  const fits = (line) =>
    line.rank >= LEVELS.indexOf(level.value) && line.words.includes(search.value.trim().toLowerCase());
  const filter = () => [...lines.children].forEach((item) => (item.hidden = !fits(item.line)));
  level.addEventListener("change", filter);
  search.addEventListener("input", filter);
  follow.addEventListener("change", down);
  // Who scrolls up wants to read; who scrolls to the end wants to follow.
  frame.addEventListener(
    "scroll",
    () => (follow.checked = frame.scrollHeight - frame.scrollTop - frame.clientHeight < 24),
  );

  function down() {
    if (follow.checked) frame.scrollTop = frame.scrollHeight;
  }

  function add(found) {
    const stays = follow.checked;
    for (const line of found) {
      if (since !== null && line.seq <= since) continue;
      since = line.seq;
      const words = String(line.level).toLowerCase();
      const item = h(
        "li",
        { "data-level": words },
        h("time", { datetime: line.at }, time(line.at)),
        h("span", { class: "level" }, words),
        h("span", { class: "from" }, line.source),
        h("span", { class: "message" }, line.message),
      );
      item.line = { rank: Math.max(0, LEVELS.indexOf(words)), words: `${line.source} ${line.message}`.toLowerCase() };
      item.hidden = !fits(item.line);
      lines.append(item);
    }
    while (lines.childElementCount > MOST) lines.firstElementChild.remove();
    text(
      told,
      lines.childElementCount === 0 ? "nothing has been said yet" : `the last ${lines.childElementCount} lines`,
    );
    if (stays) {
      follow.checked = true;
      down();
    }
  }

  /** Reads until the panel is closed; a tab that nobody sees holds no connection. */
  async function read() {
    wait = 500;
    while (!closed.signal.aborted && !document.hidden) {
      connection = new AbortController();
      try {
        const { lines: before } = await get(
          of(name, `/logs?limit=${MOST}${since === null ? "" : `&since=${since}`}`),
          connection.signal,
        );
        add(before);
        await stream(
          of(name, `/logs?follow=true&limit=${MOST}${since === null ? "" : `&since=${since}`}`),
          connection.signal,
          (event) => {
            if (event.event === "log") add([JSON.parse(event.data)]);
          },
          { opened },
        );
      } catch (error) {
        if (connection.signal.aborted) break;
        trouble.replaceChildren(problemBox(error));
        attribute(frame, "data-stale", "yes");
      }
      if (connection.signal.aborted) break;
      await new Promise((done) => setTimeout(done, wait));
      wait = Math.min(wait * 2, 8000);
    }
    connection = null;
  }
  function opened() {
    wait = 500;
    trouble.replaceChildren();
    attribute(frame, "data-stale", null);
  }

  const visible = () => (document.hidden ? connection?.abort() : connection === null && read());
  document.addEventListener("visibilitychange", visible, { signal: closed.signal });
  read();
  return {
    node,
    close() {
      closed.abort();
      connection?.abort();
    },
  };
}
