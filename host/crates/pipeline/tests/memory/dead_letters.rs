//! Dead letters: kept whatever refuses them, and sent through the job once more.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use pelton_connect::letters::types::{ListDeadLetters, Purge, Redrive};
use pelton_connect::letters::{Letters, purge};
use pelton_connect::memory::{Record, Rules};
use pelton_connect::{Connectors, memory::Memory};
use pelton_model::metrics::Metrics;
use pelton_model::stage::Stage;
use pelton_pipeline::redrive::{RedriveJob, redrive};
use pelton_pipeline::{Job, JobEnvironment, Pace};
use pelton_simulation::guest::{FORWARDED, MADE};

use crate::rig::{JOB, Rig, Silent, version};

fn environment(rig: &Rig) -> JobEnvironment {
    let clock = Arc::new(rig.schedule.clock(0));
    let memory: Memory = rig.memory.host(Arc::clone(&clock) as _);
    JobEnvironment {
        config: Arc::new(rig.config.clone()),
        connectors: Arc::new(Connectors::memory(&memory)),
        pace: Pace { clock, seed: Arc::new(|| 1) },
    }
}

fn letters(environment: &JobEnvironment) -> Letters {
    Letters::open(&**environment.connectors.letters(), &environment.letters(), JOB).unwrap()
}

#[test]
fn a_letter_that_its_topic_refuses_is_a_file() {
    let mut rig = Rig::new(1, 1);
    let refuses = |topic: &str, _: &Record| (topic != FORWARDED).then(|| "too large".to_owned());
    rig.memory.set_rules(Rules { message: Some(Arc::new(refuses)), row: None });
    rig.write(&["f", "t", "m", "x", "f"], 1);
    let running = rig.start(version(1), 1);
    rig.until_all_is_committed();
    let counts = [Stage::Guest, Stage::Sink, Stage::Reject].map(|stage| running.letters(stage));
    rig.stop(&running).unwrap();
    assert_eq!(counts, [1, 1, 1]);
    let list = letters(&environment(&rig)).list(&ListDeadLetters::default()).unwrap();
    let mut found: Vec<_> =
        list.letters.iter().map(|letter| (letter.source.offset, letter.stage, letter.file.is_some())).collect();
    found.sort_by_key(|(offset, ..)| *offset);
    assert_eq!(found, [(1, Stage::Guest, true), (2, Stage::Sink, true), (3, Stage::Reject, true)]);
    assert_eq!(rig.numbers(FORWARDED)[&0], [0, 4]);
}

#[test]
fn a_redrive_sends_letters_through_the_present_version_once() {
    let mut rig = Rig::new(1, 1);
    rig.write(&["f", "Tf", "Tm", "x", "mq"], 1);
    let running = rig.start(version(2), 1);
    rig.until_all_is_committed();
    rig.stop(&running).unwrap();
    assert_eq!(rig.letters().len(), 4);

    let environment = environment(&rig);
    let metrics = Arc::new(Metrics::default()).job(JOB);
    let job = RedriveJob {
        job: Job { name: JOB.into(), host: Arc::new(Silent), metrics, tracer: None },
        version: Arc::new(version(1)),
        environment: environment.clone(),
    };
    let all = Redrive { all: true, ..Redrive::default() };
    let stop = AtomicBool::new(false);
    let redriven = redrive(&job, &letters(&environment), &all, &stop).unwrap();
    assert_eq!((redriven.redriven, redriven.again, redriven.skipped), (4, 2, 0));
    assert_eq!(rig.numbers(FORWARDED)[&0], [0, 1]);
    assert_eq!(rig.numbers(MADE)[&0], [4, 2, 4]);

    // Those are marked; what became a letter again is not.
    let redriven = redrive(&job, &letters(&environment), &all, &stop).unwrap();
    assert_eq!((redriven.redriven, redriven.again, redriven.skipped), (2, 2, 4));
    let list = letters(&environment).list(&ListDeadLetters::default()).unwrap();
    assert_eq!((list.total, list.redriven, list.foreign), (8, 6, 0));

    let purged = purge::purge(&letters(&environment), &Purge::default()).unwrap();
    assert_eq!(purged.purged, 8);
    assert_eq!(letters(&environment).list(&ListDeadLetters::default()).unwrap().total, 0);
}

#[test]
fn a_redrive_ends_where_a_sink_is_away_and_marks_nothing() {
    let mut rig = Rig::new(1, 1);
    rig.write(&["f", "Tr"], 1);
    let running = rig.start(version(2), 1);
    rig.until_all_is_committed();
    rig.stop(&running).unwrap();
    let environment = environment(&rig);
    let letters = letters(&environment);
    let metrics = Arc::new(Metrics::default()).job(JOB);
    let job = RedriveJob {
        job: Job { name: JOB.into(), host: Arc::new(Silent), metrics, tracer: None },
        version: Arc::new(version(1)),
        environment,
    };
    rig.memory.set_tables_away(Some("connection refused"));
    let all = Redrive { all: true, ..Redrive::default() };
    let error = redrive(&job, &letters, &all, &AtomicBool::new(false)).unwrap_err();
    assert_eq!(error.redriven, 0);
    assert!(error.to_string().contains("connection refused"), "{error}");
    rig.memory.set_tables_away(None);
    let redriven = redrive(&job, &letters, &all, &AtomicBool::new(false)).unwrap();
    assert_eq!((redriven.redriven, redriven.again), (1, 0));
    assert_eq!(rig.rows(), [1]);
}
