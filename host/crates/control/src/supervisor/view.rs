//! A job as it is shown: a snapshot of what it was told to be and of what is.

use super::{Phase, Supervised};
use crate::types::{Counts, JobView, SinkCounts};
use pelton_model::status::State;

/// Whether a state means that the job does its work.
fn is_well(state: State) -> bool {
    state == State::Running
}

impl Supervised {
    /// Brings gauges up to date.
    pub(crate) fn observe(&self) {
        self.observed.metrics.up.set(i64::from(is_well(self.observed.status.get().0)));
    }

    /// The job as it is now.
    pub(crate) fn view(&self) -> JobView {
        let record = self.record();
        let metrics = &self.observed.metrics;
        let (state, mut conditions) = self.observed.status.get();
        conditions.extend(self.observed.status.notices());
        let partitions = if self.duty.does() == Phase::Paused {
            self.look_if_due();
            self.held.partitions()
        } else {
            self.runner.partitions()
        };
        let lags: Option<Vec<i64>> = partitions.iter().map(|partition| partition.lag).collect();
        let declared = record.spec.parameters.iter().filter_map(|p| Some((p.name.clone(), p.default.clone()?)));
        let sinks = record.spec.sinks.iter().map(|sink| {
            let metrics = metrics.sink(&sink.name);
            SinkCounts { name: sink.name.clone(), records_out: metrics.records.get(), bytes_out: metrics.bytes.get() }
        });
        let batches = metrics.batches();
        JobView {
            state,
            conditions,
            parameters: declared.chain(record.parameters.clone()).collect(),
            probation: self.running().and_then(|current| current.get().0.probation()),
            counts: Counts {
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
            name: record.name,
            version: record.version,
            digest: record.digest,
            spec: record.spec,
            mapping: record.mapping,
            allow_loop: record.allow_loop,
            group: record.group,
            parallelism: record.parallelism,
            submitted: record.submitted,
            file: record.file.map(|file| file.name),
            versions: record.versions,
            history: record.history,
        }
    }
}
