//! Clients that hang up while a verb is carried out, at any moment of it. The verb happens whole or not at all: list,
//! show and a restart agree on what is there, and the next verb works.

use std::collections::BTreeSet;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::http::Connection;
use crate::pelton::Host;
use crate::readings::{alerted, readings};
use crate::reload::variant;
use crate::stage::{RUN, example, require_stage};

const JOB: &str = "sensor_alerts";
const PATH: &str = "/api/v1/jobs/sensor_alerts";

/// Sends a request, or only so much of its body, and hangs up after a while.
fn hang_up(host: &Host, method: &str, path: &str, body: &Value, after: Duration, part: Option<usize>) {
    let body = body.to_string();
    let sent = &body[..part.unwrap_or(body.len()).min(body.len())];
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = Connection::open(host.port());
    connection.send(format!("{head}{sent}").as_bytes());
    // When it hangs up is what is tried here; nothing is waited for.
    sleep(after);
}

/// The names that are listed, each of which is shown, and no other is.
#[track_caller]
fn listed(host: &Host) -> BTreeSet<String> {
    let list = host.show_all();
    let names: BTreeSet<_> =
        list.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap().to_owned()).collect();
    assert!(names.iter().all(|name| name == JOB), "{list}");
    names
}

/// Does a verb to its end: one of these statuses, never the host's own failure.
#[track_caller]
fn done(host: &Host, verb: &str, body: &Value, statuses: &[u16]) -> Value {
    let (status, answer) = match verb {
        "submit" => host.post("/api/v1/jobs", body),
        "cancel" => host.delete(PATH),
        verb => host.post(&format!("{PATH}/{verb}"), body),
    };
    assert!(statuses.contains(&status), "{verb}: {status} {answer}");
    answer
}

#[test]
fn verbs_are_whole_whenever_their_client_hangs_up() {
    let stage = require_stage!();
    stage.set(1);
    let mut host = stage.host();
    host.start();
    let [first, second] = [0, 1].map(|number| {
        let (status, uploaded) = host.upload(&variant(&example(JOB), number));
        assert_eq!(status, 200, "{uploaded}");
        uploaded["digest"].as_str().unwrap().to_owned()
    });
    let submit = json!({"digest": first, "from": "earliest"});
    for milliseconds in [0, 1, 2, 5, 20, 60, 200, 600] {
        let after = Duration::from_millis(milliseconds);
        let hang_up = |verb: &str, body: &Value, part| match verb {
            "submit" => hang_up(&host, "POST", "/api/v1/jobs", body, after, part),
            "cancel" => hang_up(&host, "DELETE", PATH, body, after, part),
            verb => hang_up(&host, "POST", &format!("{PATH}/{verb}"), body, after, part),
        };
        // A body of which some is missing changes nothing.
        hang_up("submit", &submit, Some(9));
        hang_up("submit", &submit, None);
        let job = done(&host, "submit", &submit, &[201]);
        assert_eq!(job["version"], 1, "{job}");
        eventually(RUN, "it runs", || (host.show(JOB)["state"] == "running").then_some(()));
        assert_eq!(listed(&host).len(), 1);

        for (verb, back, state) in [("pause", "resume", "paused"), ("resume", "pause", "running")] {
            hang_up(verb, &json!({}), None);
            let job = done(&host, verb, &json!({}), &[200]);
            assert!(job["state"] == state || (verb == "resume" && job["state"] == "starting"), "{verb}: {job}");
            hang_up(back, &json!({}), None);
            done(&host, verb, &json!({}), &[200]);
        }
        let reload = json!({"digest": second});
        hang_up("reload", &reload, None);
        assert_eq!(done(&host, "reload", &reload, &[200])["version"], 2);
        hang_up("rollback", &json!({"to": 1}), None);
        assert_eq!(done(&host, "rollback", &json!({"to": 1}), &[200])["version"], 1);
        let set = json!({"parameters": {"threshold": milliseconds.to_string()}});
        hang_up("set", &set, None);
        assert_eq!(done(&host, "set", &set, &[200])["parameters"]["threshold"], milliseconds.to_string());
        hang_up("scale", &json!({"parallelism": 2}), None);
        assert_eq!(done(&host, "scale", &json!({"parallelism": 2}), &[200])["parallelism"], 2);
        for (verb, body) in [("redrive", json!({"all": true})), ("purge", json!({}))] {
            let verb = format!("dead-letters/{verb}");
            hang_up(&verb, &body, None);
            eventually(RUN, &verb, || {
                // The one before may still be at it.
                let answer = done(&host, &verb, &body, &[200, 409]);
                (answer["code"] != "busy").then_some(())
            });
        }
        let history: Vec<Value> = host.show(JOB)["history"].as_array().unwrap().clone();

        hang_up("cancel", &json!({}), None);
        if milliseconds % 3 == 0 {
            // It was written, or it was not; what is there after a restart is a job, or none.
            host.kill9();
            host.start();
            host.wait_until_ready();
            if listed(&host).is_empty() {
                assert_eq!(host.get(PATH).0, 404);
            } else {
                let job = eventually(RUN, "it is there, or it is gone", || {
                    let (status, job) = host.get(PATH);
                    (status == 404 || job["state"] == "running" || job["state"] == "paused").then_some((status, job))
                });
                assert!(job.0 == 404 || job.1["history"].as_array().unwrap().len() == history.len(), "{job:?}");
            }
        }
        done(&host, "cancel", &json!({}), &[200, 404]);
        assert!(listed(&host).is_empty());
        assert_eq!(host.get(PATH).0, 404);
        let (status, answer) = host.delete(&format!("{PATH}/history"));
        assert!([200, 404].contains(&status), "{answer}");
        assert_eq!(fs::read_dir(host.data().join("jobs")).unwrap().count(), 0, "nothing is kept of it");
    }

    // And it is a job as any other.
    let job = done(&host, "submit", &submit, &[201]);
    assert_eq!(job["history"].as_array().unwrap().len(), 1, "{job}");
    host.kill9();
    host.start();
    assert_eq!(listed(&host).len(), 1);
    stage.kafka.produce("sensors", &readings(0..40));
    stage.wait_until_done(JOB);
    assert_eq!(alerted(&stage).len(), 10);
}
