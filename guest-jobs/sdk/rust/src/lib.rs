//! Write a Pelton job in Rust.
//!
//! Implement [`Job`] and name it in [`export!`]; that is all of a job. It sees one [`Record`] at a time, and gives what
//! it makes of it to [`Outputs`]. Batches, packing, null bitmaps and the bookkeeping of which output came from which
//! record are the SDK's business.
//!
//! ```
//! use pelton_job::{Error, Job, Outputs, Parameters, Record, Reject, Sink, Spec};
//!
//! const LOUD: Sink = Sink::topic("loud");
//!
//! /// Passes on the records whose value is longer than `bytes`.
//! pub struct Filter {
//!     bytes: usize,
//! }
//!
//! impl Job for Filter {
//!     fn spec() -> Spec {
//!         Spec::new("filter", "1.0.0", "passes on long records")
//!             .source("words")
//!             .sink(LOUD)
//!             .parameter("bytes", "records up to this long are dropped", "4")
//!     }
//!
//!     fn configure(parameters: &Parameters) -> Result<Self, Error> {
//!         Ok(Self { bytes: parameters.get("bytes")? })
//!     }
//!
//!     fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject> {
//!         if record.text()?.len() > self.bytes {
//!             out.forward(&LOUD);
//!         }
//!         Ok(())
//!     }
//! }
//!
//! pelton_job::export!(Filter);
//!
//! let run = pelton_job::testing::run::<Filter>(&[], ["no", "longer"]).unwrap();
//! assert_eq!(run.forwards(&LOUD), [1]);
//! ```
//!
//! [`Record::fields`] reads JSON; [`python`] writes it as Python does, and [`time`] reads times.
//!
//! Three ways for things to go wrong, each with an end of its own:
//! - a record that the job can't use: return a [`Reject`]; it goes to the dead-letter topic with its reason, the rest
//!   goes on;
//! - a mistake of the job in its own outputs (an undeclared sink, a value of the wrong type, too few values): the whole
//!   batch fails, and the reason names sink, column and record;
//! - a panic: the same, and its message and place are in the job's log.

#[rustfmt::skip]
#[allow(
    clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction, unsafe_code, missing_docs, unreachable_pub, dead_code,
    reason = "generated code"
)]
pub mod bindings;
pub mod json;
pub mod log;
pub mod metrics;
pub mod numbers;
mod outputs;
mod packed;
mod parameters;
pub mod python;
mod record;
mod rows;
#[doc(hidden)]
pub mod runner;
mod spec;
pub mod testing;
mod text;
pub mod time;

pub use crate::{
    bindings::pelton::job::types::ColumnType as Type,
    outputs::Outputs,
    parameters::{Error, Parameters},
    record::{Record, Reject},
    rows::Value,
    spec::{Column, Conflict, Sink, Spec},
};

/// A job. The host makes an instance for every partition it serves, and calls it with one record at a time, in the
/// order of the partition.
pub trait Job: Sized {
    /// What the job reads, writes and takes. It must depend on nothing but the component itself.
    fn spec() -> Spec;

    /// Makes an instance.
    ///
    /// # Errors
    /// A value that doesn't serve. At submit it refuses the job, with this reason.
    fn configure(parameters: &Parameters) -> Result<Self, Error>;

    /// Handles one record. To filter it out is to emit nothing. What was emitted before a reject is returned stands,
    /// so check first and emit after.
    ///
    /// # Errors
    /// The reason why the job can't use this record. It goes to the dead-letter topic.
    fn process(&mut self, record: &Record<'_>, out: &mut Outputs) -> Result<(), Reject>;
}

/// Makes a component out of a type that implements [`Job`]. Once per crate, whose `crate-type` is `cdylib`.
///
/// On targets other than wasm32 it only checks that the type is a job, so that its tests run natively.
#[macro_export]
macro_rules! export {
    ($job:ty) => {
        const _: () = {
            const fn is_a_job<J: $crate::Job>() {}
            is_a_job::<$job>();
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            use $crate::{
                bindings::{
                    exports::pelton::job::task::Guest,
                    pelton::job::types::{Batch, Outcome, Spec},
                },
                runner::Slot,
            };

            ::std::thread_local! {
                static SLOT: Slot<$job> = const { Slot::empty() };
            }

            struct Component;

            impl Guest for Component {
                fn describe() -> Spec {
                    $crate::runner::describe::<$job>()
                }

                fn configure(
                    parameters: ::std::vec::Vec<(::std::string::String, ::std::string::String)>,
                ) -> ::std::result::Result<(), ::std::string::String> {
                    SLOT.with(|slot| slot.configure(parameters))
                }

                fn process(batch: Batch) -> ::std::result::Result<Outcome, ::std::string::String> {
                    SLOT.with(|slot| slot.process(&batch))
                }
            }

    $crate::bindings::export_component!(Component with_types_in $crate::bindings);
        };
    };
}

/// The Rust code of the pages, as documentation tests: it compiles, and what it asserts is so.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../../docs/jobs.md")]
    mod jobs {}
}
