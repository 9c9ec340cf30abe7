//! Jobs: list, show, and every verb of their life.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;

use super::Context;
use super::problem::{Body, Problem};
use super::types::{
    Hold, JobList, JobView, Reload, Rollback, SampleList, Scale, SetParameters, ShadowReport, ShadowRun, Submit,
    Submitted, Uploaded,
};

pub(super) async fn list(State(context): State<Context>) -> Json<JobList> {
    Json(context.list())
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
) -> Result<(StatusCode, Json<Submitted>), Problem> {
    Ok((StatusCode::CREATED, whole(async move { context.jobs.submit(request).await }).await?))
}

pub(super) async fn reload(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Reload>,
) -> Result<Json<JobView>, Problem> {
    whole(async move { context.jobs.reload(&name, request).await }).await
}

pub(super) async fn rollback(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Rollback>,
) -> Result<Json<JobView>, Problem> {
    whole(async move { context.jobs.rollback(&name, request).await }).await
}

pub(super) async fn set(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<SetParameters>,
) -> Result<Json<JobView>, Problem> {
    whole(async move { context.jobs.set(&name, request).await }).await
}

pub(super) async fn scale(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Scale>,
) -> Result<Json<JobView>, Problem> {
    whole(async move { context.jobs.scale(&name, request).await }).await
}

pub(super) async fn pause(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Hold>,
) -> Result<Json<JobView>, Problem> {
    whole(async move { context.jobs.pause(&name, request.by).await }).await
}

pub(super) async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Hold>,
) -> Result<Json<JobView>, Problem> {
    whole(async move { context.jobs.resume(&name, request.by).await }).await
}

pub(super) async fn start_shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<ShadowRun>,
) -> Result<Json<ShadowReport>, Problem> {
    whole(async move { context.jobs.shadow(&name, request).await }).await
}

pub(super) async fn shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<ShadowReport>, Problem> {
    context.jobs.shadow_report(&name, false).map(Json)
}

pub(super) async fn end_shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<ShadowReport>, Problem> {
    context.jobs.shadow_report(&name, true).map(Json)
}

pub(super) async fn samples(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<SampleList>, Problem> {
    context.jobs.samples(&name).map(Json)
}

/// Does the work to its end: a client that goes away does not leave it half done.
async fn whole<T: Send + 'static>(
    work: impl Future<Output = Result<T, Problem>> + Send + 'static,
) -> Result<Json<T>, Problem> {
    match tokio::spawn(work).await {
        Ok(result) => result.map(Json),
        Err(error) => Err(Problem::new(500, "internal", "a task failed", error.to_string())),
    }
}

pub(super) async fn upload(State(context): State<Context>, body: Bytes) -> Result<Json<Uploaded>, Problem> {
    context.jobs.upload(body.into()).await.map(Json)
}
