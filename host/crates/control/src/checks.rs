//! What a job needs of others: topics and tables, and a place to start from. Everything that is missing or wrong is
//! told at once; nothing is made before all else is well, and a topic that the job reads only where it is named.

use std::fmt::Debug;
use std::sync::Arc;

use pelton_connect::{Connectors, Error as ConnectError, Finding, Fix};
use pelton_model::parallelism::Parallelism;
use pelton_model::partition::Moved;
use pelton_model::spec::Spec;
use pelton_model::start::StartFrom;
use pelton_model::text::quoted;

use crate::error::{Error, Help, MOST_INSTANCES};
use crate::record::JobRecord;

/// What a job needs of others. Calls may block.
pub trait Checks: Send + Sync + Debug {
    /// Checks all that a new job needs, makes what is missing where it may be made, and pins where the job starts.
    /// Returns what was made, for people.
    fn submitted(&self, record: &JobRecord, from: Option<&StartFrom>, may: May<'_>) -> Result<Vec<String>, Error>;

    /// Checks what a new version of a job needs, makes what is missing where it may be made, and pins where the job
    /// starts on topics that are new to it. One that declares what the version before did is not asked for anything.
    /// Returns what was made, for people.
    fn changed(&self, before: &JobRecord, spec: &Spec, may: May<'_>) -> Result<Vec<String>, Error>;

    /// What would be made for a job with this declaration that is not as `before`, for people.
    ///
    /// # Errors
    /// As where it is to be made: something is missing that may not be, or of the wrong shape.
    fn plan(&self, name: &str, before: Option<&Spec>, spec: &Spec, may: May<'_>) -> Result<Vec<String>, Error>;

    /// How many partitions a job reads; nothing where that can't be told soon.
    fn partitions(&self, spec: &Spec) -> Option<usize>;

    /// Moves where a job that is held goes on; gives the partitions on which it does.
    fn seek(&self, record: &JobRecord, to: &StartFrom) -> Result<Vec<Moved>, Error>;
}

/// What may be made for a job.
#[derive(Debug, Clone, Copy, Default)]
pub struct May<'a> {
    /// Whether topics that it writes, and tables, may.
    pub create: bool,
    /// The topics that it reads which may.
    pub create_sources: &'a [String],
}

impl May<'_> {
    fn make(self, finding: &Finding) -> bool {
        match finding.fix {
            Fix::Create => self.create,
            Fix::CreateSource => self.create_sources.contains(&finding.place),
            Fix::ByHand => false,
        }
    }

    /// Refuses a source that the job doesn't read: its name is a slip.
    fn check(self, spec: &Spec) -> Result<(), Error> {
        let reads = spec.topics();
        match self.create_sources.iter().find(|topic| !reads.contains(topic)) {
            None => Ok(()),
            Some(topic) => Err(Error::BadText(format!(
                "--create-source names {}, and the job reads {}",
                quoted(topic),
                reads.iter().map(|topic| quoted(topic)).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}

/// Refuses a number of instances that can't be had.
pub(crate) fn check_parallelism(parallelism: Parallelism) -> Result<(), Error> {
    match parallelism.number() {
        Some(number) if !(1..=MOST_INSTANCES).contains(&number) => Err(Error::BadParallelism(number)),
        _ => Ok(()),
    }
}

/// What is said of more instances than there are partitions.
pub(crate) fn idle_instances(checks: &dyn Checks, record: &JobRecord) -> Option<String> {
    // One has something to do wherever there is anything.
    let instances = record.parallelism.number().filter(|instances| *instances > 1)?;
    let partitions = checks.partitions(&record.spec)?;
    (partitions < instances).then(|| {
        let of = if partitions == 1 { "partition" } else { "partitions" };
        format!(
            "parallelism {instances} is above the {partitions} {of} of {}: an instance without a partition does nothing",
            record.spec.topics().join(", ")
        )
    })
}

/// Asks the connectors.
#[derive(Debug)]
pub struct ConnectorChecks(pub Arc<Connectors>);

impl ConnectorChecks {
    /// Refuses, with everything that is missing or of the wrong shape, and a start that there is not; or makes what is
    /// missing, and tells what that was.
    fn all_there(&self, name: &str, spec: &Spec, from: Option<&StartFrom>, may: May<'_>) -> Result<Vec<String>, Error> {
        self.may_be_made(name, spec, may)?;
        if let Some(from) = from {
            self.0.sources().check_start(&spec.topics(), from).map_err(away)?;
        }
        let mut made = Vec::new();
        let done = self.0.make(name, spec, &mut made);
        for made in &made {
            tracing::info!(job.name = name, "created {made} for job {name}");
        }
        done.map_err(|error| away(error).after(&made))?;
        // Whoever else makes them meanwhile may make them otherwise.
        let findings = if made.is_empty() { Vec::new() } else { self.0.check(name, spec).map_err(away)? };
        if findings.is_empty() { Ok(made) } else { Err(missing(findings).after(&made)) }
    }

    /// Refuses, with everything that is missing and may not be made, or of the wrong shape; gives what may be made.
    fn may_be_made(&self, name: &str, spec: &Spec, may: May<'_>) -> Result<Vec<Finding>, Error> {
        may.check(spec)?;
        let findings = self.0.check(name, spec).map_err(away)?;
        let (made, in_the_way): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| may.make(finding));
        if in_the_way.is_empty() { Ok(made) } else { Err(missing(in_the_way)) }
    }

    /// Pins where a job starts, after all that it needs has been made.
    fn pin(&self, group: &str, topics: &[String], from: &StartFrom, anew: bool, made: &[String]) -> Result<(), Error> {
        self.0.sources().pin_start(group, topics, from, anew).map_err(|error| away(error).after(made))
    }
}

impl Checks for ConnectorChecks {
    fn submitted(&self, record: &JobRecord, from: Option<&StartFrom>, may: May<'_>) -> Result<Vec<String>, Error> {
        let made = self.all_there(&record.name, &record.spec, from, may)?;
        let start = from.unwrap_or(&StartFrom::Latest);
        self.pin(&record.group, &record.spec.topics(), start, from.is_some(), &made)?;
        Ok(made)
    }

    fn changed(&self, before: &JobRecord, spec: &Spec, may: May<'_>) -> Result<Vec<String>, Error> {
        let (read, mut topics) = (before.spec.topics(), spec.topics());
        if read == topics && before.spec.sinks == spec.sinks {
            return Ok(Vec::new());
        }
        let made = self.all_there(&before.name, spec, None, may)?;
        topics.retain(|topic| !read.contains(topic));
        if !topics.is_empty() {
            self.pin(&before.group, &topics, &StartFrom::Latest, false, &made)?;
        }
        Ok(made)
    }

    fn plan(&self, name: &str, before: Option<&Spec>, spec: &Spec, may: May<'_>) -> Result<Vec<String>, Error> {
        if before.is_some_and(|before| before.topics() == spec.topics() && before.sinks == spec.sinks) {
            return Ok(Vec::new());
        }
        Ok(self.may_be_made(name, spec, may)?.into_iter().map(|finding| finding.text).collect())
    }

    fn seek(&self, record: &JobRecord, to: &StartFrom) -> Result<Vec<Moved>, Error> {
        let sought = self.0.sources().seek(&record.group, &record.spec.topics(), to);
        sought.map_err(|error| match error {
            ConnectError::HasMembers { group } => Error::GroupInUse { job: record.name.clone(), group },
            error => away(error),
        })
    }

    fn partitions(&self, spec: &Spec) -> Option<usize> {
        self.0.sources().partitions(&spec.topics()).ok()
    }
}

/// The refusal of a job with these in its way.
fn missing(findings: Vec<Finding>) -> Error {
    let by_hand = findings.iter().any(|finding| finding.fix == Fix::ByHand);
    let creatable = findings.iter().any(|finding| finding.fix == Fix::Create);
    let sources = findings.iter().filter(|finding| finding.fix == Fix::CreateSource);
    let sources = sources.map(|finding| finding.place.clone()).collect();
    let causes = findings.into_iter().map(|finding| finding.text).collect();
    Error::Missing { causes, help: Help { by_hand, creatable, sources, of_a_file: false } }
}

/// What a connector says, as it is told here.
pub(crate) fn away(error: ConnectError) -> Error {
    if let ConnectError::NoSuchOffset { causes } = error {
        return Error::NoSuchOffset { causes };
    }
    let server = error.connector().unwrap_or("what is beside the host").to_owned();
    Error::Away { server, cause: error.to_string() }
}

#[cfg(test)]
mod tests {
    use pelton_connect::memory::Memory;
    use pelton_delivery::clock::SystemClock;
    use pelton_model::spec::{Sink, Source, Target};

    use super::*;

    #[test]
    fn a_source_is_made_only_where_it_is_named_and_nothing_before_all_is_well() {
        let memory = Memory::new(Arc::new(SystemClock), std::time::Duration::ZERO);
        let checks = ConnectorChecks(Arc::new(Connectors::memory(&memory)));
        let spec = Spec {
            sources: vec![Source { topic: "in".to_owned(), headers: false }],
            sinks: vec![Sink { name: "out".to_owned(), target: Target::Topic("out".to_owned()) }],
            ..Spec::default()
        };
        let record = JobRecord { name: "a".to_owned(), group: "a".to_owned(), spec, ..JobRecord::default() };
        let submitted = |may: May<'_>| checks.submitted(&record, None, may);
        let create = May { create: true, create_sources: &[] };
        let told = submitted(create).unwrap_err();
        let words = "something that the job needs is missing: topic \"in\", which the job reads, does not exist\nif the \
                     name is right, repeat it with --create-source in to create what the job reads";
        assert_eq!(told.to_string(), words);
        assert!(!told.without_create().to_string().contains("--create"));
        let only_source = May { create: false, create_sources: &["in".to_owned()] };
        let told = submitted(only_source).unwrap_err().to_string();
        assert!(told.ends_with("\nrepeat it with --create to create what is missing"), "{told}");
        let other = May { create: true, create_sources: &["on".to_owned()] };
        assert!(matches!(submitted(other), Err(Error::BadText(_))));
        // Not a thing was made by any of these.
        let all = May { create: true, create_sources: &["in".to_owned()] };
        for nowhere in ["in/0=1", "on/0=0"] {
            let told = checks.submitted(&record, Some(&nowhere.parse().unwrap()), all).unwrap_err();
            assert!(matches!(told, Error::NoSuchOffset { .. }), "{told}");
        }
        assert_eq!(submitted(all).unwrap(), ["topic \"in\"", "topic \"out\"", "topic \"a.dlq\""]);
        assert!(submitted(all).unwrap().is_empty());
        // Each topic that is made here has one partition.
        let with = |number| {
            let parallelism = Parallelism::Of(number);
            idle_instances(&checks, &JobRecord { parallelism, ..record.clone() })
        };
        assert_eq!(with(1), None);
        let told = "parallelism 3 is above the 1 partition of in: an instance without a partition does nothing";
        assert_eq!(with(3).as_deref(), Some(told));
        memory.set_topics_away(Some("no reason"));
        assert_eq!(with(3), None, "nobody waits for that");
        assert_eq!(idle_instances(&checks, &record), None, "an automatic one has none to spare");
    }
}
