//! One attempt to run a job, until it is told to stop or something fails for good.
//!
//! At least once: an offset is committed only after every output and dead letter of every record before it is
//! acknowledged. A crash anywhere means that records after the last commit are read again. Within a partition order is
//! kept, since one instance handles it, and one writer of each sink writes its outputs.
//!
//! The version of the job may change at any time, [between two batches](crate::current); the number of instances
//! changes once what is in flight is drained, and the source stays in its group meanwhile.
//!
//! The source runs on the thread that calls [`Attempt::run`]; each instance has a thread of its own, and writers have
//! theirs. They are joined by queues whose contents the job's budget bounds. Whatever fails for good ends the attempt,
//! and the supervisor starts the next from what is committed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pelton_connect::{
    Assignment, Committer, Interrupt, JobSource, Opening, Outputs, Report, Requests, Source, SourceContext,
    WritersContext,
};
use pelton_delivery::budget::Budget;
use pelton_model::partition::PartitionView;
use pelton_model::status::{Part, State, Status};
use pelton_model::sync::lock;

use crate::current::CurrentVersion;
use crate::error::Error;
use crate::instances::Instances;
use crate::job::{Job, JobEnvironment};
use crate::worker::WorkerContext;

/// How long writers may take to end after everything is drained.
const FLUSH: Duration = Duration::from_secs(1);

/// What it takes to run a job until it is stopped or fails.
#[derive(Debug)]
pub struct Attempt {
    /// Whatever of the job outlives its versions.
    pub job: Job,
    /// The version of it that is to run.
    pub current: Arc<CurrentVersion>,
    /// What it reads with, over its attempts.
    pub source: Arc<dyn JobSource>,
    /// The group that it reads in.
    pub group: String,
    /// What makes its progress durable.
    pub committer: Arc<dyn Committer>,
    /// By which it is stopped, woken, or given another number of instances.
    pub requests: Requests,
    /// Where it is told how the job is doing.
    pub status: Arc<Status>,
    /// Where its partitions can be looked at.
    pub assignment: Arc<Mutex<Arc<Assignment>>>,
    /// What all jobs of the host run in.
    pub environment: JobEnvironment,
}

/// Why an attempt has ended well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It was told to stop: it has drained, committed and left its group.
    Stopped,
    /// The job is to sleep with the partitions that it had, all of which is committed.
    Asleep(Vec<PartitionView>),
}

impl Attempt {
    /// Runs the job until it is told to stop or is to sleep.
    ///
    /// # Errors
    /// What failed; nothing that was not acknowledged is committed then either.
    pub fn run(&self) -> Result<Ended, Error> {
        let report = Report {
            job: Arc::clone(&self.job.name),
            status: Arc::clone(&self.status),
            metrics: self.job.metrics.clone(),
            fault: Arc::default(),
        };
        let mut source = self.source.open(self.source_context(&report))?;
        let started = self
            .context(&report)
            .and_then(|context| Ok((Instances::start(&context, self.requests.instances())?, context)));
        let (mut instances, context) = match started {
            Ok(started) => started,
            Err(error) => {
                source.close(Duration::ZERO);
                return Err(error);
            }
        };
        *lock(&self.assignment) = source.assignment();
        self.job.metrics.instances.set(instances.count() as i64);
        self.status.set(State::Running);
        // Why the attempt before has failed is told until this one is on its way.
        self.status.clear(&Part::Job);
        tracing::info!("job {} is running", self.job.name);

        let result = self.serve(&mut *source, &context, &mut instances);

        // A failed attempt has nothing to wait for: its unacknowledged records are read again. Nor has one with a sink
        // that refuses everything, or that the next version doesn't have and can't be written to.
        let may_drain = result.is_ok() && !self.status.is_held() && !self.requests.is_in_vain();
        let drain = self.environment.config.delivery.drain_timeout;
        source.close(if may_drain { drain } else { Duration::ZERO });
        instances.stop(&context, self.grace());
        self.job.metrics.instances.set(0);
        context.outputs.flush(FLUSH);
        result
    }

    /// Has the source read for the instances, and their number changed.
    fn serve(
        &self,
        source: &mut dyn Source,
        context: &WorkerContext,
        instances: &mut Instances,
    ) -> Result<Ended, Error> {
        loop {
            let count = instances.count();
            match source.run(count, &mut |number, delivery| instances.hand_over(number, delivery))? {
                Interrupt::Stop => return Ok(Ended::Stopped),
                Interrupt::Sleep(partitions) => return Ok(Ended::Asleep(partitions)),
                Interrupt::Rescale => self.rescale(source, context, instances)?,
            }
        }
    }

    /// Changes the number of instances, and moves the partitions between them, once nothing is at work. What nobody has
    /// begun with moves along: whoever is slow has much of that.
    fn rescale(
        &self,
        source: &mut dyn Source,
        context: &WorkerContext,
        instances: &mut Instances,
    ) -> Result<(), Error> {
        let waits = instances.recall();
        if source.drain(self.environment.config.delivery.drain_timeout) {
            std::mem::take(instances).stop(context, self.grace());
            *instances = Instances::start(context, self.requests.instances())?;
            self.job.metrics.instances.set(instances.count() as i64);
            source.spread(instances.count());
            tracing::info!("job {} has {} instances", self.job.name, instances.count());
        }
        let assignment = source.assignment();
        for aside in waits {
            let batch = aside.delivery().batch();
            // The next owner of a partition that is not there any more reads it again.
            if let Some(number) = assignment.instance(&batch.topic, batch.partition) {
                instances.hand_over(number, Arc::clone(aside.delivery()));
            }
        }
        Ok(())
    }

    fn source_context(&self, report: &Report) -> SourceContext {
        let config = &self.environment.config;
        let (version, _) = self.current.get();
        SourceContext {
            report: report.clone(),
            requests: self.requests.clone(),
            group: self.group.clone(),
            topics: version.job.spec().topics(),
            batching: config.batch.clone(),
            delivery: config.delivery.clone(),
            budget: Arc::new(
                Budget::new(config.delivery.in_flight_mib << 20).counting(Arc::clone(self.job.metrics.done())),
            ),
            committer: Arc::clone(&self.committer),
        }
    }

    fn context(&self, report: &Report) -> Result<WorkerContext, Error> {
        let opening = Opening {
            context: WritersContext {
                report: report.clone(),
                client: format!("pelton-{}", self.job.name),
                hold_after: self.environment.config.delivery.hold_after,
                patience: None,
                folder: self.environment.letters(),
            },
            letter_counts: self.job.metrics.clone(),
        };
        Ok(WorkerContext {
            job: self.job.clone(),
            current: Arc::clone(&self.current),
            outputs: Outputs::open(&self.environment.connectors, &opening)?,
            report: report.clone(),
            requests: self.requests.clone(),
            pace: self.environment.pace.clone(),
        })
    }

    /// How long an instance may take to end.
    fn grace(&self) -> Duration {
        let limits = &self.environment.config.limits;
        limits.batch_time + limits.start_time
    }
}
