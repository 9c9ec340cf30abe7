//! A job as it is shown: a snapshot of what it was told to be and of what is.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::{Phase, Supervised};
use crate::tally::Tally;
use crate::types::{Counts, JobVersion, JobView, SinkCounts};
use pelton_model::status::State;
use pelton_model::sync::lock;
use pelton_model::text::cut;

/// Most bytes of a parameter's value that are part of what is shown of a job.
const VALUE_BYTES: usize = 1_024;

/// Values of parameters, long ones cut.
fn shown<'a>(values: impl IntoIterator<Item = (&'a str, &'a str)>) -> BTreeMap<String, String> {
    values.into_iter().map(|(name, value)| (name.to_owned(), cut(value, VALUE_BYTES).into_owned())).collect()
}

/// Whether a state means that the job does its work.
fn is_well(state: State) -> bool {
    state == State::Running
}

impl Supervised {
    /// Brings gauges up to date.
    pub(crate) fn observe(&self) {
        self.observed.metrics.up.set(i64::from(is_well(self.observed.status.get().0)));
    }

    /// What is counted of it now. That is nobody's look: of a job that is held it asks nothing.
    pub(crate) fn tally(&self) -> Tally {
        let (submitted, sinks) = {
            let record = &lock(&self.work).record;
            (record.submitted, record.spec.sinks.iter().map(|sink| sink.name.clone()).collect())
        };
        self.count(submitted, sinks)
    }

    fn count(&self, submitted: DateTime<Utc>, sinks: Vec<String>) -> Tally {
        let metrics = &self.observed.metrics;
        let is_held = self.duty.does() == Phase::Paused;
        let partitions = if is_held { self.held.partitions() } else { self.runner.partitions() };
        let lags: Option<Vec<i64>> = partitions.iter().map(|partition| partition.lag).collect();
        let sinks = sinks.into_iter().map(|name| {
            let metrics = metrics.sink(&name);
            SinkCounts { name, records_out: metrics.records.get(), bytes_out: metrics.bytes.get() }
        });
        let batches = metrics.batches();
        Tally {
            name: self.observed.name.clone(),
            submitted,
            counts: Counts {
                since: self.since,
                records_in: metrics.records_in.get(),
                bytes_in: metrics.bytes_in.get(),
                batches: batches.count,
                batch_times: batches.times,
                guest_seconds: batches.seconds,
                cpu_seconds: metrics.cpu.get(),
                rejects: metrics.rejects.get(),
                dead_letters: metrics.dead_letters_total(),
                guest_failures: metrics.guest_failures.get(),
                sinks: sinks.collect(),
            },
            memory_bytes: metrics.memory.get().max(0) as u64,
            lag: lags.filter(|lags| !lags.is_empty()).map(|lags| lags.iter().sum()),
            partitions,
        }
    }

    /// The job as it is now.
    pub(crate) fn view(&self) -> JobView {
        let record = self.record();
        let (state, mut conditions) = self.observed.status.get();
        // Its thread has been told to go on, and has not said yet that it does.
        let is_called = state == State::Paused && self.duty.told() == Phase::Running;
        let state = if is_called { State::Starting } else { state };
        conditions.extend(self.observed.status.notices());
        if self.duty.does() == Phase::Paused {
            self.look_if_due();
        }
        let sinks = record.spec.sinks.iter().map(|sink| sink.name.clone()).collect();
        let tally = self.count(record.submitted, sinks);
        let values = record.values();
        let is_cut = |(name, value): (&&str, &&str)| (value.len() > VALUE_BYTES).then(|| (*name).to_owned());
        let parameters_cut = values.iter().filter_map(is_cut).collect();
        let parameters = shown(values);
        let version = |version: JobVersion| {
            let set = version.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
            JobVersion { parameters: shown(set).into(), ..version }
        };
        let running = self.running();
        let scaled = record.parallelism.is_auto().then(|| self.scaled(&record.spec, tally.partitions.len()));
        JobView {
            state,
            conditions,
            parameters,
            parameters_cut,
            probation: running.as_ref().and_then(|current| current.get().0.probation()),
            shadow: running.is_some_and(|current| lock(&current.shadow).is_some()),
            counts: tally.counts,
            memory_bytes: tally.memory_bytes,
            lag: tally.lag,
            partitions: tally.partitions,
            name: record.name,
            version: record.version,
            digest: record.digest,
            spec: record.spec,
            mapping: record.mapping,
            allow_loop: record.allow_loop,
            group: record.group,
            parallelism: record.parallelism,
            instances: self.duty.instances(),
            scaled,
            submitted: record.submitted,
            file: record.file.map(|file| file.name),
            versions: record.versions.into_iter().map(version).collect(),
            history: record.history,
        }
    }
}
