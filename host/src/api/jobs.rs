//! Jobs: list, show, and every verb of their life.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::Context;
use super::problem::{Body, Problem};
use super::types::{JobList, JobView, Submit, Uploaded};

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
    Body(request): Body<Submit>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    // A client that goes away does not leave a submit half done.
    let submitted = tokio::spawn(async move { context.jobs.submit(request).await }).await;
    let submitted = submitted.map_err(|error| Problem::new(500, "internal", "a task failed", error.to_string()))?;
    Ok((StatusCode::CREATED, Json(submitted?)))
}

pub(super) async fn upload(State(context): State<Context>, body: Bytes) -> Result<Json<Uploaded>, Problem> {
    context.jobs.upload(body.into()).await.map(Json)
}
