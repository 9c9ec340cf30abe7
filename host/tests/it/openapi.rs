//! Every route of the API, called once on real servers: what it answers is what the OpenAPI document says.
//!
//! The harness holds each answer to the document (`schema.rs`); this test sees to it that no route is left out.

use std::collections::BTreeSet;
use std::fs;

use pelton::api::route::{Route, Takes};
use pelton::api::routes;
use serde_json::{Value, json};

use crate::http::request;
use crate::pelton::Host;
use crate::readings::readings;
use crate::stage::{example, require_stage};

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
        let route = format!("{method} {}", path.replace("/sensor_pipeline", "/{name}"));
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
    stage.kafka.produce("sensors", &readings(0..100));
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
    let upload =
        request(host.port(), "POST", "/api/v1/components", &[("content-type", Takes::Wasm.content_type())], &component);
    let uploaded: Value = serde_json::from_str(&upload.body).unwrap();
    crate::schema::check("post", "/api/v1/components", upload.status, &uploaded);
    assert!(tour.left.remove("POST /api/v1/components"));
    tour.call("POST", "/api/v1/jobs", &json!({"digest": uploaded["digest"], "from": "earliest"}));
    stage.wait_until_done("sensor_pipeline");
    let list = tour.call("GET", "/api/v1/jobs", &Value::Null);
    assert_eq!(list["available"].as_array().map(Vec::len), Some(2), "{list}");
    let job = tour.call("GET", "/api/v1/jobs/sensor_pipeline", &Value::Null);
    assert_eq!(job["counts"]["records_in"], 100, "{job}");
    let open = crate::api_safety::open_to_others(&host.data());
    assert!(open.is_empty(), "{open:?}");
    tour.call("DELETE", "/api/v1/jobs/sensor_pipeline", &Value::Null);
    assert!(tour.left.is_empty(), "this test calls every route but {:?}", tour.left);
}
