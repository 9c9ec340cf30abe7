// Runs in every instance before the job's script does.
(() => {
  const { encode, decode, log, parse } = pelton;

  pelton.Reject = class Reject {
    constructor(reason) {
      this.reason = reason;
    }
  };

  const shown = (item) => {
    if (item instanceof Error) return `${item.name}: ${item.message}\n${item.stack}`.trimEnd();
    if (typeof item !== 'object') return String(item);
    try {
      return JSON.stringify(item);
    } catch {
      return String(item);
    }
  };
  const line = (level) => (...items) => log(level, items.map(shown).join(' '));
  globalThis.console = {
    trace: line('trace'), debug: line('debug'), log: line('info'), info: line('info'), warn: line('warn'), error: line('error'),
  };

  globalThis.TextEncoder = class TextEncoder {
    get encoding() {
      return 'utf-8';
    }

    encode(text = '') {
      return encode(String(text));
    }
  };

  const { parse: reviving } = JSON;
  JSON.parse = (text, reviver) => {
    const value = parse(text);
    return typeof reviver === 'function' ? reviving(text, reviver) : value;
  };

  const NAMES = ['utf-8', 'utf8', 'unicode-1-1-utf-8'];

  globalThis.TextDecoder = class TextDecoder {
    constructor(label = 'utf-8', { fatal = false, ignoreBOM = false } = {}) {
      if (!NAMES.includes(String(label).trim().toLowerCase())) throw new RangeError(`there is no decoder for ${label} here`);
      this.fatal = Boolean(fatal);
      this.ignoreBOM = Boolean(ignoreBOM);
    }

    get encoding() {
      return 'utf-8';
    }

    decode(bytes = new Uint8Array()) {
      const view = ArrayBuffer.isView(bytes)
        ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        : new Uint8Array(bytes);
      const text = decode(view, this.fatal);
      return !this.ignoreBOM && text.startsWith('\ufeff') ? text.slice(1) : text;
    }
  };
})();
