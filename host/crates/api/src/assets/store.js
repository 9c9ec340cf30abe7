// What is known of the jobs, and two minutes of figures of each. Memory is bounded: a ring per figure, nothing grows
// with the time that the page is open.

/** Seconds that charts show. */
export const WINDOW = 120;
/** Seconds that they show when the page has just been opened. */
const SHORTEST = 20;
/** Points kept: about one a second, and some to spare. */
const POINTS = 150;
/** Events that come closer together are taken together: rates over less than about a second jump. */
const CLOSEST = 0.9;
/** The first rates are shown as soon as there are any. */
const FIRST = 0.3;
/** A job that was not sent for so long has not changed: its rates are 0. */
const QUIET = 1.8;

/** A ring of times and, by name, of figures; NaN is what is not known. */
export class History {
  constructor(points = POINTS) {
    this.points = points;
    this.times = new Float64Array(points);
    this.series = new Map();
    this.next = 0;
    this.length = 0;
  }

  /** Adds one figure for each name; names that are no longer given are forgotten. */
  push(at, figures) {
    for (const name of this.series.keys()) if (!figures.has(name)) this.series.delete(name);
    this.times[this.next] = at;
    for (const [name, value] of figures) {
      let values = this.series.get(name);
      if (!values) this.series.set(name, (values = new Float64Array(this.points).fill(NaN)));
      values[this.next] = value ?? NaN;
    }
    this.next = (this.next + 1) % this.points;
    this.length = Math.min(this.length + 1, this.points);
  }

  /** The points of a figure since a time, oldest first, as `[time, value]`. */
  since(name, from) {
    const values = this.series.get(name);
    const found = [];
    for (let i = 0; values && i < this.length; i++) {
      const at = (this.next - this.length + i + this.points) % this.points;
      if (this.times[at] >= from) found.push([this.times[at], values[at]]);
    }
    return found;
  }

  /** All points, oldest first, as `[time, figures]`. */
  all() {
    const found = [];
    for (let i = 0; i < this.length; i++) {
      const at = (this.next - this.length + i + this.points) % this.points;
      found.push([this.times[at], new Map([...this.series].map(([name, values]) => [name, values[at]]))]);
    }
    return found;
  }

  /** Seconds to show: two minutes, or less while less is known. */
  span(now) {
    const oldest = this.times[(this.next - this.length + this.points) % this.points];
    return Math.min(WINDOW, Math.max(SHORTEST, this.length === 0 ? 0 : now - oldest));
  }

  /** The newest figure, or null. */
  last(name) {
    const value = this.series.get(name)?.[(this.next - 1 + this.points) % this.points];
    return this.length === 0 || value === undefined || Number.isNaN(value) ? null : value;
  }
}

/** The first bound of the host's histogram of batch times, in seconds; each further one is twice the one before. */
const FIRST_BOUND = 0.000_05;

/** The time in seconds that a share of batches took at most, of counts per bucket; null where there is no batch. */
export function quantile(counts, share) {
  const wanted = share * counts.reduce((sum, one) => sum + one, 0);
  let before = 0;
  for (const [i, count] of counts.entries()) {
    const from = i === 0 ? 0 : FIRST_BOUND * 2 ** (i - 1);
    const to = i === counts.length - 1 ? from : FIRST_BOUND * 2 ** i;
    if (count > 0 && before + count >= wanted) return from + ((to - from) * (wanted - before)) / count;
    before += count;
  }
  return null;
}

/** The key of a sink's rate. */
export const out = (sink) => `out ${sink}`;
/** The key of a topic's rate, by what has been committed of it. */
export const topic = (name) => `topic ${name}`;

/** One job: the view that came last, and its history. */
export class Job {
  constructor(view, at) {
    this.view = view;
    this.base = { view, at };
    this.history = new History();
    this.history.push(at, this.#figures(null, 1));
  }

  /** Takes the next view. */
  observe(view, at) {
    this.view = view;
    const span = at - this.base.at;
    if (span < (this.history.length > 1 ? CLOSEST : FIRST)) return;
    // Counts that went down are those of a host that was started again.
    const again =
      view.counts.records_in < this.base.view.counts.records_in || view.submitted !== this.base.view.submitted;
    this.history.push(at, this.#figures(again ? null : this.base.view, span));
    this.base = { view, at };
  }

  /** Notes that nothing changed, where nothing was heard for a while. */
  sweep(at) {
    if (at - this.base.at < QUIET) return;
    this.history.push(at, this.#figures(this.view, 1));
    // What comes next is what happened in the last second or so, not in the whole silence.
    this.base = { view: this.view, at: at - 0.8 };
  }

  /** Figures of the span since a view before. */
  #figures(before, span) {
    const { counts, partitions = [] } = this.view;
    const old = before?.counts;
    const per = (now, then) =>
      old && typeof now === "number" && typeof then === "number" ? Math.max(0, now - then) / span : null;
    const batches = old ? counts.batch_times.map((one, i) => Math.max(0, one - old.batch_times[i])) : [];
    const figures = new Map([
      ["in", per(counts.records_in, old?.records_in)],
      ["p50", quantile(batches, 0.5)],
      ["p99", quantile(batches, 0.99)],
      ["lag", this.view.lag ?? null],
      ["memory", this.view.memory_bytes ?? null],
      ["cpu", per(counts.cpu_seconds, old?.cpu_seconds)],
      ["refused", per(counts.rejects + counts.dead_letters, old ? old.rejects + old.dead_letters : null)],
    ]);
    for (const sink of counts.sinks) {
      const then = old?.sinks.find((one) => one.name === sink.name);
      figures.set(out(sink.name), per(sink.records_out, then?.records_out));
    }
    const topics = new Set(partitions.map((partition) => partition.topic));
    // Only where a job reads several topics: of a single one, the records read say it better.
    if (topics.size > 1) {
      const sum = (view, name) =>
        (view?.partitions ?? []).reduce(
          (total, one) => total + (one.topic === name && one.committed > 0 ? one.committed : 0),
          0,
        );
      for (const name of topics) figures.set(topic(name), per(sum(this.view, name), sum(before, name)));
    }
    return figures;
  }

  /**
   * Takes what the host has kept of the last minutes, in the place of what was seen in that time. A host that was
   * started meanwhile knows less than what was seen before.
   */
  recall({ ago, points, figures }, at) {
    const newest = at - ago;
    const oldest = newest - points + 1;
    const seen = this.history.all();
    const value = (values, i) => (values.length === 1 ? values[0] : values[i]);
    const recalled = Array.from({ length: points }, (_, i) => [
      oldest + i,
      new Map(Object.entries(figures).map(([name, values]) => [name, value(values, i)])),
    ]);
    this.history = new History();
    const before = seen.filter(([time]) => time < oldest - CLOSEST);
    const after = seen.filter(([time]) => time > newest + CLOSEST);
    for (const [time, all] of [...before, ...recalled, ...after]) this.history.push(time, all);
  }

  /** The newest of a figure. */
  now(name) {
    return this.history.last(name);
  }

  /** Records a second to all sinks. */
  get out() {
    const rates = this.view.counts.sinks.map((sink) => this.now(out(sink.name)));
    return rates.some((rate) => rate !== null) ? rates.reduce((sum, rate) => sum + (rate ?? 0), 0) : null;
  }

  /** A figure of the last seconds in which it was known: that of batches, while none comes. */
  recent(name) {
    const known = this.history.since(name, this.base.at - 10).filter(([, value]) => !Number.isNaN(value));
    return known.length === 0 ? null : known[known.length - 1][1];
  }
}

/** All jobs and files. */
export class Store {
  jobs = new Map();
  available = [];
  /** Whether anything has come yet. */
  known = false;
  /** Whether what is shown is what is. */
  live = false;

  /**
   * Takes an event of the host; the first after a connect is `whole`. Returns what changed its state, as `{name,
   * view}`.
   */
  apply(event, whole, at) {
    const changed = [];
    const jobs = event.jobs ?? [];
    for (const view of jobs) {
      const job = this.jobs.get(view.name);
      if (job && job.view.state !== view.state) changed.push({ name: view.name, view });
      if (job) job.observe(view, at);
      else this.jobs.set(view.name, new Job(view, at));
    }
    const there = new Set(jobs.map((view) => view.name));
    const gone = whole ? [...this.jobs.keys()].filter((name) => !there.has(name)) : (event.gone ?? []);
    gone.forEach((name) => this.jobs.delete(name));
    if (event.available) this.available = event.available;
    this.known = true;
    return changed;
  }

  /** Takes what the host has kept of the last two minutes of each job. */
  recall({ jobs }, at) {
    for (const [name, figures] of Object.entries(jobs)) this.jobs.get(name)?.recall(figures, at);
  }

  /** Once a second, while connected. */
  sweep(at) {
    for (const job of this.jobs.values()) job.sweep(at);
  }

  /** By name. */
  sorted() {
    return [...this.jobs.values()].sort((a, b) => a.view.name.localeCompare(b.view.name));
  }
}
