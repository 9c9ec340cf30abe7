//! One system beside the host.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use pelton_model::spec;

use crate::dead_letters::DeadLetters;
use crate::error::Error;
use crate::sink::{Writers, WritersContext};

/// A system that jobs write to. Its methods block, so call them where that is allowed; none changes anything but
/// [`make`](Self::make).
pub trait Connector: Send + Sync + Debug {
    /// As people call it.
    fn name(&self) -> &'static str;

    /// Whether it answers.
    ///
    /// # Errors
    /// It does not, within `timeout`, or no client can be made.
    fn ping(&self, timeout: Duration) -> Result<(), Error>;

    /// What a job needs of it that is missing or of the wrong shape. Nothing is made, not even on trial.
    ///
    /// # Errors
    /// It can't be asked.
    fn check(&self, needs: &Needs<'_>) -> Result<Vec<Finding>, Error>;

    /// Makes what a job needs of it and is missing, and what Pelton keeps there for the job. What was made is added to
    /// `made`, for people, also where it fails at another.
    ///
    /// # Errors
    /// It can't be asked, or refuses.
    fn make(&self, needs: &Needs<'_>, made: &mut Vec<String>) -> Result<(), Error>;

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
}

impl<'a> Needs<'a> {
    /// The topics, each once, and what the job does to it.
    pub fn topics(&self) -> Vec<(&'a str, Role)> {
        let sources = self.sources.iter().map(|source| (source.topic.as_str(), Role::Source));
        let sinks = self.sinks.iter().filter_map(|sink| match &sink.target {
            spec::Target::Topic(topic) => Some((topic.as_str(), Role::Sink)),
            spec::Target::Table(_) | spec::Target::Statement(_) => None,
        });
        let mut topics = Vec::<(&str, Role)>::new();
        for topic in sources.chain(sinks) {
            if !topics.iter().any(|(known, _)| *known == topic.0) {
                topics.push(topic);
            }
        }
        topics
    }
}

/// What a job does to a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It reads it, and perhaps writes it as well.
    Source,
    /// It writes it.
    Sink,
}

impl Role {
    /// What is told of a topic that is not there.
    pub(crate) fn missing(self, topic: &str) -> String {
        let does = match self {
            Self::Source => "reads",
            Self::Sink => "writes",
        };
        format!("topic {topic:?}, which the job {does}, does not exist")
    }

    /// What helps where it can be made.
    pub(crate) fn fix(self) -> Fix {
        match self {
            Self::Source => Fix::CreateSource,
            Self::Sink => Fix::Create,
        }
    }
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
    /// It can be [made](Connector::make).
    Create,
    /// It can be made, and is a topic that the job reads: a new one has nothing to read, so its name may be a slip.
    CreateSource,
    /// Somebody has to mend it.
    ByHand,
}
