//! The instances of a job of automatic parallelism: what is measured for its [policy](crate::scaling), and what that
//! decides, done.

use std::sync::atomic::Ordering;

use pelton_model::spec::Spec;
use pelton_model::status::State;
use pelton_model::sync::lock;

use super::{Phase, Supervised};
use crate::scaling::{Load, Room};
use crate::types::Scaled;

impl Supervised {
    /// Looks at the load, once a second; says how many instances the job has at work.
    pub(crate) fn measure(&self) -> usize {
        let policy = &mut lock(&self.auto).policy;
        // While records are bad, or the job was told to change, there is nothing to compare.
        if self.duty.told() != Phase::Running || self.observed.status.get().0 != State::Running {
            policy.interrupt();
            return 0;
        }
        let running = usize::try_from(self.observed.metrics.instances.get()).unwrap_or(0);
        if running == self.duty.instances() {
            policy.see(self.services.clock().now(), self.load(running));
        } else {
            policy.interrupt();
        }
        policy.at_work()
    }

    fn load(&self, instances: usize) -> Load {
        let metrics = &self.observed.metrics;
        let partitions = self.runner.partitions();
        let lags: Option<Vec<i64>> = partitions.iter().map(|partition| partition.lag).collect();
        let room = self.services.config().delivery.in_flight_mib << 20;
        Load {
            instances,
            partitions: partitions.len(),
            lag: lags.map(|lags| lags.iter().sum::<i64>().max(0) as u64),
            in_flight: metrics.in_flight.get().max(0) as f64 / room as f64,
            busy: metrics.at_work(),
            done: metrics.done().load(Ordering::Relaxed),
        }
    }

    /// Whether the load decides how many instances it has. Whoever says that more than speed depends on them has as many
    /// as somebody says.
    pub(crate) fn is_automatic(&self) -> bool {
        let record = &lock(&self.work).record;
        record.parallelism.is_auto() && record.spec.remembers.is_none()
    }

    /// How many instances it has, or will have once it runs.
    pub(crate) fn instances(&self) -> usize {
        self.duty.instances()
    }

    /// Has it run with more or fewer instances where that is due.
    pub(crate) fn adapt(&self, room: Room) {
        let mut auto = lock(&self.auto);
        let before = self.duty.instances();
        let Some(instances) = auto.policy.decide(self.services.clock().now(), room) else { return };
        // Nobody's number is overwritten.
        let work = lock(&self.work);
        if !work.record.parallelism.is_auto() {
            return;
        }
        auto.since = self.services.clock().date();
        let name = &self.observed.name;
        let told = format!("parallelism auto: {instances} (was {before}), because {}", auto.policy.reason());
        tracing::info!(job.name = name, "{name}: {told}");
        self.observed.log.add(tracing::Level::INFO, "host", told);
        self.duty.scale(instances);
    }

    /// Why it has as many instances as it has.
    pub(super) fn scaled(&self, spec: &Spec, partitions: usize) -> Scaled {
        let auto = lock(&self.auto);
        let room = self.services.auto_instances();
        let most = if partitions == 0 { room } else { room.min(partitions) };
        let reason = match &spec.remembers {
            Some(what) => format!("it remembers {what}, which another number would end"),
            None => auto.policy.reason().to_owned(),
        };
        Scaled { most, since: auto.since, reason }
    }
}
