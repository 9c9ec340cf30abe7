//! Every route of the API, called once on real servers: what it answers is what the OpenAPI document says.
//!
//! The harness holds each answer to the document (`schema.rs`); this test sees to it that no route is left out.

use std::collections::BTreeSet;
use std::fs;

use pelton::api::route::Route;
use pelton::api::routes;
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::http::Connection;
use crate::kafka::Record;
use crate::pelton::Host;
use crate::readings::readings;
use crate::stage::{RUN, example, require_stage};

/// Calls routes and remembers which.
struct Tour<'a> {
    host: &'a Host,
    left: BTreeSet<String>,
}

impl Tour<'_> {
    /// Calls a route; it must do what it is asked to.
    #[track_caller]
    fn call(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = match method {
            "GET" => self.host.get(path),
            "POST" => self.host.post(path, body),
            _ => self.host.delete(path),
        };
        assert!(status < 300, "{method} {path}: {status} {answer}");
        let route = path.replace("/sensor_pipeline", "/{name}").replace("/0/0", "/{partition}/{offset}");
        let route = route.replace("/topics/sensors/", "/topics/{topic}/");
        let route = format!("{method} {route}");
        assert!(self.left.remove(&route), "{route} is not in the table, or was called before");
        answer
    }
}

#[test]
fn every_route_answers_as_documented() {
    let stage = require_stage!();
    stage.set(2);
    let mut host = stage.host();
    host.start();
    host.wait_until_ready();
    stage.kafka.produce("sensors", &readings(0..99));
    stage.kafka.produce("sensors", &[Record::new("no reading")]);
    let component = fs::read(example("sensor_pipeline")).unwrap();
    host.drop_job("sensor_pipeline", &component);
    host.drop_job("no_job", b"nothing");

    let name = |route: &Route| format!("{} {}", route.method, route.path);
    let mut tour = Tour { host: &host, left: routes().iter().map(name).collect() };
    let document = tour.call("GET", "/api/v1/openapi.json", &Value::Null);
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/livez", "/readyz", "/metrics"] {
        tour.call("GET", path, &Value::Null);
    }
    let (status, uploaded) = host.upload(&component);
    assert_eq!(status, 200, "{uploaded}");
    assert!(tour.left.remove("POST /api/v1/components"));
    tour.call("POST", "/api/v1/jobs", &json!({"digest": uploaded["digest"], "from": "earliest"}));
    let same = json!({"job": {"digest": uploaded["digest"]}});
    assert_eq!(tour.call("POST", "/api/v1/apply", &same)["changes"], json!([]));
    stage.wait_until_done("sensor_pipeline");
    let both_read = || host.get("/api/v1/jobs").1["available"].as_array().is_some_and(|files| files.len() == 2);
    eventually(RUN, "both files are seen", || both_read().then_some(()));
    tour.call("GET", "/api/v1/jobs", &Value::Null);
    let job = tour.call("GET", "/api/v1/jobs/sensor_pipeline", &Value::Null);
    assert_eq!(job["counts"]["records_in"], 100, "{job}");
    // Taken once a second.
    let points = |recent: &Value| recent["jobs"]["sensor_pipeline"]["points"].as_u64().filter(|points| *points > 0);
    eventually(RUN, "there are figures of it", || points(&host.get("/api/v1/recent").1).map(drop));
    let recent = tour.call("GET", "/api/v1/recent", &Value::Null);
    assert!(points(&recent).is_some(), "{recent}");
    let samples = tour.call("GET", "/api/v1/jobs/sensor_pipeline/samples", &Value::Null);
    assert_eq!(samples, json!({"on": false, "samples": []}), "off is a state, not a refusal");
    tour.call("GET", "/api/v1/jobs/sensor_pipeline/logs", &Value::Null);
    let letters = "/api/v1/jobs/sensor_pipeline/dead-letters";
    assert_eq!(tour.call("GET", letters, &Value::Null)["total"], 1);
    tour.call("GET", &format!("{letters}/0/0"), &Value::Null);
    let (status, none) = host.get(&format!("{letters}/files/none.json"));
    assert_eq!(status, 404, "{none}");
    assert!(tour.left.remove("GET /api/v1/jobs/{name}/dead-letters/files/{file}"));
    assert_eq!(tour.call("POST", &format!("{letters}/redrive"), &json!({"all": true}))["redriven"], 1);
    tour.call("POST", &format!("{letters}/purge"), &json!({}));
    tour.call("GET", "/api/v1/topics/sensors/messages", &Value::Null);
    let mut events = Connection::open(host.port());
    events.send(b"GET /api/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(events.answer().header("content-type"), Some("text/event-stream"));
    crate::schema::check("get", "/api/v1/events", 200, &events.event());
    assert!(tour.left.remove("GET /api/v1/events"));

    // Another component, which drops a sink.
    let (status, other) = host.upload(&fs::read(example("sensor_alerts")).unwrap());
    assert_eq!(status, 200, "{other}");
    let digest = &other["digest"];
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/shadow", &json!({"digest": digest, "seconds": 1}));
    tour.call("GET", "/api/v1/jobs/sensor_pipeline/shadow", &Value::Null);
    tour.call("DELETE", "/api/v1/jobs/sensor_pipeline/shadow", &Value::Null);
    let (status, dropped) = host.post("/api/v1/jobs/sensor_pipeline/reload", &json!({"digest": digest}));
    assert_eq!((status, &dropped["code"]), (409, &"would-drop".into()), "{dropped}");
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/reload", &json!({"digest": digest, "force": true}));
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/rollback", &json!({}));
    tour.call("GET", "/api/v1/jobs/sensor_pipeline/parameters", &Value::Null);
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/set", &json!({"parameters": {"threshold": "28"}}));
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/scale", &json!({"parallelism": 2}));
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/pause", &json!({}));
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/seek", &json!({"from": "latest"}));
    tour.call("POST", "/api/v1/jobs/sensor_pipeline/resume", &json!({}));
    let open = crate::api_safety::open_to_others(&host.data());
    assert!(open.is_empty(), "{open:?}");
    tour.call("DELETE", "/api/v1/jobs/sensor_pipeline", &Value::Null);
    tour.call("DELETE", "/api/v1/jobs/sensor_pipeline/history", &Value::Null);
    assert!(tour.left.is_empty(), "this test calls every route but {:?}", tour.left);
}
