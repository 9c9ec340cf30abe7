//! The audit: a line for each change that somebody asks for.

use std::fs;

use serde_json::Value;

use crate::api_safety::lonely;
use crate::http::{Connection, request};
use crate::pelton::{Host, example, pelton};
use crate::stage::require_stage;

const WRITE: &str = "the-token-of-those-who-write";
const READ: &str = "the-token-of-those-who-read";

/// The fields of all lines of the audit, without what differs from run to run.
fn audited(host: &Host) -> Vec<Value> {
    let lines = host.log();
    let lines =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    let audit = lines.filter(|line| line["target"] == "audit");
    audit
        .map(|mut line| {
            assert_eq!(line["level"], "INFO", "{line}");
            line["fields"].take()
        })
        .collect()
}

#[test]
fn each_change_has_a_line_that_says_who_from_where_what_and_how_it_ended() {
    let stage = require_stage!();
    stage.topics(1);
    let mut host = stage.host().env("PELTON_LOG", "warn").env("PELTON_LOG_FORMAT", "json");
    host.start();
    host.submit(example("sensor_alerts"), &[]);
    assert_eq!(host.cli(&["pause", "sensor_alerts"]).code, 0);
    assert_eq!(host.cli(&["set", "sensor_alerts", "threshold=28"]).code, 0);
    assert_eq!(host.cli(&["cancel", "sensor_alerts"]).code, 0);
    assert_eq!(host.cli(&["list"]).code, 0);
    assert_eq!(host.cli(&["resume", "sensor_alerts"]).code, 1);
    let lines = audited(&host);
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            assert_eq!(text("audit.who"), "anybody", "{line}");
            assert!(text("audit.from").starts_with("127.0.0.1:"), "{line}");
            (
                text("audit.verb"),
                text("job.name"),
                line["job.version"].as_u64(),
                line["audit.status"].as_u64(),
                text("audit.code"),
            )
        })
        .collect();
    let line = |verb: &str, job: &str, version, status, code: &str| {
        (verb.to_owned(), job.to_owned(), version, Some(status), code.to_owned())
    };
    let job = "sensor_alerts";
    let expected = [
        line("upload", "", None, 200, ""),
        line("submit", job, Some(1), 201, ""),
        line("pause", job, Some(1), 200, ""),
        line("set", job, Some(1), 200, ""),
        line("cancel", job, Some(1), 200, ""),
        line("resume", job, None, 404, "no-such-job"),
    ];
    assert_eq!(told, expected, "{lines:#?}");
    assert!(lines[..5].iter().all(|line| line["job.digest"] == lines[0]["job.digest"]), "{lines:#?}");
    assert!(lines[0]["job.digest"].as_str().is_some_and(|digest| digest.len() == 64), "{lines:#?}");
    assert!(lines[2]["audit.by"].as_str().is_some_and(|by| by.contains('@')), "{lines:#?}");
}

#[test]
fn who_may_not_is_told_of_and_no_client_writes_a_line_of_its_own() {
    let mut host =
        lonely().env("PELTON_TOKEN", WRITE).env("PELTON_API__READ_TOKEN", READ).env("PELTON_LOG_FORMAT", "json");
    host.start();
    let json = ("content-type", "application/json");
    let post = |token: &str, body: &[u8]| {
        let bearer = format!("Bearer {token}");
        let headers = if token.is_empty() { vec![json] } else { vec![json, ("authorization", bearer.as_str())] };
        request(host.port(), "POST", "/api/v1/jobs", &headers, body)
    };
    assert_eq!(post(READ, b"{}").status, 403);
    assert_eq!(post("the-token-of-nobody-at-all", b"{}").status, 401);
    assert_eq!(post("", b"{}").status, 401);
    let body = "{\"available\": \"x\\u001b[2J\\n2026 INFO audit: cancel: 200\\u202e\", \"by\": \"root\\u2028\"}";
    assert_eq!(post(WRITE, body.as_bytes()).status, 404);
    let mut gone = Connection::open(host.port());
    gone.send(b"DELETE /api/v1/jobs/none HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ");
    gone.send(format!("{WRITE}\r\n\r\n").as_bytes());
    drop(gone);
    let lines = crate::eventually::eventually(std::time::Duration::from_secs(60), "all are told of", || {
        Some(audited(&host)).filter(|lines| lines.len() >= 4)
    });
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["audit.who"].as_str().unwrap(), line["audit.status"].as_u64().unwrap()))
        .collect();
    assert_eq!(told, [("read", 403), ("nobody", 401), ("write", 404), ("write", 404)], "{lines:#?}");
    assert_eq!(lines[2]["job.name"], "x\\u{1b}[2J\\n2026 INFO audit: cancel: 200\\u{202e}");
    assert!(!host.log().contains(WRITE) && !host.log().contains(READ) && !host.log().contains("nobody-at-all"));
    drop(host);

    // As text it is one line, too, and `PELTON_LOG` can do without.
    for (filter, count) in [("warn", 1), ("warn,audit=off", 0)] {
        let mut host = lonely().env("PELTON_TOKEN", WRITE).env("PELTON_LOG", filter);
        host.start();
        let component = host.data().join("no_component");
        fs::write(&component, "nothing").unwrap();
        let url = host.url();
        let said = pelton(&["submit", component.to_str().unwrap()], &[("PELTON_API", &url), ("PELTON_TOKEN", WRITE)]);
        assert_eq!(said.code, 1, "{}", said.stderr);
        let log = host.log();
        assert_eq!(log.matches("audit: upload: 422 audit.who=\"write\"").count(), count, "{log}");
    }
}
