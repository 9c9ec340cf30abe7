//! Answers held to the OpenAPI document: whatever a test asks a host through the harness is checked here.

use serde_json::Value;

/// The document that this build serves.
fn document() -> &'static Value {
    static DOCUMENT: std::sync::LazyLock<Value> =
        std::sync::LazyLock::new(|| pelton::api::openapi::document(&pelton::api::routes()));
    &DOCUMENT
}

/// Whether a path is one of a route's.
fn fits(route: &str, path: &str) -> bool {
    let path = path.split('?').next().unwrap();
    route.split('/').count() == path.split('/').count()
        && route.split('/').zip(path.split('/')).all(|(part, given)| part.starts_with('{') || part == given)
}

/// Panics where the answer to a call of the API is not as the document describes it, an undocumented field included.
#[track_caller]
pub(crate) fn check(method: &str, path: &str, status: u16, answer: &Value) {
    let paths = document()["paths"].as_object().unwrap();
    let operation = paths.iter().find(|(route, _)| fits(route, path)).map(|(_, operations)| &operations[method]);
    let Some(responses) = operation.and_then(|operation| operation.get("responses")) else {
        assert!(status >= 400, "{method} {path} answers {status} and is not in the document");
        return;
    };
    // Health is for probes, and says in text what is wrong.
    let response = responses.get(status.to_string()).unwrap_or(&responses["default"]);
    if path == "/readyz" {
        return;
    }
    assert!(status < 400 || response == &responses["default"], "{method} {path} documents a refusal of its own");
    assert!(status >= 400 || response != &responses["default"], "{method} {path} answers {status}: not documented");
    let content = response["content"].as_object().unwrap().values().next().unwrap();
    let mut wrong = Vec::new();
    validate(&content["schema"], answer, "", true, &mut wrong);
    assert!(wrong.is_empty(), "{method} {path}, {status}: {wrong:#?} in {answer:#}");
}

fn is_of_type(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("a type {other}"),
    }
}

/// Checks a value against a schema; `closed` says whether fields that the schema does not name are wrong.
fn validate(schema: &Value, value: &Value, at: &str, closed: bool, wrong: &mut Vec<String>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = document().pointer(reference.trim_start_matches('#')).unwrap();
        return validate(schema, value, at, closed, wrong);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        // Each part names some of the fields.
        validate(part, value, at, false, wrong);
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        let failures = choices.iter().map(|choice| {
            let mut wrong = Vec::new();
            validate(choice, value, at, closed, &mut wrong);
            wrong
        });
        let failures: Vec<_> = failures.collect();
        if failures.iter().all(|failure| !failure.is_empty()) {
            wrong.extend(failures.concat());
        }
    }
    let kinds: Vec<_> = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of_type(kind, value)) {
        wrong.push(format!("{at} is {value}, not of type {kinds:?}"));
    }
    if schema["enum"].as_array().is_some_and(|values| !values.contains(value)) {
        wrong.push(format!("{at} is {value}, none of {}", schema["enum"]));
    }
    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
        validate(&schema["items"], item, &format!("{at}/{i}"), closed, wrong);
    }
    let Some(fields) = value.as_object() else { return };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            wrong.push(format!("{at}/{name} is missing"));
        }
    }
    for (name, field) in fields {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => validate(schema, field, &at, true, wrong),
            (None, None) if closed && schema.get("properties").is_some() => {
                wrong.push(format!("{at} is not documented"))
            }
            (None, None) => {}
        }
    }
}

#[test]
#[should_panic(expected = "/jobs is missing")]
fn an_answer_that_lacks_something_is_seen() {
    check("get", "/api/v1/jobs", 200, &serde_json::json!({"available": []}));
}

#[test]
#[should_panic(expected = "/more is not documented")]
fn an_answer_with_something_else_is_seen() {
    check("get", "/api/v1/jobs", 200, &serde_json::json!({"available": [], "jobs": [], "more": 1}));
}

#[test]
#[should_panic(expected = "/jobs/0/state is missing")]
fn what_is_wrong_inside_is_seen() {
    check("get", "/api/v1/jobs", 200, &serde_json::json!({"available": [], "jobs": [{"name": "a"}]}));
}
