//! Topics and tables of the deployment in the place of declared ones.

use crate::catalog::memory::Memory;
use pelton_delivery::clock::SystemClock;
use pelton_model::mapping::Mapping;

use super::fake::{TestHost, eventually};
use crate::error::Error;
use crate::types::{Reload, Rollback, SetParameters, Submit};

fn sources(pairs: &[(&str, &str)]) -> Mapping {
    let sources = pairs.iter().map(|(name, to)| ((*name).to_owned(), (*to).to_owned())).collect();
    Mapping { sources, ..Mapping::default() }
}

fn reads(host: &TestHost, job: &str) -> (u32, String, String) {
    let shown = host.jobs.show(job).unwrap();
    eventually("it runs", || host.flowing.is_running(job));
    eventually("it reads what is shown", || {
        host.flowing.current(job).get().0.job.spec().topics() == shown.spec.topics()
    });
    assert_eq!(host.desired(job).unwrap().record.spec, shown.spec);
    (shown.version, shown.spec.topics().join(" "), shown.parameters["p"].clone())
}

fn is(version: u32, topic: &str, parameter: &str) -> (u32, String, String) {
    (version, topic.to_owned(), parameter.to_owned())
}

#[test]
fn a_component_serves_many_places() {
    let host = TestHost::start(Memory::default());
    host.submit("a").unwrap();
    let copy = Submit {
        digest: Some(host.upload("a", 1).unwrap()),
        name: Some("copy".to_owned()),
        mapping: sources(&[("in", "plant-2.in")]),
        ..Submit::default()
    };
    for _ in 0..2 {
        host.jobs.submit(&copy).unwrap();
    }
    assert!(matches!(
        host.jobs.submit(&Submit { mapping: Mapping::default(), ..copy.clone() }),
        Err(Error::AlreadySubmitted(_))
    ));
    assert_eq!(reads(&host, "a"), is(1, "in", "0"));
    assert_eq!(reads(&host, "copy"), is(1, "plant-2.in", "0"));
    assert_eq!(host.jobs.show("copy").unwrap().group, "pelton-copy");

    // It stays over a reload and a change of parameters.
    let next = Reload { digest: Some(host.upload("a", 2).unwrap()), ..Reload::default() };
    host.jobs.reload("copy", &next).unwrap();
    assert_eq!(reads(&host, "copy"), is(2, "plant-2.in", "0"));
    let set = SetParameters { parameters: [("p".to_owned(), Some("7".to_owned()))].into(), force: false, by: None };
    host.jobs.set("copy", &set).unwrap();
    assert_eq!(reads(&host, "copy"), is(2, "plant-2.in", "7"));
    // The same version elsewhere, without a component.
    let elsewhere = Reload { mapping: sources(&[("in", "plant-3.in")]), ..Reload::default() };
    for _ in 0..2 {
        host.jobs.reload("copy", &elsewhere).unwrap();
    }
    assert_eq!(reads(&host, "copy"), is(2, "plant-3.in", "7"));
    assert_eq!(host.jobs.show("copy").unwrap().history.len(), 4);
    // What a version had when it last ran comes back with it, also on another host.
    host.jobs.rollback("copy", &Rollback::default()).unwrap();
    assert_eq!(reads(&host, "copy"), is(1, "plant-2.in", "0"));
    let host = TestHost::start(host.stop());
    assert_eq!(reads(&host, "copy"), is(1, "plant-2.in", "0"));
    // Mapped to itself it is as declared.
    host.jobs.reload("copy", &Reload { mapping: sources(&[("in", "in")]), ..Reload::default() }).unwrap();
    assert_eq!(reads(&host, "copy"), is(1, "in", "0"));
    assert!(host.desired("copy").unwrap().record.mapping.is_empty());
}

#[test]
fn what_a_mapping_can_not_be_is_refused() {
    let host = TestHost::start(Memory::default());
    let submit = |name: &str, mapping| {
        let digest = Some(host.upload(name, 1).unwrap());
        host.jobs.submit(&Submit { digest, mapping, ..Submit::default() }).map(drop).map_err(|error| error.to_string())
    };
    assert!(submit("a", sources(&[("out", "x")])).unwrap_err().contains("has no source \"out\"; it reads in"));
    assert!(submit("a", sources(&[("in", "no topic")])).unwrap_err().contains("is not a legal topic name"));
    // What counts is where it leads.
    assert!(submit("loops", sources(&[("in", "elsewhere")])).is_ok());
    assert!(submit("letters", sources(&[("letters.dlq", "in")])).is_ok());
    assert!(submit("a", sources(&[("in", "a.dlq")])).unwrap_err().contains("a.dlq"));
    assert!(host.desired("a").is_none());
    submit("there", Mapping::default()).unwrap();
    let sinks = [("between".to_owned(), "in".to_owned())].into();
    let into_itself = Reload { mapping: Mapping { sinks, ..Mapping::default() }, ..Reload::default() };
    assert!(matches!(host.jobs.reload("there", &into_itself), Err(Error::OwnSource { .. })));
    assert_eq!(reads(&host, "there"), is(1, "in", "0"));
    // A version without the source that is mapped drops it.
    submit("back", sources(&[("between", "x")])).unwrap();
    let digest = Some(host.upload("there", 1).unwrap());
    let dropped = host.jobs.reload("back", &Reload { digest: digest.clone(), ..Reload::default() }).unwrap_err();
    assert!(dropped.to_string().contains("- source x"), "{dropped}");
    host.jobs.reload("back", &Reload { digest, force: true, ..Reload::default() }).unwrap();
    assert_eq!(reads(&host, "back"), is(2, "in", "0"));
    assert!(host.jobs.show("back").unwrap().mapping.is_empty());
    host.jobs.cancel("back", None).unwrap().wait(&SystemClock).unwrap();
}
