//! The HTTP API: `/api/v1`, health, and metrics. The command line uses nothing else.

mod dead_letters;
mod events;
mod jobs;
mod page;
pub mod types;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::jobs::Jobs;
use crate::kafka::Admin;
use crate::metrics::Metrics;
use types::{JobList, Problem};

/// Largest component that can be uploaded; the largest known, of Python, have some 20 MB.
const UPLOAD_BYTES: usize = 256 << 20;
/// How long `/readyz` waits for Kafka.
const PING: Duration = Duration::from_secs(2);

/// What handlers reach.
#[derive(Debug, Clone)]
pub struct Context {
    /// The jobs.
    pub jobs: Arc<Jobs>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// For asking whether Kafka is there.
    pub admin: Arc<Admin>,
}

impl Context {
    fn list(&self) -> JobList {
        JobList { jobs: self.jobs.list(), available: self.jobs.available() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        response
    }
}

/// All routes.
pub fn router(context: Context) -> Router {
    page::routes()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/jobs", get(jobs::list).post(jobs::submit))
        .route("/api/v1/jobs/{name}", get(jobs::show).delete(jobs::cancel))
        .route("/api/v1/jobs/{name}/reload", post(jobs::reload))
        .route("/api/v1/jobs/{name}/rollback", post(jobs::rollback))
        .route("/api/v1/jobs/{name}/set", post(jobs::set))
        .route("/api/v1/jobs/{name}/scale", post(jobs::scale))
        .route("/api/v1/jobs/{name}/pause", post(jobs::pause))
        .route("/api/v1/jobs/{name}/resume", post(jobs::resume))
        .route("/api/v1/jobs/{name}/shadow", get(jobs::shadow).post(jobs::start_shadow).delete(jobs::end_shadow))
        .route("/api/v1/jobs/{name}/samples", get(jobs::samples))
        .route("/api/v1/jobs/{name}/logs", get(events::logs))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/components", post(jobs::upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES)))
        .route("/api/v1/jobs/{name}/dead-letters", get(dead_letters::list))
        .route("/api/v1/jobs/{name}/dead-letters/{partition}/{offset}", get(dead_letters::show))
        .route("/api/v1/jobs/{name}/dead-letters/files/{file}", get(dead_letters::show_file))
        .route("/api/v1/jobs/{name}/dead-letters/redrive", post(dead_letters::redrive))
        .route("/api/v1/jobs/{name}/dead-letters/purge", post(dead_letters::purge))
        .fallback(|| async { Problem::new(404, "no-such-route", "no such route", "the API begins at /api/v1/jobs") })
        .with_state(context)
}

async fn metrics(State(context): State<Context>) -> impl IntoResponse {
    context.jobs.observe();
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], context.metrics.render())
}

/// 200 where all is well; else 503, with a line for each thing that is not.
async fn ready(State(context): State<Context>) -> Response {
    let mut wrong = context.jobs.conditions();
    let ping = tokio::task::spawn_blocking(move || context.admin.ping(PING)).await;
    if let Ok(Err(error)) = ping {
        wrong.push(format!("kafka: {error:#}"));
    }
    if wrong.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("degraded\n{}\n", wrong.join("\n"))).into_response()
}
