/** JSON as Python's `json.dumps` prints it. The engine brings the same natively; what stands here serves under node. */

const native = globalThis.pelton?.python;

const SHORT = { '"': '\\"', '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f' };

function quoted(text) {
  const escape = (unit) => SHORT[unit] ?? `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return `"${text.replace(/["\\]|[^ -~]/g, escape)}"`;
}

function repr(number) {
  const size = Math.abs(number);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    const [digits, exponent] = number.toExponential().split('e');
    return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
  }
  if (!Number.isInteger(number)) return String(number);
  return `${Object.is(number, -0) ? '-0' : number}.0`;
}

function respaced(json) {
  return json.replace(/"(?:[^"\\]|\\.)*"|[ \t\r\n]+|[,:]/g, (token) =>
    token[0] === '"' ? token : token === ',' || token === ':' ? `${token} ` : '',
  );
}

export const string = native?.string ?? quoted;
export const float = native?.float ?? repr;
export const respace = native?.respace ?? respaced;
