//! The instances of an attempt, and what leads to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use pelton_delivery::clock::Task;
use pelton_delivery::delivery::{Aside, Delivery};

use crate::error::Error;
use crate::queue::Queue;
use crate::worker::{Worker, WorkerContext};

/// The batches of one instance, and its thread.
#[derive(Debug)]
struct Instance {
    batches: Arc<Queue<Arc<Delivery>>>,
    task: Task,
}

/// The instances that run.
#[derive(Debug, Default)]
pub struct Instances(Vec<Instance>);

impl Instances {
    /// Starts `count` of them.
    ///
    /// # Errors
    /// A sink can't be made, or the system gives no thread. None runs then.
    pub fn start(context: &WorkerContext, count: usize) -> Result<Self, Error> {
        let mut instances = Self(Vec::new());
        for number in 0..count {
            let worker = Worker::new(context, number)?;
            let batches = Arc::new(Queue::default());
            let (fault, taken) = (Arc::clone(&context.report.fault), Arc::clone(&batches));
            // So that its lines in the log name the job, too.
            let span = tracing::Span::current();
            let run = move || {
                let _entered = span.enter();
                let (part, abandoned) = (worker.part().clone(), Abandoned(taken));
                if catch_unwind(AssertUnwindSafe(|| worker.run(&abandoned.0))).is_err() {
                    fault.set(format!("{part} panicked; this is a bug in Pelton, please report it"));
                }
            };
            let started = context.pace.clock.spawn(&format!("{}-{number}", context.job.name), Box::new(run));
            let task = started.map_err(|cause| Error::Thread { of: "an instance", cause })?;
            instances.0.push(Instance { batches, task });
        }
        Ok(instances)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Takes back what none of them has begun with, in the order of each partition.
    pub fn recall(&self) -> Vec<Aside> {
        self.0.iter().flat_map(|instance| instance.batches.take()).map(Aside::new).collect()
    }

    /// Hands a batch to one of them, without waiting. One that has ended is told of by its fault; the batch is read
    /// again.
    pub fn hand_over(&self, number: usize, delivery: Arc<Delivery>) {
        if let Some(instance) = self.0.get(number) {
            instance.batches.push(delivery);
        }
    }

    /// Ends them. By now everything is drained, or its time is over: a guest in the middle of a batch is bounded by its
    /// time limit, and one that waits for a retry sees the stop, or that its partition is given up. Who takes longer
    /// than `grace` is left alone.
    pub fn stop(self, context: &WorkerContext, grace: Duration) {
        let began = context.pace.now();
        self.0.iter().for_each(|instance| instance.batches.close());
        for instance in &self.0 {
            instance.task.join(&*context.pace.clock, grace.saturating_sub(context.pace.since(began)));
        }
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        self.0.iter().for_each(|instance| instance.batches.close());
    }
}

/// What nobody takes any more, whatever ended the thread, is dropped.
struct Abandoned(Arc<Queue<Arc<Delivery>>>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
