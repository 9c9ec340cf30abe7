//! The OpenAPI 3.1 document, made from the table of routes and the types of what they take and answer.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::problem::{self, Document};
use crate::role::Role;
use crate::route::{Route, Takes};
use crate::schemas::Schemas;

/// The document of these routes.
pub fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::default();
    let refusal = schemas.add::<Document>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        schemas.0.extend(route.schemas.0.clone());
        let method = route.method.as_str().to_lowercase();
        paths.entry(route.path).or_default().insert(method, operation(route, &refusal));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Pelton",
            "description": "A WebAssembly user-job host: Kafka in, Wasm jobs, Kafka topics and Postgres tables out.",
            "version": "1",
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "http://127.0.0.1:8081"}],
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Needed where the host has tokens."},
            },
        },
    })
}

fn operation(route: &Route, refusal: &Value) -> Value {
    let named = route.path.split(['{', '}']).skip(1).step_by(2);
    let in_path = named.map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}));
    let parameters: Vec<_> = in_path.chain(route.parameters.iter().map(|parameter| json!(parameter))).collect();
    let (status, content_type, schema) = &route.answer;
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "parameters": parameters,
        "responses": {
            status.to_string(): {"description": "done", "content": {*content_type: {"schema": schema}}},
            "default": {"description": "refused", "content": {problem::CONTENT_TYPE: {"schema": refusal}}},
        },
        // An empty requirement: a host without tokens needs none.
        "security": match route.role {
            None => json!([]),
            Some(_) => json!([{}, {"token": []}]),
        },
    });
    let role = route.role.map(|role| match role {
        Role::Read => "read",
        Role::Write => "write",
    });
    let content = match (route.takes, &route.body) {
        (Takes::Wasm, _) => Some(json!({})),
        (Takes::Json, Some(schema)) => Some(json!({"schema": schema})),
        (Takes::Json, None) => None,
    };
    if let Some(fields) = operation.as_object_mut() {
        fields.extend(role.map(|role| ("x-role".to_owned(), json!(role))));
        fields.extend(content.map(|content| {
            ("requestBody".to_owned(), json!({"required": true, "content": {route.takes.content_type(): content}}))
        }));
    }
    operation
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::table::routes;

    /// Every `$ref` below a value.
    fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, into));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, into)),
            _ => {}
        }
    }

    #[test]
    fn it_has_every_route_and_nothing_else() {
        let document = document(&routes());
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
        });
        let operations: BTreeSet<_> = operations.collect();
        let table: BTreeSet<_> = routes().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(operations, table);
        assert_eq!(table.len(), routes().len(), "a route is in the table twice");

        let ids: BTreeSet<_> = routes().into_iter().map(|route| route.id).collect();
        assert_eq!(ids.len(), table.len(), "an operation id is there twice: {ids:?}");
        let mut found = BTreeSet::new();
        references(&document, &mut found);
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference} leads nowhere");
        }
    }

    #[test]
    fn every_route_is_in_the_documentation() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/api.md")).unwrap();
        let listed = |route: &&Route| page.contains(&format!("| `{} {}` |", route.method, route.path));
        let routes = routes();
        let missing: Vec<_> = routes.iter().filter(|route| !listed(route)).collect();
        assert!(missing.is_empty(), "docs/api.md does not list {missing:?}");
    }

    #[test]
    fn the_committed_document_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json");
        let current = serde_json::to_string_pretty(&document(&routes())).unwrap() + "\n";
        if std::env::var_os("RENEW").is_some() {
            std::fs::write(path, &current).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            committed == current,
            "docs/openapi.json is of another state; RENEW=1 cargo test --lib openapi writes it"
        );
    }
}
