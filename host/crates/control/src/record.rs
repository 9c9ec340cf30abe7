//! What a job is to be: the desired state that a [catalog](crate::catalog) keeps, with the job's versions and history.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use pelton_model::mapping::Mapping;
use pelton_model::parallelism::Parallelism;
use pelton_model::shared::Shared;
use pelton_model::spec::Spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many entries of a job's history are kept, and how many versions.
const KEPT: usize = 200;
/// Most bytes of the parameters of all versions that are kept.
const KEPT_BYTES: usize = 8 << 20;

/// A submitted job. Every field has a default, so that a record outlives upgrades.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobRecord {
    /// The name under which it runs.
    pub name: String,
    /// The number of the version that runs.
    pub version: u32,
    /// SHA-256 of that version's component, in hexadecimal.
    pub digest: String,
    /// What that version reads and writes: what it declares, with [`mapping`](Self::mapping).
    pub spec: Spec,
    /// Topics and tables in the place of those that the component declares.
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    pub mapping: Mapping,
    /// The parameters as they were set; defaults are not among them.
    pub parameters: Shared<BTreeMap<String, String>>,
    /// The consumer group.
    pub group: String,
    /// How many instances. One without a number is `auto`, and for versions of Pelton before that 1.
    #[serde(skip_serializing_if = "Parallelism::is_auto")]
    pub parallelism: Parallelism,
    /// When it was submitted.
    pub submitted: DateTime<Utc>,
    /// Whether it is held.
    pub paused: bool,
    /// Whether it is to end: it drains, and then nothing is kept of it here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cancelled: bool,
    /// Whether it may write into what it reads.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub allow_loop: bool,
    /// The file in `usr_jobs` that it came from.
    pub file: Option<DroppedFile>,
    /// Every version that it had, by number, and what each was when it last ran; the last 200, and
    /// fewer where their parameters are large.
    pub versions: Vec<JobVersion>,
    /// What was changed, the oldest first; the last 200.
    pub history: Vec<Change>,
    /// What another version of Pelton keeps here and this one doesn't know: it stays as it is.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

impl Default for JobRecord {
    fn default() -> Self {
        Self {
            name: String::new(),
            version: 0,
            digest: String::new(),
            spec: Spec::default(),
            mapping: Mapping::default(),
            parameters: Shared::default(),
            group: String::new(),
            parallelism: Parallelism::Auto,
            submitted: DateTime::UNIX_EPOCH,
            paused: false,
            cancelled: false,
            allow_loop: false,
            file: None,
            versions: Vec::new(),
            history: Vec::new(),
            other: BTreeMap::new(),
        }
    }
}

/// A file in `usr_jobs`, as it was when the job was last made from it. Another content there is another version to
/// load; the same content is not, also when the job has been rolled back since.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DroppedFile {
    /// The file's name.
    pub name: String,
    /// SHA-256 of its content, in hexadecimal.
    pub digest: String,
}

/// A version of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct JobVersion {
    /// Its number, from 1.
    #[schema(required)]
    pub number: u32,
    /// SHA-256 of its component, in hexadecimal.
    #[schema(required)]
    pub digest: String,
    /// The version that it declares.
    #[schema(required)]
    pub declared: String,
    /// When it came.
    #[schema(required)]
    pub added: DateTime<Utc>,
    /// Who brought it.
    #[schema(required)]
    pub by: String,
    /// Why.
    #[schema(required)]
    pub why: String,
    /// The parameters that were set when it last ran; a rollback brings them back.
    #[schema(required, value_type = BTreeMap<String, String>)]
    pub parameters: Shared<BTreeMap<String, String>>,
    /// And the topics and tables that stood for declared ones.
    #[serde(skip_serializing_if = "Mapping::is_empty")]
    pub mapping: Mapping,
}

/// An entry of a job's history.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Change {
    /// The version that runs from then on.
    #[schema(required)]
    pub version: u32,
    /// When.
    #[schema(required)]
    pub at: DateTime<Utc>,
    /// Who changed it.
    #[schema(required)]
    pub by: String,
    /// What was changed, and why.
    #[schema(required)]
    pub why: String,
}

/// Who changes a record, why and when: for its history.
#[derive(Debug, Clone)]
pub struct Note {
    /// Who.
    pub by: String,
    /// What, and why.
    pub why: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl JobRecord {
    /// The values that its parameters have, those of its declaration included.
    pub fn values(&self) -> BTreeMap<&str, &str> {
        let defaults = self.spec.parameters.iter().filter_map(|p| Some((p.name.as_str(), p.default.as_deref()?)));
        let set = self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        defaults.chain(set).collect()
    }

    /// Adds to the history who has changed the job.
    pub fn note(&mut self, note: &Note) {
        let Note { by, why, at } = note.clone();
        self.history.push(Change { version: self.version, at, by, why });
        let surplus = self.history.len().saturating_sub(KEPT);
        self.history.drain(..surplus);
    }

    /// Makes a component the version that runs, with the parameters and the mapping that the record has by now: a new
    /// one, or that which already has this digest.
    pub fn adopt(&mut self, digest: &str, spec: &Spec, note: &Note) {
        self.digest = digest.to_owned();
        self.spec = spec.clone();
        let known = self.versions.iter_mut().find(|version| version.digest == digest);
        self.version = match known {
            Some(version) => {
                version.parameters = self.parameters.clone();
                version.mapping = self.mapping.clone();
                version.number
            }
            None => {
                let number = self.versions.last().map_or(0, |version| version.number) + 1;
                self.versions.push(JobVersion {
                    number,
                    digest: digest.to_owned(),
                    declared: spec.version.clone(),
                    added: note.at,
                    by: note.by.clone(),
                    why: note.why.clone(),
                    parameters: self.parameters.clone(),
                    mapping: self.mapping.clone(),
                });
                number
            }
        };
        self.forget_versions();
        self.note(note);
    }

    /// Forgets the oldest versions, of more than are kept in number or in bytes of parameters; never that which runs,
    /// and the last two.
    fn forget_versions(&mut self) {
        let (runs, mut number, mut bytes) = (self.version, 0, 0);
        self.versions.reverse();
        self.versions.retain(|version| {
            number += 1;
            bytes += version.parameters.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
            version.number == runs || number <= 2 || number <= KEPT && bytes <= KEPT_BYTES
        });
        self.versions.reverse();
    }

    /// Goes on with the versions and the history of a job of that name that is gone.
    pub fn follow(&mut self, past: &Self) {
        let Some(Change { at, by, why, .. }) = self.history.pop() else { return };
        self.versions.clone_from(&past.versions);
        self.history.clone_from(&past.history);
        self.adopt(&self.digest.clone(), &self.spec.clone(), &Note { by, why, at });
    }

    /// Whether it was changed after a time, or not longer before it than that.
    pub fn was_changed_since(&self, time: SystemTime, before: Duration) -> bool {
        self.history.last().is_some_and(|change| SystemTime::from(change.at).checked_add(before) >= Some(time))
    }

    /// Makes the job one that is to end. A Pelton that knows of no such records holds it instead of running it.
    pub fn cancel(&mut self, note: &Note) {
        self.cancelled = true;
        self.paused = true;
        self.note(note);
    }

    /// The version to go back to: number `to`, or that before the one that runs.
    pub fn earlier(&self, to: Option<u32>) -> Option<&JobVersion> {
        match to {
            Some(number) => self.versions.iter().find(|version| version.number == number),
            None => self.versions.iter().rev().find(|version| version.number < self.version),
        }
    }

    /// Whether submitting the other would change nothing.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.digest, &self.parameters, &self.mapping, &self.group, self.parallelism)
            == (&other.digest, &other.parameters, &other.mapping, &other.group, other.parallelism)
    }

    /// Whether both are of one submit: a job that was cancelled and submitted anew is another one.
    pub fn is_of_one_submit(&self, other: &Self) -> bool {
        (&self.name, &self.group, self.submitted) == (&other.name, &other.group, other.submitted)
    }

    /// Whether both ask for the same version with the same parameters, topics and tables.
    pub fn is_version_of(&self, other: &Self) -> bool {
        (self.version, &self.digest, &self.parameters, &self.mapping)
            == (other.version, &other.digest, &other.parameters, &other.mapping)
    }

    /// Digests of all components that it may need.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().map(|version| version.digest.as_str()).chain([self.digest.as_str()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_known_by_their_digest() {
        let mut record = JobRecord { name: "a".to_owned(), ..JobRecord::default() };
        let set = |v: &str| Shared::from(BTreeMap::from([("t".to_owned(), v.to_owned())]));
        let note = Note { by: "ana".to_owned(), why: "because".to_owned(), at: DateTime::UNIX_EPOCH };
        for (digest, value) in [("d1", "1"), ("d2", "2"), ("d1", "3")] {
            record.parameters = set(value);
            record.adopt(digest, &Spec::default(), &note);
        }
        assert_eq!((record.version, record.versions.len(), record.history.len()), (1, 2, 3));
        assert_eq!(record.versions[0].parameters, set("3"));
        assert_eq!(record.earlier(None), None);
        assert_eq!(record.earlier(Some(2)).unwrap().digest, "d2");
        for i in 0..KEPT * 2 {
            record.adopt(&format!("x{i}"), &Spec::default(), &note);
        }
        assert_eq!((record.versions.len(), record.history.len()), (KEPT, KEPT));
        assert_eq!(record.earlier(None).unwrap().number, record.version - 1);
    }

    #[test]
    fn versions_with_large_parameters_are_kept_as_far_as_they_fit_and_the_last_ones_always() {
        let note = Note { by: "ana".to_owned(), why: "because".to_owned(), at: DateTime::UNIX_EPOCH };
        let mut record = JobRecord { name: "a".to_owned(), ..JobRecord::default() };
        let large = |bytes| Shared::from(BTreeMap::from([("t".to_owned(), "x".repeat(bytes))]));
        for (bytes, kept) in [(1 << 20, 7), (KEPT_BYTES, 2)] {
            record.parameters = large(bytes);
            for i in 0..20 {
                record.adopt(&format!("{bytes}-{i}"), &Spec::default(), &note);
            }
            assert_eq!(record.versions.len(), kept);
            assert_eq!(record.earlier(None).unwrap().number, record.version - 1);
        }
        let runs = record.versions[0].digest.clone();
        record.adopt(&runs, &Spec::default(), &note);
        assert_eq!((record.versions.len(), record.versions[0].number), (2, record.version));
    }
}
