//! Whether the topics of a job are there, and making those that are not.

use pelton_model::spec::Target;
use tokio::runtime::Handle;

use super::admin::Admin;
use crate::connector::{Finding, Fix, Needs};
use crate::dead_letters;
use crate::error::Error;

/// Partitions of a topic that is created beside no other.
const PARTITIONS: i32 = 1;
/// What dead letters may be larger than their records: the headers that tell of them.
const DEAD_LETTER_ROOM: u64 = 64 << 10;

/// Checks the topics. The dead-letter topic is Pelton's own and is made without being asked for.
pub(super) fn check(admin: &Admin, runtime: &Handle, needs: &Needs<'_>) -> Result<Vec<Finding>, Error> {
    runtime.block_on(admin.check_protocol())?;
    let mut findings = Vec::new();
    let mut like = PARTITIONS;
    let sources = needs.sources.iter().map(|source| (source.topic.as_str(), "reads"));
    let sinks = needs.sinks.iter().filter_map(|sink| match &sink.target {
        Target::Topic(topic) => Some((topic.as_str(), "writes")),
        _ => None,
    });
    for (topic, verb) in sources.chain(sinks) {
        match admin.partitions(topic)? {
            Some(found) => like = like.max(found),
            None if needs.create => {
                runtime.block_on(admin.create_topic(topic, like, &[]))?;
                tracing::info!("created topic {topic} with {like} partitions for job {}", needs.job);
            }
            None => {
                let text = format!("topic {topic:?}, which the job {verb}, does not exist");
                findings.push(Finding { place: topic.to_owned(), text, fix: Fix::Create });
            }
        }
    }
    let dead = dead_letters::topic(needs.job);
    if findings.is_empty() && admin.partitions(&dead)?.is_none() {
        let mut largest = None;
        for source in &needs.sources {
            let setting = runtime.block_on(admin.topic_setting(&source.topic, "max.message.bytes"));
            largest = largest.max(setting.and_then(|setting| setting.parse::<u64>().ok()));
        }
        let largest = largest.map(|bytes| (bytes + DEAD_LETTER_ROOM).min(i32::MAX as u64).to_string());
        let mut settings = vec![("retention.ms", "-1")];
        settings.extend(largest.as_deref().map(|bytes| ("max.message.bytes", bytes)));
        if let Err(error) = runtime.block_on(admin.create_topic(&dead, PARTITIONS, &settings)) {
            let text = format!("the dead-letter topic {dead:?} does not exist and can't be created: {error:#}");
            findings.push(Finding { place: dead, text, fix: Fix::ByHand });
        }
    }
    Ok(findings)
}
