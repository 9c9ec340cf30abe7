// Server-sent events, cut out of a stream of text as the standard says. EventSource can't send a token, so the page
// reads the stream with fetch() and parses it here.

/** Text without an end of line that is kept at most; a host sends less. */
const MOST = 64 << 20;

/** Parses a stream piece by piece: memory is bounded by the largest event. */
export class Parser {
  #rest = "";
  #event = "";
  #data = [];
  #id = null;

  /** Takes the next piece; returns the events that are complete, as `{event, data, id}`. */
  feed(piece) {
    const found = [];
    this.#rest += piece;
    if (this.#rest.length > MOST) throw new Error("the host sent an event that is too large");
    for (;;) {
      // A \r at the very end may be half of a \r\n.
      const end = this.#rest.search(/\r\n|\n|\r(?!$)/);
      if (end < 0) return found;
      const line = this.#rest.slice(0, end);
      this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
      if (line === "") {
        if (this.#data.length > 0) {
          found.push({ event: this.#event || "message", data: this.#data.join("\n"), id: this.#id });
        }
        this.#event = "";
        this.#data = [];
      } else {
        this.#line(line);
      }
    }
  }

  #line(line) {
    const colon = line.indexOf(":");
    // A line that begins with a colon is a comment, which keeps the connection alive.
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
    else if (name === "id") this.#id = value;
  }
}
