/** What a job may call in its host. The engine brings the real ones. Under node, lines go to standard error and metrics nowhere,
 * and the fake host of a test connects its own. */

const levels = ['trace', 'debug', 'info', 'warn', 'error'];

export const plain = {
  log: (level, message) => globalThis.process?.stderr?.write(`${level}: ${message}\n`),
  count: () => {},
  gauge: () => {},
};

let host = globalThis.pelton ?? plain;

/** Gives the job another host, and returns the one before. */
export function connect(other) {
  const before = host;
  host = other;
  return before;
}

export const log = Object.fromEntries(levels.map((level) => [level, (message) => host.log(level, String(message))]));

export const metrics = {
  count(name, increment = 1) {
    const number = typeof increment === 'bigint' ? increment : BigInt(increment);
    if (number < 0n || number >= 1n << 64n) throw new RangeError(`metric \`${name}\`: a counter cannot go up by ${number}`);
    host.count(name, String(number));
  },
  gauge(name, value) {
    host.gauge(name, Number(value));
  },
};
