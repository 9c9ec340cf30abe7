//! What a job needs of others: topics and tables, and a place to start from. Everything that is missing or wrong is
//! told at once; nothing is changed unless `create` asks for it or all is well.

use std::fmt::Debug;
use std::sync::Arc;

use pelton_connect::{Connectors, Error as ConnectError, Fix};
use pelton_model::partition::Moved;
use pelton_model::spec::Spec;
use pelton_model::start::StartFrom;

use crate::error::{Error, MOST_INSTANCES};
use crate::record::JobRecord;

/// What a job needs of others. Calls may block.
pub trait Checks: Send + Sync + Debug {
    /// Checks all that a new job needs, creates what is missing where `create` asks for it, and pins where the job
    /// starts.
    fn submitted(&self, record: &JobRecord, from: Option<&StartFrom>, create: bool) -> Result<(), Error>;

    /// Checks what a new version of a job needs, and pins where it starts on topics that are new to it. One that
    /// declares what the version before did is not asked for anything.
    fn changed(&self, before: &JobRecord, spec: &Spec, create: bool) -> Result<(), Error>;

    /// Moves where a job that is held goes on; gives the partitions on which it does.
    fn seek(&self, record: &JobRecord, to: &StartFrom) -> Result<Vec<Moved>, Error>;
}

/// Refuses a number of instances that can't be had.
pub(crate) fn check_parallelism(parallelism: usize) -> Result<(), Error> {
    if (1..=MOST_INSTANCES).contains(&parallelism) { Ok(()) } else { Err(Error::BadParallelism(parallelism)) }
}

/// Asks the connectors.
#[derive(Debug)]
pub struct ConnectorChecks(pub Arc<Connectors>);

impl ConnectorChecks {
    /// Refuses, with everything that is missing or of the wrong shape, or creates what can be created.
    fn all_there(&self, name: &str, spec: &Spec, create: bool) -> Result<(), Error> {
        let findings = self.0.check(name, spec, create).map_err(away)?;
        if findings.is_empty() {
            return Ok(());
        }
        let creatable = findings.iter().any(|finding| finding.fix == Fix::Create);
        Err(Error::Missing { causes: findings.into_iter().map(|finding| finding.text).collect(), creatable })
    }

    fn pin(&self, group: &str, topics: &[String], from: &StartFrom, anew: bool) -> Result<(), Error> {
        self.0.sources().pin_start(group, topics, from, anew).map_err(away)
    }
}

impl Checks for ConnectorChecks {
    fn submitted(&self, record: &JobRecord, from: Option<&StartFrom>, create: bool) -> Result<(), Error> {
        self.all_there(&record.name, &record.spec, create)?;
        self.pin(&record.group, &record.spec.topics(), from.unwrap_or(&StartFrom::Latest), from.is_some())
    }

    fn changed(&self, before: &JobRecord, spec: &Spec, create: bool) -> Result<(), Error> {
        let (read, mut topics) = (before.spec.topics(), spec.topics());
        if read == topics && before.spec.sinks == spec.sinks {
            return Ok(());
        }
        self.all_there(&before.name, spec, create)?;
        topics.retain(|topic| !read.contains(topic));
        if topics.is_empty() { Ok(()) } else { self.pin(&before.group, &topics, &StartFrom::Latest, false) }
    }

    fn seek(&self, record: &JobRecord, to: &StartFrom) -> Result<Vec<Moved>, Error> {
        let sought = self.0.sources().seek(&record.group, &record.spec.topics(), to);
        sought.map_err(|error| match error {
            ConnectError::HasMembers { group } => Error::GroupInUse { job: record.name.clone(), group },
            error => away(error),
        })
    }
}

/// What a connector says, as it is told here.
pub(crate) fn away(error: ConnectError) -> Error {
    if let ConnectError::NoSuchOffset { causes } = error {
        return Error::NoSuchOffset { causes };
    }
    let server = error.connector().unwrap_or("what is beside the host").to_owned();
    Error::Away { server, cause: error.to_string() }
}
