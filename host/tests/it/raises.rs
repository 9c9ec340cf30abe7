//! A job that raises, in each language, with the components that are kept of 0.1.0: its author reads the text, the
//! place in the source and the record's coordinates in the dead letter and in `pelton logs`. Letters of two records have
//! one reason, which is told apart from the place.

use serde_json::Value;

use crate::eventually::eventually;
use crate::frozen;
use crate::kafka::Record;
use crate::stage::{RUN, require_stage};

/// How each language names the place where it happened.
const PLACES: [(&str, &str); 5] = [
    ("rust", "conformance/src/lib.rs:"),
    ("c", "job.c:"),
    ("go", "main.go:"),
    ("js", "conformance.js:"),
    ("python", "job.py\", line "),
];

#[test]
fn what_is_raised_is_told_with_its_place_and_its_record() {
    let servers = require_stage!();
    servers.kafka.create_topic("conformance", 1, &[]);
    servers.kafka.create_topic("conformance_out", 1, &[]);
    servers.sql("CREATE TABLE notes (id bigint, note text)");
    let values = ["forward", "forward", "raise", "forward", "raise"];
    servers.kafka.produce("conformance", &values.map(Record::new));
    // On a busy machine an engine of 12 MB takes its time to compile.
    let mut host = servers.host().env("PELTON_LIMITS__COMPILE_TIME", "10m");
    host.start();
    for (language, source) in PLACES {
        let (_folder, component) = frozen::component(language);
        host.submit(component, &["--name", language, "--create"]);
        let letter = eventually(RUN, &format!("{language} has a dead letter"), || {
            let letters = servers.kafka.read_all(&format!("{language}.dlq"));
            (letters.len() == 2).then(|| letters.into_iter().next()).flatten()
        });
        let header = |name| letter.header_text(name).unwrap();
        let place = ["pelton.topic", "pelton.partition", "pelton.offset"].map(header);
        assert_eq!(place, ["conformance", "0", "2"]);
        assert_eq!(letter.text(), "raise");
        let logs = host.cli(&["logs", language]).stdout;
        for told in [header("pelton.error"), &logs] {
            assert!(told.contains("raised on purpose") && told.contains(source), "{language}: {told}");
        }
        assert!(logs.contains("conformance") && logs.contains("offset 2"), "{logs}");

        let list: Value = serde_json::from_str(&host.cli(&["dlq", "list", language, "--json"]).stdout).unwrap();
        let [reason] = &list["reasons"].as_array().unwrap()[..] else { panic!("{language}: {list}") };
        assert_eq!(reason["count"], 2, "{language}: {list}");
        let reason = reason["reason"].as_str().unwrap();
        assert!(reason.ends_with("raised on purpose") && !reason.contains('\n'), "{language}: {reason}");
        let place = header("pelton.place");
        assert_eq!(
            (header("pelton.reason"), list["letters"][1]["place"].as_str()),
            (reason, Some(place)),
            "{language}"
        );
        assert!(place.contains(source.split('"').next().unwrap()), "{language}: {place}");
        let shown = host.cli(&["dlq", "show", language, "0"]).stdout;
        assert!(shown.contains(place) && shown.contains(reason), "{shown}");
    }
}
