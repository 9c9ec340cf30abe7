//! One system beside the host.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use pelton_model::spec;

use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::{Writers, WritersContext};

/// A system that jobs write to. Its methods block, so call them where that is allowed; none changes anything but
/// [`check`](Self::check) where it is told to create.
pub trait Connector: Send + Sync + Debug {
    /// As people call it.
    fn name(&self) -> &'static str;

    /// Whether it answers.
    ///
    /// # Errors
    /// It does not, within `timeout`, or no client can be made.
    fn ping(&self, timeout: Duration) -> Result<(), Error>;

    /// What a job needs of it that is missing or of the wrong shape. Where `needs` says so, what can be made is made.
    ///
    /// # Errors
    /// It can't be asked.
    fn check(&self, needs: &Needs<'_>) -> Result<Vec<Finding>, Error>;

    /// Opens what one attempt of a job writes with. Records that it refuses go to `letters`. Does not wait for it to
    /// answer.
    ///
    /// # Errors
    /// No client can be made with the settings.
    fn open(&self, context: &WritersContext, letters: &Arc<dyn DeadLetters>) -> Result<Arc<dyn Writers>, Error>;
}

/// What a job needs of one connector.
#[derive(Debug, Clone)]
pub struct Needs<'a> {
    /// The job's name.
    pub job: &'a str,
    /// The sources that are the connector's.
    pub sources: Vec<&'a spec::Source>,
    /// The sinks whose targets are the connector's.
    pub sinks: Vec<&'a spec::Sink>,
    /// Whether what is missing is to be made.
    pub create: bool,
}

/// Something in the way of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The topic, or the sink whose table or statement it is.
    pub place: String,
    /// What is missing or wrong, for people; names the place.
    pub text: String,
    /// What helps.
    pub fix: Fix,
}

/// What helps against a [`Finding`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    /// A [check](Connector::check) that is told to create makes it.
    Create,
    /// Somebody has to mend it.
    ByHand,
}
