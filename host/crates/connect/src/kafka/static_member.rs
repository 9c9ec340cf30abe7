//! Static membership (KIP-345): a host that comes back after a crash has its partitions at once.
//!
//! A group waits for a member that is gone without a word until its session is over. One that says by an id of its own
//! that it is the one that was there takes its place on the spot. The id is the host's, which is kept in its data
//! folder, with the job's name. It is for crashes only: who stops, pauses or sleeps [leaves](super::leave) its group.
//!
//! What it is given on the spot is what it had: a group deals nothing out anew for a member that it knows. Partitions
//! that were added meanwhile, and those of a topic that its job reads only now, would be nobody's. So one that comes
//! back and has not just the partitions of its topics leaves once and joins again.
//!
//! Two hosts with one id, as from a copied data folder, would take the place from each other for ever. So who loses it
//! twice in a while tells, and is a member without an id from then on. Once is not enough: librdkafka takes an answer to
//! a request of its own from before a lost session for that (confluentinc/librdkafka#3437). The consumer protocol of
//! KIP-848 has no use for ids: there a group gives no place away before its session is over.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use pelton_model::files::write_durably;
use pelton_model::settings;
use pelton_model::sync::lock;

use super::client::uses_consumer_protocol;

/// The file in the data folder.
const FILE: &str = "host-id";
/// Its length in hexadecimal digits.
const LENGTH: usize = 16;
/// How soon a place must be lost again to be another's.
const AGAIN: Duration = Duration::from_secs(600);

/// The id of a host.
#[derive(Debug)]
pub(super) struct HostId {
    /// Where it is kept; nothing where members are to have none.
    file: Option<PathBuf>,
    id: OnceLock<Option<String>>,
}

impl HostId {
    /// That of a host with these settings; nothing is read yet.
    pub(super) fn new(kafka: &settings::Kafka, data: &std::path::Path) -> Self {
        let is_wanted = kafka.static_members && !uses_consumer_protocol(kafka);
        Self { file: is_wanted.then(|| data.join(FILE)), id: OnceLock::new() }
    }

    /// A job's part in it.
    pub(super) fn job(&self, job: &str) -> StaticMember {
        let id = self.id.get_or_init(|| self.file.as_ref().and_then(read_or_make));
        let instance = id.as_ref().map(|id| format!("pelton-{id}-{job}"));
        StaticMember {
            instance,
            file: self.file.clone().unwrap_or_default(),
            lost: Mutex::default(),
            has_looked: AtomicBool::new(false),
        }
    }
}

/// What is kept there, or an id that is made now and kept.
fn read_or_make(file: &PathBuf) -> Option<String> {
    let found = std::fs::read_to_string(file).map(|text| text.trim().to_owned());
    match found {
        Ok(id) if id.len() == LENGTH && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => return Some(id),
        Ok(_) => tracing::warn!("{} holds no id of a host; it gets a new one", file.display()),
        Err(_) => {}
    }
    let id = format!("{:016x}", rand::random::<u64>());
    match write_durably(file, format!("{id}\n").as_bytes()) {
        Ok(()) => Some(id),
        Err(error) => {
            tracing::warn!("after a crash jobs will wait for the sessions of their members to end: {error}");
            None
        }
    }
}

/// A job's member of its group, over the job's attempts.
#[derive(Debug)]
pub(super) struct StaticMember {
    instance: Option<String>,
    file: PathBuf,
    lost: Mutex<Lost>,
    has_looked: AtomicBool,
}

/// Whether it has lost its place.
#[derive(Debug, Default)]
struct Lost {
    last: Option<Instant>,
    for_good: bool,
}

impl StaticMember {
    /// Its `group.instance.id`, where it is to have one.
    pub(super) fn instance(&self) -> Option<&str> {
        self.instance.as_deref().filter(|_| !lock(&self.lost).for_good)
    }

    /// Whether it is still to be looked whether the first assignment since the start of the host is one that the group
    /// has dealt out, and not what the member had before a crash.
    pub(super) fn is_to_look(&self) -> bool {
        !self.has_looked.load(Ordering::Acquire)
    }

    /// Says that it has been looked.
    pub(super) fn has_looked(&self) {
        self.has_looked.store(true, Ordering::Release);
    }

    /// Says that it has lost its place; returns what is to be told of that, and whether that is for good.
    pub(super) fn fenced(&self, group: &str) -> (String, bool) {
        let mut lost = lock(&self.lost);
        lost.for_good |= lost.last.replace(Instant::now()).is_some_and(|last| last.elapsed() < AGAIN);
        if !lost.for_good {
            return (format!("lost its place in group {group:?} to a member with the same id; joining again"), false);
        }
        let told = format!(
            "another process has taken this host's place in group {group:?}: it goes by the same id, as from a copy of \
             this host's data folder; remove the file {} of one of the two and start that one again; this host goes \
             on as another member until it is started again",
            self.file.display()
        );
        (told, true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_keeps_its_id_and_each_job_has_one() {
        let folder = tempfile::tempdir().unwrap();
        let kafka = settings::Kafka::default();
        let of = |job: &str| HostId::new(&kafka, folder.path()).job(job).instance().map(str::to_owned).unwrap();
        let first = of("a");
        assert_eq!(first, of("a"));
        assert!(first.starts_with("pelton-") && first.ends_with("-a") && first != of("b"), "{first}");
        std::fs::write(folder.path().join(FILE), "not an id").unwrap();
        assert_ne!(first, of("a"));
        let other = tempfile::tempdir().unwrap();
        assert_ne!(first, HostId::new(&kafka, other.path()).job("a").instance().unwrap());
    }

    #[test]
    fn who_lost_its_place_has_no_id_any_more_and_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let member = HostId::new(&settings::Kafka::default(), folder.path()).job("a");
        let (told, for_good) = member.fenced("g");
        assert!(told.contains("joining again") && !for_good && member.instance().is_some(), "{told}");
        let (told, for_good) = member.fenced("g");
        assert!(for_good);
        assert!(told.contains("group \"g\"") && told.contains("host-id"), "{told}");
        assert_eq!(member.instance(), None);
    }

    #[test]
    fn there_is_no_id_where_none_is_of_use() {
        let folder = tempfile::tempdir().unwrap();
        let off = settings::Kafka { static_members: false, ..settings::Kafka::default() };
        let consumer = [("group.protocol".to_owned(), "CONSUMER".to_owned())].into();
        let other = settings::Kafka { consumer, ..settings::Kafka::default() };
        for kafka in [off, other] {
            assert_eq!(HostId::new(&kafka, folder.path()).job("a").instance(), None);
        }
        assert!(!folder.path().join(FILE).exists());
    }
}
