//! The HTTP API: `/api/v1`, health, and metrics. The command line uses nothing else.

pub mod types;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::jobs::Jobs;
use crate::kafka::Admin;
use crate::metrics::Metrics;
use types::{JobList, JobView, Problem, Submit, Uploaded};

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
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/api/v1/jobs", get(list).post(submit))
        .route("/api/v1/jobs/{name}", get(show).delete(cancel))
        .route("/api/v1/components", post(upload).layer(DefaultBodyLimit::max(UPLOAD_BYTES)))
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

async fn list(State(context): State<Context>) -> Result<Json<JobList>, Problem> {
    let jobs = Arc::clone(&context.jobs);
    // Files that have changed are compiled.
    let available = tokio::task::spawn_blocking(move || jobs.available()).await;
    let available = available.map_err(|error| Problem::new(500, "internal", "a task failed", error.to_string()))?;
    Ok(Json(JobList { jobs: context.jobs.list(), available }))
}

async fn show(State(context): State<Context>, Path(name): Path<String>) -> Result<Json<JobView>, Problem> {
    context.jobs.show(&name).map(Json)
}

async fn cancel(State(context): State<Context>, Path(name): Path<String>) -> Result<Json<JobView>, Problem> {
    context.jobs.cancel(&name).await.map(Json)
}

async fn submit(
    State(context): State<Context>,
    body: Result<Json<Submit>, JsonRejection>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let Json(request) =
        body.map_err(|error| Problem::new(400, "bad-request", "the request makes no sense", error.body_text()))?;
    // A client that goes away does not leave a submit half done.
    let submitted = tokio::spawn(async move { context.jobs.submit(request).await }).await;
    let submitted = submitted.map_err(|error| Problem::new(500, "internal", "a task failed", error.to_string()))?;
    Ok((StatusCode::CREATED, Json(submitted?)))
}

async fn upload(
    State(context): State<Context>,
    headers: axum::http::HeaderMap,
    body: Bytes,
) -> Result<Json<Uploaded>, Problem> {
    // No page of another site can send this type without asking first.
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value != "application/wasm") {
        let title = "the upload is not taken";
        return Err(Problem::new(415, "content-type", title, "its content type is not application/wasm"));
    }
    context.jobs.upload(body.into()).await.map(Json)
}
