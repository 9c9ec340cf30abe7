/** A job in the fake host, and what goes wrong in one. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { defineJob, log, metrics, reject, statement, table, topic } from '../src/index.js';
import { component } from '../src/component.js';
import { specOf } from '../src/spec.js';
import { run } from '../src/testing.js';

const OUT = topic('out');
const ROWS = table('rows', [['name', 'text'], ['at', 'timestamptz', 'nullable'], ['id', 'uuid', 'nullable']]);
const NOTE = statement('note', 'INSERT INTO notes VALUES (?)', ['int4']);

const job = (process, more = {}) =>
  defineJob({ name: 'j', version: '1', description: '', sources: ['in'], sinks: [OUT, ROWS, NOTE], process, ...more });
const failure = (process, records = ['a']) => {
  try {
    run(job(process), records);
  } catch (error) {
    return error.message;
  }
  return assert.fail('the job did not fail');
};

test('outputs keep their record, their order and their nulls', () => {
  const result = run(
    job((record, out) => {
      out.send(OUT, record.key, `${record.text()}!`, [['h', null], ['h', 'é']]);
      out.forward(OUT);
      out.row(ROWS, [record.text(), record.timestamp === null ? null : new Date(record.timestamp), null]);
    }),
    ['é', { key: 'k', value: 'b', timestamp: 1714644672123 }],
  );
  const headers = [['h', null], ['h', 'é']];
  assert.deepEqual(result.messages(OUT), [
    { record: 0, key: null, value: 'é!', headers },
    { record: 1, key: 'k', value: 'b!', headers },
  ]);
  assert.deepEqual(result.forwards(OUT), [0, 1]);
  assert.deepEqual(result.rows(ROWS), [
    { record: 0, values: ['é', null, null] },
    { record: 1, values: ['b', 1714644672123000n, null] },
  ]);
});

test('a record tells what is wrong with it', () => {
  const result = run(job((record) => record.json()), [
    null, '', Uint8Array.of(0x61, 0xff), '{', '\ufeff1', '1',
    // Neither is UTF-8, though end to end they are.
    Uint8Array.of(0xc3), Uint8Array.of(0xa9),
  ]);
  const reasons = result.rejects.map(([record, reason]) => `${record} ${reason}`);
  assert.deepEqual(reasons.filter((_, n) => n !== 3 && n !== 4), [
    '0 value is null (a tombstone)', '1 value is empty', '2 value is not UTF-8: invalid at byte 1',
    '6 value is not UTF-8: invalid at byte 0', '7 value is not UTF-8: invalid at byte 0',
  ]);
  assert.match(reasons[3], /^3 value is not JSON: ./);
  assert.match(reasons[4], /^4 value is not JSON: ./);
});

test('integers of 64 bits are exact', () => {
  const seen = [];
  const big = 2n ** 53n + 1n;
  run(job((record) => { seen.push(record.offset, record.timestamp); }), [
    { value: 'a', offset: 5, timestamp: 1714644672123 },
    { value: 'a', offset: Number.MAX_SAFE_INTEGER, timestamp: Number.MAX_SAFE_INTEGER },
    { value: 'a', offset: big, timestamp: 2n ** 63n - 1n },
  ]);
  assert.deepEqual(seen, [5, 1714644672123, Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, big, 2n ** 63n - 1n]);
});

test('nesting ends at 128', () => {
  const nested = (depth) => `${'['.repeat(depth)}"[[[\\""${']'.repeat(depth)}`;
  const { rejects } = run(job((record) => record.json()), [nested(128), nested(129)]);
  assert.deepEqual(rejects, [[1, 'value is not JSON: nested too deeply']]);
});

test('what was emitted before a reject stands', () => {
  const result = run(job((_, out) => (out.forward(OUT), reject('no'))), ['a']);
  assert.deepEqual([result.forwards(OUT), result.rejects], [[0], [[0, 'no']]]);
});

test('a throw says where, what and the stack', () => {
  const text = failure((record) => {
    if (record.offset === 1) throw new RangeError('too far');
  }, ['a', 'b']);
  assert.match(text, /^record at partition 0 offset 1: RangeError: too far\n +at .*job\.test\.js/);
  assert.equal(failure(() => { throw 'odd'; }), 'record at partition 0 offset 0: thrown: odd');
  assert.equal(failure(() => { throw new Error('x'.repeat(9000)); }).length, 4096);
});

test('the next batch knows nothing of a failed one', async () => {
  const { Runner } = await import('../src/runner.js');
  const { batchOf } = await import('../src/testing.js');
  const { uint32s } = await import('../src/packed.js');
  const runner = new Runner(job((record, out) => {
    out.forward(OUT);
    if (record.text() === 'bad') throw new Error('bad');
  }));
  const input = (value) => ({ key: null, value, headers: [], timestamp: null });
  runner.configure([]);
  assert.throws(() => runner.process(batchOf([input('good'), input('bad')])));
  const { outputs } = runner.process(batchOf([input('good')]));
  assert.deepEqual(outputs.map((output) => Array.from(uint32s(output.val.origin))), [[0]]);
});

test('mistakes name sink, column and record', () => {
  const cases = [
    [(_, out) => out.forward(topic('other')), "sink `other`: not among the sinks of the job's spec"],
    [(_, out) => out.row(OUT, []), 'sink `out`: a topic takes no rows'],
    [(_, out) => out.send(ROWS, null, 'a'), 'sink `rows`: a table or statement takes rows, not messages'],
    [(_, out) => out.send(OUT, 1, 'a'), 'sink `out`: a key is a string, a Uint8Array or null'],
    [(_, out) => out.row(ROWS, ['a']), 'sink `rows`: a row has 3 values, not 1'],
    [(_, out) => out.row(ROWS, [1, null, null]), 'sink `rows`: column `name` is text and takes a string, not the number 1'],
    [(_, out) => out.row(ROWS, ['a', null, new Uint8Array(3)]),
      'sink `rows`: column `id` is uuid and takes a Uint8Array of 16 bytes, not a Uint8Array of 3 bytes'],
    [(_, out) => out.row(NOTE, [2147483648]),
      'sink `note`: placeholder 1 is int4 and takes an integer from -2147483648 to 2147483647, not the number 2147483648'],
  ];
  for (const [process, expected] of cases) assert.equal(failure(process), `${expected} (at offset 0)`);
});

test('parameters are read by type', () => {
  const read = (how, value) => {
    let found;
    const configure = (parameters) => (found = parameters[how]('p'));
    run(job(() => {}, { configure, parameters: { p: { description: '' } } }), [], { p: value });
    return found;
  };
  assert.deepEqual([read('number', '-1.5e3'), read('integer', '7'), read('boolean', 'true')], [-1500, 7, true]);
  for (const [how, value] of [['number', ''], ['number', '0x1'], ['integer', '1.5'], ['boolean', 'yes']]) {
    assert.throws(() => read(how, value), { message: new RegExp(`^parameter \`p\`: cannot read \`${value}\` as `) });
  }
  assert.throws(() => run(job(() => {}), [], { q: 1 }), { message: 'the job has no parameter `q`' });
});

test('what a job remembers is declared once and never set', () => {
  let asked;
  const counter = job(() => {}, {
    parameters: { from: { description: 'the first number', default: '0' } },
    remembers: 'the number of records',
    configure: (parameters) => (asked = [parameters.integer('from'), () => parameters.text('pelton.remembers')]),
  });
  const from = { name: 'from', description: 'the first number', default: '0' };
  const remembers = { name: 'pelton.remembers', description: 'the number of records', default: 'true' };
  assert.deepEqual(specOf(counter).parameters, [from, remembers]);
  assert.deepEqual(JSON.parse(component(counter).spec).parameters, [from, remembers]);
  assert.deepEqual(specOf(job(() => {})).parameters, []);
  run(counter, ['a']);
  assert.equal(asked[0], 0);
  assert.throws(asked[1], /does not declare/);
  assert.throws(() => run(counter, [], { 'pelton.remembers': true }), { message: 'the job has no parameter `pelton.remembers`' });
  assert.throws(() => job(() => {}, { remembers: true }), { name: 'TypeError', message: /^`remembers` says in words/ });
});

test('lines and metrics reach the host', () => {
  const result = run(job(() => (log.warn('w'), metrics.count('c', 2), metrics.gauge('g', 0.5))), ['a']);
  assert.deepEqual([result.logs, result.metrics], [[['warn', 'w']], [['c', 2], ['g', 0.5]]]);
  assert.throws(() => metrics.count('c', -1), RangeError);
});
