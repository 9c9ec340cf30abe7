//! Whether the topics of a job are there, and making those that are not.
//!
//! What could not be made is told as such, by what a broker says to a request that only asks; no topic is made before
//! all is found to be well.

use pelton_model::near::did_you_mean;
use tokio::runtime::Handle;

use super::admin::Admin;
use crate::connector::{Finding, Fix, Needs, Role};
use crate::dead_letters;
use crate::error::Error;

/// Partitions of a topic that is created beside no other.
const PARTITIONS: i32 = 1;
/// What dead letters may be larger than their records: the headers that tell of them.
const DEAD_LETTER_ROOM: u64 = 64 << 10;
/// Dead letters are kept until somebody purges them.
const KEPT: (&str, &str) = ("retention.ms", "-1");

/// Checks the topics, and whether those that are not there could be made; the dead-letter topic, too, which is Pelton's
/// own.
pub(super) fn check(admin: &Admin, runtime: &Handle, needs: &Needs<'_>) -> Result<Vec<Finding>, Error> {
    runtime.block_on(admin.check_protocol())?;
    let mut missing = Vec::new();
    for (topic, role) in needs.topics() {
        if admin.partitions(topic)?.is_none() {
            missing.push((topic, role));
        }
    }
    let refusal = |topic: &str| runtime.block_on(admin.refusal(topic, PARTITIONS));
    // Only whoever is told of one that is missing has use for them.
    let names = if missing.is_empty() { Vec::new() } else { admin.topics() };
    let finding = |(topic, role): (&str, Role)| {
        let text = role.missing(topic);
        let meant = did_you_mean(topic, names.iter().map(String::as_str).filter(|name| !is_internal(name)), '"');
        let (text, fix) = match refusal(topic) {
            None => (format!("{text}{meant}"), role.fix()),
            Some(why) => (format!("{text} and can't be created: {why}{meant}"), Fix::ByHand),
        };
        Finding { place: topic.to_owned(), text, fix }
    };
    let mut findings: Vec<_> = missing.into_iter().map(finding).collect();
    let dead = dead_letters::topic(needs.job);
    if admin.partitions(&dead)?.is_none()
        && let Some(why) = refusal(&dead)
    {
        let text = format!("the dead-letter topic {dead:?} does not exist and can't be created: {why}");
        findings.push(Finding { place: dead, text, fix: Fix::ByHand });
    }
    Ok(findings)
}

/// Makes the topics that are not there: with as many partitions as the largest of those that are, and for dead letters
/// one that takes whatever the sources take.
pub(super) fn make(admin: &Admin, runtime: &Handle, needs: &Needs<'_>, made: &mut Vec<String>) -> Result<(), Error> {
    let (mut missing, mut like) = (Vec::new(), PARTITIONS);
    for (topic, _) in needs.topics() {
        match admin.partitions(topic)? {
            Some(found) => like = like.max(found),
            None => missing.push(topic),
        }
    }
    let mut create = |topic: &str, partitions: i32, settings: &[(&str, &str)]| {
        runtime.block_on(admin.create_topic(topic, partitions, settings))?;
        let with = if partitions == 1 { "1 partition".to_owned() } else { format!("{partitions} partitions") };
        made.push(format!("topic {topic:?} with {with}"));
        Ok::<_, Error>(())
    };
    for topic in missing {
        create(topic, like, &[])?;
    }
    let dead = dead_letters::topic(needs.job);
    if admin.partitions(&dead)?.is_some() {
        return Ok(());
    }
    let mut largest = None;
    for source in &needs.sources {
        let setting = runtime.block_on(admin.topic_setting(&source.topic, "max.message.bytes"));
        largest = largest.max(setting.and_then(|setting| setting.parse::<u64>().ok()));
    }
    let largest = largest.map(|bytes| (bytes + DEAD_LETTER_ROOM).min(i32::MAX as u64).to_string());
    let mut settings = vec![KEPT];
    settings.extend(largest.as_deref().map(|bytes| ("max.message.bytes", bytes)));
    create(&dead, PARTITIONS, &settings)
}

/// Whether a topic is Kafka's own, which nobody means.
fn is_internal(topic: &str) -> bool {
    topic.starts_with("__")
}
