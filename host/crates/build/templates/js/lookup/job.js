// @ts-check
/** Adds to each reading the site of its sensor, which a parameter says. */

import { defineJob, fields, reject, topic } from 'pelton-job';

export const LOCATED = topic('located');

const READING = fields({ sensor: ['sensor_id', 'int4'], celsius: ['message.temperature', 'float8'] });

export default defineJob({
  name: '{{name}}',
  version: '0.1.0',
  description: '{{description}}',
  sources: ['sensors'],
  sinks: [LOCATED],
  parameters: { sites: { description: 'a JSON object: the site of each sensor' } },
  /** @returns {Map<number, string>} */
  configure(parameters) {
    const sites = JSON.parse(parameters.text('sites'));
    return new Map(Object.entries(sites).map(([sensor, site]) => [Number(sensor), String(site)]));
  },
  process(record, out, sites) {
    const { sensor, celsius } = record.fields(READING);
    const site = sites.get(sensor);
    if (site === undefined) reject(`sensor ${sensor} has no site`);
    out.send(LOCATED, record.key, JSON.stringify({ sensor_id: sensor, site, temperature: celsius }));
  },
});
