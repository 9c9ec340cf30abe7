//! Jobs: list, show, and every verb of their life.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};

use super::Context;
use super::types::{JobList, JobView, Problem, Submit, Uploaded};

pub(super) async fn list(State(context): State<Context>) -> Result<Json<JobList>, Problem> {
    let jobs = Arc::clone(&context.jobs);
    // Files that have changed are compiled.
    let available = tokio::task::spawn_blocking(move || jobs.available()).await;
    let available = available.map_err(|error| Problem::new(500, "internal", "a task failed", error.to_string()))?;
    Ok(Json(JobList { jobs: context.jobs.list(), available }))
}

pub(super) async fn show(State(context): State<Context>, Path(name): Path<String>) -> Result<Json<JobView>, Problem> {
    context.jobs.show(&name).map(Json)
}

pub(super) async fn cancel(State(context): State<Context>, Path(name): Path<String>) -> Result<Json<JobView>, Problem> {
    context.jobs.cancel(&name).await.map(Json)
}

pub(super) async fn submit(
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

pub(super) async fn upload(
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
