// How figures and times are written. "–" is what is not known.

const NONE = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });

function isNumber(value) {
  return typeof value === "number" && Number.isFinite(value);
}

/** Three digits that count, at most. */
function short(value) {
  if (value >= 100) return whole.format(value);
  if (value >= 10) return value.toFixed(value % 1 ? 1 : 0);
  return value.toFixed(value % 1 ? 2 : 0);
}

/** A total: in full below a million, so that it can be compared with what others count. */
export function count(value) {
  if (!isNumber(value)) return NONE;
  if (Math.abs(value) < 1e6) return whole.format(value);
  return value < 1e9 ? `${short(value / 1e6)} M` : `${short(value / 1e9)} G`;
}

/** Things a second. */
export function rate(value) {
  if (!isNumber(value)) return NONE;
  if (value > 0 && value < 0.01) return "<0.01";
  if (value < 10) return value.toFixed(value % 1 ? 1 : 0);
  if (value < 10_000) return whole.format(value);
  return value < 1e6 ? `${short(value / 1e3)} k` : `${short(value / 1e6)} M`;
}

/** Bytes, in binary units. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  if (value < 1024) return `${value} B`;
  const unit = Math.min(Math.floor(Math.log2(value) / 10), 4);
  return `${short(value / 2 ** (10 * unit))} ${["B", "KiB", "MiB", "GiB", "TiB"][unit]}`;
}

/** A duration in seconds, from nanoseconds up. */
export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds === 0) return "0 ms";
  if (seconds < 1e-3) return `${short(seconds * 1e6)} µs`;
  if (seconds < 1) return `${short(seconds * 1e3)} ms`;
  return seconds < 120 ? `${short(seconds)} s` : `${short(seconds / 60)} min`;
}

/** A share of one core. */
export function share(value) {
  if (!isNumber(value)) return NONE;
  const percent = value * 100;
  return `${percent < 10 ? percent.toFixed(1) : whole.format(percent)} %`;
}

/** A time of an RFC 3339 text or of milliseconds: the clock's where it is today, else with the day. */
export function time(value) {
  const date = new Date(value);
  if (value === null || value === undefined || Number.isNaN(date.getTime())) return NONE;
  const today = day.format(date) === day.format(new Date());
  return today ? clock.format(date) : `${day.format(date)}, ${clock.format(date)}`;
}

/** How long ago, roughly. */
export function ago(value) {
  const seconds = (Date.now() - new Date(value).getTime()) / 1000;
  if (!isNumber(seconds)) return NONE;
  if (seconds < 2) return "just now";
  if (seconds < 120) return `${Math.round(seconds)} s ago`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h ago` : `${Math.round(seconds / 86_400)} days ago`;
}

/** "1 job", "2 jobs". */
export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** The start of a digest; people compare no more of it. */
export function digest(value) {
  return typeof value === "string" ? value.slice(0, 12) : NONE;
}

/** Bytes as a hex dump: offset, sixteen bytes, and what of them is printable ASCII. */
export function hex(data, most = 4096) {
  const lines = [];
  for (let at = 0; at < Math.min(data.length, most); at += 16) {
    const row = [...data.subarray(at, Math.min(at + 16, most))];
    const digits = row
      .map((byte) => byte.toString(16).padStart(2, "0"))
      .join(" ")
      .padEnd(47);
    const ascii = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${digits}  ${ascii}`);
  }
  if (data.length > most) lines.push(`… ${bytes(data.length - most)} more`);
  return lines.join("\n");
}

/** The bytes of a base64 text; none where it is no base64. */
export function base64(value) {
  try {
    return Uint8Array.from(atob(value), (character) => character.charCodeAt(0));
  } catch {
    return new Uint8Array();
  }
}
