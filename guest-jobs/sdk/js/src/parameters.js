/** A job's settings, read by type, with errors that name the parameter. */

const NUMBER = /^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$/;
const INTEGER = /^[+-]?\d+$/;

export class Parameters {
  #values;

  /** Takes pairs of name and value. */
  constructor(pairs) {
    this.#values = new Map(pairs);
  }

  text(name) {
    const value = this.#values.get(name);
    if (value === undefined) throw new Error(`the job reads parameter \`${name}\`, which its spec does not declare`);
    return value;
  }

  number(name) {
    const text = this.text(name);
    const number = Number(text);
    if (!NUMBER.test(text) || !Number.isFinite(number)) throw unreadable(name, text, 'a number');
    return number;
  }

  integer(name) {
    const text = this.text(name);
    const number = Number(text);
    if (!INTEGER.test(text) || !Number.isSafeInteger(number)) throw unreadable(name, text, 'an integer');
    return number;
  }

  boolean(name) {
    const text = this.text(name);
    if (text !== 'true' && text !== 'false') throw unreadable(name, text, 'true or false');
    return text === 'true';
  }
}

function unreadable(name, text, wanted) {
  return new Error(`parameter \`${name}\`: cannot read \`${text}\` as ${wanted}`);
}
