//! What a verb has changed of a job, in a line for people.

use std::collections::BTreeSet;

use crate::record::JobRecord;
use pelton_model::spec::{Sink, Target};
use pelton_model::text::{cut, line};

/// Longest value of a parameter that is told, bytes.
const VALUE_BYTES: usize = 60;

/// What is another in a record than in the one before; nothing where nothing is.
pub(super) fn between(before: &JobRecord, after: &JobRecord) -> Option<String> {
    let mut told = Vec::new();
    if before.digest != after.digest {
        told.push(format!(
            "version {} ({}) takes over from version {} ({})",
            after.version, after.spec.version, before.version, before.spec.version
        ));
    }
    told.extend(places(before, after));
    told.extend(parameters(before, after));
    if before.parallelism != after.parallelism {
        told.push(format!("parallelism is {} (was {})", after.parallelism, before.parallelism));
    }
    if before.paused != after.paused {
        told.push(if after.paused { "paused" } else { "resumed" }.to_owned());
    }
    if let Some(file) = after.file.as_ref().filter(|_| before.file != after.file && before.digest == after.digest) {
        told.push(format!("it is the job of {} as that is now", file.name));
    }
    (!told.is_empty()).then(|| told.join(", "))
}

/// What a new job is.
pub(super) fn of_new(record: &JobRecord) -> String {
    let spec = &record.spec;
    let sinks: Vec<_> = spec.sinks.iter().map(written).collect();
    let writes = if sinks.is_empty() { String::new() } else { format!(" and writes {}", sinks.join(", ")) };
    format!("submitted, version {} ({}) reads {}{writes}", record.version, spec.version, spec.topics().join(", "))
}

/// What is another in a job than it was when it was cancelled; nothing where nothing is.
pub(super) fn after(past: &JobRecord, record: &JobRecord) -> Option<String> {
    let ended = past.history.last().map_or(past.submitted, |change| change.at);
    let group = (past.group != record.group).then(|| {
        format!("it reads with the consumer group {:?} (was {:?}), which has other offsets", record.group, past.group)
    });
    let other = between(&JobRecord { paused: record.paused, file: record.file.clone(), ..past.clone() }, record);
    let told = group.into_iter().chain(other).reduce(|group, other| format!("{group}, {other}"))?;
    Some(format!("a job of that name was cancelled at {}; other than then: {told}", ended.format("%Y-%m-%d %H:%M UTC")))
}

/// Where a sink leads, by the name that people know it by.
fn written(sink: &Sink) -> &str {
    match &sink.target {
        Target::Topic(topic) => topic,
        Target::Table(table) => &table.name,
        Target::Statement(_) => &sink.name,
    }
}

/// Topics and tables that are others.
fn places(before: &JobRecord, after: &JobRecord) -> Vec<String> {
    let (was, is) = (before.spec.topics().join(", "), after.spec.topics().join(", "));
    let source = (was != is).then(|| format!("reads {is} (was {was})"));
    let sinks = after.spec.sinks.iter().filter_map(|sink| {
        let was = before.spec.sinks.iter().find(|before| before.name == sink.name)?;
        (was.target != sink.target).then(|| format!("{} writes {}", sink.name, place(&sink.target)))
    });
    source.into_iter().chain(sinks).collect()
}

fn place(target: &Target) -> String {
    match target {
        Target::Topic(topic) => format!("topic {topic}"),
        Target::Table(table) => format!("table {}", table.name),
        Target::Statement(_) => "by another statement".to_owned(),
    }
}

/// Parameters that have other values, those of the declaration included.
fn parameters(before: &JobRecord, after: &JobRecord) -> Vec<String> {
    let (was, is) = (before.values(), after.values());
    let names: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    let shown =
        |value: Option<&&str>| value.map_or_else(|| "unset".to_owned(), |value| line(&cut(value, VALUE_BYTES)).into());
    names
        .into_iter()
        .filter(|name| was.get(*name) != is.get(*name))
        .map(|name| format!("{name} = {} (was {})", shown(is.get(name)), shown(was.get(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pelton_model::parallelism::Parallelism;
    use pelton_model::spec::{Parameter, Sink, Source, Spec};

    use super::*;

    #[test]
    fn each_change_is_told_and_what_stays_is_not() {
        let default = Parameter { name: "p".to_owned(), description: String::new(), default: Some("1".to_owned()) };
        let spec = Spec { version: "1.0.0".to_owned(), parameters: vec![default], ..Spec::default() };
        let before = JobRecord { version: 1, digest: "a".to_owned(), spec, ..JobRecord::default() };
        let set = |value: &str| BTreeMap::from([("p".to_owned(), value.to_owned())]).into();
        assert_eq!(between(&before, &before), None);
        assert_eq!(between(&before, &JobRecord { parameters: set("1"), ..before.clone() }), None, "the default, set");
        let mut after =
            JobRecord { parameters: set("2"), parallelism: Parallelism::Of(3), paused: true, ..before.clone() };
        let told = "p = 2 (was 1), parallelism is 3 (was auto), paused";
        assert_eq!(between(&before, &after).as_deref(), Some(told));
        assert_eq!(between(&after, &before).as_deref(), Some("p = 1 (was 2), parallelism is auto (was 3), resumed"));
        after = JobRecord { version: 2, digest: "b".to_owned(), ..before.clone() };
        after.spec = Spec { version: "2.0.0".to_owned(), ..Spec::default() };
        let told = "version 2 (2.0.0) takes over from version 1 (1.0.0), p = unset (was 1)";
        assert_eq!(between(&before, &after).as_deref(), Some(told));
        let sink = |topic: &str| Sink { name: "out".to_owned(), target: Target::Topic(topic.to_owned()) };
        let mut mapped = (before.clone(), before.clone());
        for (record, source, target) in [(&mut mapped.0, "in", "a"), (&mut mapped.1, "plant-2.in", "b")] {
            record.spec.sources = vec![Source { topic: source.to_owned(), headers: false }];
            record.spec.sinks = vec![sink(target)];
        }
        let told = "reads plant-2.in (was in), out writes topic b";
        assert_eq!(between(&mapped.0, &mapped.1).as_deref(), Some(told));
        let long = JobRecord { parameters: set(&"x\n".repeat(1000)), ..before.clone() };
        let told = between(&before, &long).unwrap();
        assert!(told.len() < 200 && told.contains("… (2000 bytes)") && !told.contains('\n'), "{told}");
    }
}
