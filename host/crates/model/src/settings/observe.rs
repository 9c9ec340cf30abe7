//! Settings of what people can look at: the last records of a job, and traces.

use serde::{Deserialize, Serialize};

/// Which samples are kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sampling {
    /// Whether any are.
    pub on: bool,
    /// How many.
    pub keep: usize,
    /// Members of JSON objects, at any depth, and columns whose values are left out. Where there are any, keys and
    /// values that are not JSON are left out whole.
    pub redact: Vec<String>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self { on: false, keep: 20, redact: Vec::new() }
    }
}

/// How records are traced.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tracing {
    /// Whether they are.
    pub on: bool,
    /// Where spans go, OTLP over HTTP: `http://localhost:4318/v1/traces`. Empty for nowhere: headers alone are kept up.
    pub endpoint: String,
    /// The share of records without a `traceparent` that begin a trace, from 0 to 1.
    pub sample: f64,
}

impl Default for Tracing {
    fn default() -> Self {
        Self { on: false, endpoint: String::new(), sample: 1.0 }
    }
}
