//! A job as the API shows it: a snapshot of what is desired and of what is.

use super::is_well;
use super::supervise::Supervised;
use crate::api::types::{Counts, JobView, SinkCounts};
use pelton_model::sync::lock;

impl Supervised {
    pub(super) fn observe(&self) {
        self.metrics.up.set(i64::from(is_well(self.status.get().0)));
    }

    pub(super) fn view(&self) -> JobView {
        let record = self.record();
        let (state, mut conditions) = self.status.get();
        conditions.extend(self.notices());
        let partitions = lock(&self.assignment).view();
        let lags: Option<Vec<i64>> = partitions.iter().map(|partition| partition.lag).collect();
        let declared = record.spec.parameters.iter().filter_map(|p| Some((p.name.clone(), p.default.clone()?)));
        let sinks = record.spec.sinks.iter().map(|sink| {
            let metrics = self.metrics.sink(&sink.name);
            SinkCounts { name: sink.name.clone(), records_out: metrics.records.get(), bytes_out: metrics.bytes.get() }
        });
        let batches = self.metrics.batches();
        JobView {
            state,
            conditions,
            parameters: declared.chain(record.parameters.clone()).collect(),
            probation: self.running().and_then(|current| current.get().0.probation()),
            counts: Counts {
                records_in: self.metrics.records_in.get(),
                bytes_in: self.metrics.bytes_in.get(),
                batches: batches.count,
                batch_times: batches.times,
                guest_seconds: batches.seconds,
                cpu_seconds: self.metrics.cpu.get(),
                rejects: self.metrics.rejects.get(),
                dead_letters: self.metrics.dead_letters_total(),
                guest_failures: self.metrics.guest_failures.get(),
                sinks: sinks.collect(),
            },
            memory_bytes: self.metrics.memory.get().max(0) as u64,
            lag: lags.filter(|lags| !lags.is_empty()).map(|lags| lags.iter().sum()),
            partitions,
            name: record.name,
            version: record.version,
            digest: record.digest,
            spec: record.spec,
            group: record.group,
            parallelism: record.parallelism,
            submitted: record.submitted,
            file: record.file.map(|file| file.name),
            versions: record.versions,
            history: record.history,
        }
    }
}
