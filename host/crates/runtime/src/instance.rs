//! One sandboxed copy of a job, from instantiation to its last batch.
//!
//! A failed call poisons an instance: it is dropped, and the next one is made from the compiled component, which takes
//! microseconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Store, Trap};

use crate::bindings::v0_1;
use crate::bindings::v0_1::exports::pelton::job::task::{Batch as BatchParam, Spec as RawSpec};
use crate::bindings::v0_1::pelton::job::types;
use crate::check;
use crate::failure::Failure;
use crate::guest::Guest;
use crate::host::{DiscardingHost, Host};
use crate::job::CompiledJob;
use crate::limits::{Limits, MIB, TICK};
use crate::numbers::bytes;
use crate::program::{Process, Program};
use crate::wasi::state::Refused;
use pelton_model::record::{Batch, NullablePacked, Outcome, Packed};
use pelton_model::spec::Spec;

/// One sandboxed copy of a job.
pub struct Instance {
    store: Store<Guest>,
    job: v0_1::Job,
    spec: Arc<Spec>,
    limits: Limits,
}

impl CompiledJob {
    /// Makes a fresh instance and hands it its parameters, as completed by [`CompiledJob::parameters`].
    pub fn instantiate(&self, parameters: &[(String, String)], host: Arc<dyn Host>) -> Result<Instance, Failure> {
        let mut instance = self.bare(host)?;
        instance.allow(self.limits.start_time);
        let task = instance.job.pelton_job_task();
        let parameters: Vec<(&str, &str)> = parameters.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let configured = task.call_configure(&mut instance.store, &parameters);
        instance.store.data_mut().end_lines();
        match configured {
            Ok(Ok(())) => Ok(instance),
            Ok(Err(mut reason)) => {
                check::cut(&mut reason);
                Err(Failure::Error(reason))
            }
            Err(error) => Err(instance.failure(&error, self.limits.start_time)),
        }
    }

    fn bare(&self, host: Arc<dyn Host>) -> Result<Instance, Failure> {
        let mut store = Store::new(self.pre.engine(), Guest::new(&self.limits, host));
        store.limiter(|guest| &mut guest.meter);
        store.set_hostcall_fuel(self.limits.answer_bytes());
        allow(&mut store, self.limits.start_time);
        let job = self.pre.instantiate(&mut store);
        store.data_mut().end_lines();
        match job {
            Ok(job) => Ok(Instance { store, job, spec: Arc::clone(&self.spec), limits: self.limits.clone() }),
            Err(error) => Err(failure(&error, store.data(), &self.limits, self.limits.start_time)),
        }
    }

    pub(super) fn describe(&self) -> Result<RawSpec, Failure> {
        let mut instance = self.bare(Arc::new(DiscardingHost))?;
        instance.allow(self.limits.start_time);
        let task = instance.job.pelton_job_task();
        task.call_describe(&mut instance.store).map_err(|error| instance.failure(&error, self.limits.start_time))
    }
}

impl Instance {
    /// Handles one batch within the limits; the answer is checked. After an error the instance must be dropped.
    pub fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure> {
        let spec = Arc::clone(&self.spec);
        let Some((source, declared)) = (0..).zip(&spec.sources).find(|(_, source)| *source.topic == *batch.topic)
        else {
            return Err(Failure::Error(format!("it does not read topic {:?}", batch.topic)));
        };
        if declared.headers
            && let Some(name) = batch.headers.other_than_text()
        {
            let name = name.escape_ascii();
            let mut reason = format!("it reads headers, whose names are UTF-8, and one is named \"{name}\"");
            check::cut(&mut reason);
            return Err(Failure::Unreadable(reason));
        }
        self.allow(self.limits.batch_time);
        let param = BatchParam {
            source,
            partition: batch.partition,
            offsets: bytes(&batch.offsets),
            timestamps: bytes(&batch.timestamps),
            keys: nullable(&batch.keys),
            values: nullable(&batch.values),
            headers: declared.headers.then(|| types::HeadersParam {
                ends: bytes(&batch.headers.ends),
                names: packed(&batch.headers.names),
                values: nullable(&batch.headers.values),
            }),
        };
        let answer = self.job.pelton_job_task().call_process(&mut self.store, param);
        self.store.data_mut().end_lines();
        match answer {
            Ok(Ok(outcome)) => {
                let outcome = check::outcome(outcome, batch.len(), &self.spec).map_err(Failure::Broken)?;
                let (bytes, most) = (outcome.bytes(batch), self.limits.answer_bytes());
                if bytes > most { Err(Failure::TooMuch(bytes.div_ceil(MIB), most / MIB)) } else { Ok(outcome) }
            }
            Ok(Err(mut reason)) => {
                check::cut(&mut reason);
                Err(Failure::Error(reason))
            }
            Err(error) => Err(self.failure(&error, self.limits.batch_time)),
        }
    }

    /// Bytes of linear memory and tables in use.
    pub fn memory(&self) -> usize {
        self.store.data().meter.used()
    }

    fn allow(&mut self, time: Duration) {
        allow(&mut self.store, time);
    }

    fn failure(&self, error: &wasmtime::Error, allowed: Duration) -> Failure {
        failure(error, self.store.data(), &self.limits, allowed)
    }
}

impl Program for CompiledJob {
    fn spec(&self) -> &Arc<Spec> {
        self.spec()
    }

    fn mapped(&self, spec: Arc<Spec>) -> Arc<dyn Program> {
        Arc::new(Self { spec, ..self.clone() })
    }

    fn instantiate(&self, parameters: &[(String, String)], host: Arc<dyn Host>) -> Result<Box<dyn Process>, Failure> {
        Ok(Box::new(self.instantiate(parameters, host)?))
    }
}

impl Process for Instance {
    fn process(&mut self, batch: &Batch) -> Result<Outcome, Failure> {
        self.process(batch)
    }

    fn memory(&self) -> usize {
        self.memory()
    }
}

/// A call may take so long, from now on.
fn allow(store: &mut Store<Guest>, time: Duration) {
    store.set_epoch_deadline(ticks(time));
    let guest = store.data_mut();
    guest.wasi.deadline = Instant::now() + time;
    guest.said.clear();
}

fn failure(error: &wasmtime::Error, guest: &Guest, limits: &Limits, allowed: Duration) -> Failure {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => Failure::Timeout(allowed),
        _ if guest.meter.denied() => Failure::Memory(limits.memory_mib),
        Some(trap) => trapped(trap.to_string(), guest),
        None if let Some(refused) = error.downcast_ref::<Refused>() => trapped(refused.to_string(), guest),
        // Lifting an answer that points outside of the guest's memory, or is larger than allowed, ends here.
        None => Failure::Broken(error.root_cause().to_string()),
    }
}

fn trapped(mut reason: String, guest: &Guest) -> Failure {
    reason.push_str(&guest.said);
    check::cut(&mut reason);
    Failure::Trap(reason)
}

/// At least the time: the current tick has begun already.
fn ticks(time: Duration) -> u64 {
    time.as_millis().div_ceil(TICK.as_millis()) as u64 + 1
}

fn packed(packed: &Packed) -> types::PackedParam<'_> {
    types::PackedParam { ends: bytes(&packed.ends), bytes: &packed.bytes }
}

fn nullable(column: &NullablePacked) -> types::NullablePackedParam<'_> {
    types::NullablePackedParam { validity: &column.validity, items: packed(&column.items) }
}
