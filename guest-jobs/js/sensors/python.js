/** JSON as Python's `json.dumps` prints it, so that alerts and rows equal the article's to the byte. */

const SHORT = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' };

const UNPRINTABLE = /[^ -~]/;

/** A string: quoted, with everything but printable ASCII escaped. */
export function string(text) {
  if (!UNPRINTABLE.test(text)) return JSON.stringify(text);
  const escape = (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `"${text.replace(/["\\]|[^ -~]/g, escape)}"`;
}

/** A number as `repr(float)` does: `30.0`, `1e-05`, `1e+16`. */
export function float(number) {
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = number.toExponential().split('e');
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  if (!Number.isInteger(number)) return String(number);
  return `${Object.is(number, -0) ? '-0' : number}.0`;
}

/** Valid JSON with the spacing of `json.dumps`; strings and numbers stay as they are written. */
export function respace(json) {
  return json.replace(/"(?:[^"\\]|\\.)*"|[ \t\r\n]+|[,:]/g, (token) =>
    token[0] === '"' ? token : token === ',' || token === ':' ? `${token} ` : '',
  );
}
