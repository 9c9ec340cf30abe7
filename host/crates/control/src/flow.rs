//! Where the outputs of jobs go, seen from their inputs: what would take another job's records, or come back for ever.

use std::collections::{BTreeMap, VecDeque};

use pelton_connect::dead_letters;
use pelton_model::spec::{Spec, Target};

use crate::error::Error;
use crate::record::JobRecord;

/// Refuses a job that reads its own dead letters, or one that writes into what it reads where that is not allowed.
pub(crate) fn check(job: &str, spec: &Spec, allow_loop: bool) -> Result<(), Error> {
    let letters = dead_letters::topic(job);
    if spec.sources.iter().any(|source| source.topic == letters) {
        return Err(Error::OwnLetters { job: job.to_owned(), topic: letters });
    }
    let topics = own_sources(spec);
    if topics.is_empty() || allow_loop {
        Ok(())
    } else {
        Err(Error::OwnSource { job: job.to_owned(), topics, allow: "--allow-loop" })
    }
}

/// The topics that a job both reads and writes.
fn own_sources(spec: &Spec) -> Vec<String> {
    let mut both: Vec<_> = sinks(spec).filter(|topic| reads(spec, topic)).map(str::to_owned).collect();
    both.sort();
    both.dedup();
    both
}

fn sinks(spec: &Spec) -> impl Iterator<Item = &str> {
    spec.sinks.iter().filter_map(|sink| match &sink.target {
        Target::Topic(topic) => Some(topic.as_str()),
        Target::Table(_) | Target::Statement(_) => None,
    })
}

fn reads(spec: &Spec, topic: &str) -> bool {
    spec.sources.iter().any(|source| source.topic == topic)
}

/// What is to be told of jobs that run beside each other, by their names; nothing of those that are in nobody's way.
pub(crate) fn notices(jobs: &[JobRecord]) -> BTreeMap<String, String> {
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for job in jobs {
        let mut tell = |text: String| told.entry(job.name.clone()).or_default().push(text);
        if let Some(circle) = circle(jobs, job) {
            tell(format!("its outputs come back to it, perhaps without end: {circle}"));
        }
        let topics = own_sources(&job.spec);
        if !job.allow_loop && !topics.is_empty() {
            tell(format!("it writes into what it reads ({}), perhaps without end", topics.join(", ")));
        }
        let others: Vec<_> = jobs.iter().filter(|other| other.group == job.group && other.name != job.name).collect();
        if !others.is_empty() {
            let names: Vec<_> = others.iter().map(|other| other.name.as_str()).collect();
            tell(format!(
                "it shares the consumer group {:?} with {}: they take each other's records; submit one of them anew with \
                 a group of its own",
                job.group,
                names.join(", ")
            ));
        }
    }
    told.into_iter().map(|(job, texts)| (job, texts.join("; "))).collect()
}

/// The shortest way by which outputs of a job come back to it over other jobs, as `a → topic → b → topic → a`.
fn circle(jobs: &[JobRecord], from: &JobRecord) -> Option<String> {
    let mut came: BTreeMap<&str, (&JobRecord, String)> = BTreeMap::new();
    let mut next = VecDeque::from([from]);
    while let Some(job) = next.pop_front() {
        let letters = dead_letters::topic(&job.name);
        for topic in sinks(&job.spec).chain([letters.as_str()]) {
            for reader in jobs.iter().filter(|reader| reads(&reader.spec, topic) && reader.name != job.name) {
                if reader.name == from.name {
                    return Some(way(&came, job, from, topic));
                }
                if !came.contains_key(reader.name.as_str()) {
                    came.insert(&reader.name, (job, topic.to_owned()));
                    next.push_back(reader);
                }
            }
        }
    }
    None
}

/// The way from a job to one that writes into what that reads.
fn way(came: &BTreeMap<&str, (&JobRecord, String)>, last: &JobRecord, from: &JobRecord, topic: &str) -> String {
    let mut steps = vec![from.name.clone(), topic.to_owned(), last.name.clone()];
    let mut job = last;
    while let Some((before, topic)) = came.get(job.name.as_str()).filter(|_| job.name != from.name) {
        steps.push(topic.clone());
        steps.push(before.name.clone());
        job = before;
    }
    steps.reverse();
    steps.join(" → ")
}

#[cfg(test)]
mod tests {
    use pelton_model::spec::{Sink, Source};

    use super::*;

    fn spec(reads: &[&str], writes: &[&str]) -> Spec {
        let sink = |topic: &&str| Sink { name: (*topic).to_owned(), target: Target::Topic((*topic).to_owned()) };
        Spec {
            sources: reads.iter().map(|topic| Source { topic: (*topic).to_owned(), headers: false }).collect(),
            sinks: writes.iter().map(sink).collect(),
            ..Spec::default()
        }
    }

    fn job(name: &str, reads: &[&str], writes: &[&str]) -> JobRecord {
        let group = format!("pelton-{name}");
        JobRecord { name: name.to_owned(), group, spec: spec(reads, writes), ..JobRecord::default() }
    }

    #[test]
    fn what_would_feed_itself_is_refused() {
        check("a", &spec(&["in"], &["out"]), false).unwrap();
        check("a", &spec(&["b.dlq"], &["out"]), false).unwrap();
        let refused = check("a", &spec(&["in", "a.dlq"], &[]), true).unwrap_err();
        assert!(matches!(&refused, Error::OwnLetters { topic, .. } if topic == "a.dlq"), "{refused}");
        let refused = check("a", &spec(&["in", "x"], &["x", "out"]), false).unwrap_err();
        assert!(matches!(&refused, Error::OwnSource { topics, .. } if *topics == ["x"]), "{refused}");
        assert!(refused.to_string().contains("--allow-loop"), "{refused}");
        check("a", &spec(&["in", "x"], &["x", "out"]), true).unwrap();
    }

    #[test]
    fn jobs_in_a_circle_are_told_the_way() {
        let jobs = [
            job("a", &["in"], &["mid"]),
            job("b", &["mid"], &["far"]),
            job("c", &["far", "other"], &["in"]),
            job("d", &["mid"], &["elsewhere"]),
        ];
        let told = notices(&jobs);
        assert_eq!(told.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(told["a"].contains("a → mid → b → far → c → in → a"), "{}", told["a"]);
        assert!(told["c"].contains("c → in → a → mid → b → far → c"), "{}", told["c"]);
        assert!(notices(&jobs[..2]).is_empty());
    }

    #[test]
    fn dead_letters_are_on_the_way_too() {
        let told = notices(&[job("a", &["in"], &["out"]), job("retry", &["a.dlq"], &["in"])]);
        assert!(told["a"].contains("a → a.dlq → retry → in → a"), "{}", told["a"]);
        assert!(told["retry"].contains("retry → in → a → a.dlq → retry"), "{}", told["retry"]);
    }

    #[test]
    fn a_loop_of_before_and_a_shared_group_are_told() {
        let looped = job("a", &["in"], &["in"]);
        let told = notices(std::slice::from_ref(&looped));
        assert!(told["a"].contains("writes into what it reads (in)"), "{}", told["a"]);
        let allowed = JobRecord { allow_loop: true, ..looped };
        assert!(notices(&[allowed]).is_empty());
        let thief = JobRecord { group: "pelton-a".to_owned(), ..job("b", &["in"], &[]) };
        let told = notices(&[job("a", &["in"], &[]), thief]);
        assert!(told["a"].contains("group \"pelton-a\" with b") && told["b"].contains("with a"), "{told:?}");
    }
}
