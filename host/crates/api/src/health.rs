//! Health and metrics: for probes, which know no token, and for Prometheus.

use axum::Extension;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use pelton_model::text::lines;

use crate::context::Context;
use crate::guard::Caller;
use crate::problem::Plain;

/// The content type of metrics.
pub(crate) const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(crate) async fn live() -> &'static str {
    "ok\n"
}

pub(crate) async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    context.jobs.observe();
    ([(header::CONTENT_TYPE, OPENMETRICS)], context.metrics.render())
}

/// 200 where all is well; else 503, with a line for each thing that is not, for those who may read. Further lines of a
/// reason are indented.
pub(crate) async fn ready(State(context): State<Context>, Extension(Caller(caller)): Extension<Caller>) -> Response {
    let mut wrong = context.jobs.conditions();
    wrong.extend(context.pulse.wrong().await);
    if wrong.is_empty() {
        return "ready\n".into_response();
    }
    let wrong: Vec<_> = wrong.iter().map(|reason| lines(reason)).collect();
    let reasons = if caller.is_some() { format!("degraded\n{}\n", wrong.join("\n")) } else { "degraded\n".to_owned() };
    (StatusCode::SERVICE_UNAVAILABLE, Extension(Plain), reasons).into_response()
}
