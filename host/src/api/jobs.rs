//! Jobs: list, show, and every verb of their life.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};

use super::Context;
use super::types::{
    Hold, JobList, JobView, Problem, Reload, Rollback, SampleList, Scale, SetParameters, ShadowReport, ShadowRun,
    Submit, Uploaded,
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
    body: Body<Submit>,
) -> Result<(StatusCode, Json<JobView>), Problem> {
    let request = taken(body)?;
    Ok((StatusCode::CREATED, whole(async move { context.jobs.submit(request).await }).await?))
}

pub(super) async fn reload(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<Reload>,
) -> Result<Json<JobView>, Problem> {
    let request = taken(body)?;
    whole(async move { context.jobs.reload(&name, request).await }).await
}

pub(super) async fn rollback(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<Rollback>,
) -> Result<Json<JobView>, Problem> {
    let request = taken(body)?;
    whole(async move { context.jobs.rollback(&name, request).await }).await
}

pub(super) async fn set(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<SetParameters>,
) -> Result<Json<JobView>, Problem> {
    let request = taken(body)?;
    whole(async move { context.jobs.set(&name, request).await }).await
}

pub(super) async fn scale(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<Scale>,
) -> Result<Json<JobView>, Problem> {
    let request = taken(body)?;
    whole(async move { context.jobs.scale(&name, request).await }).await
}

pub(super) async fn pause(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<Hold>,
) -> Result<Json<JobView>, Problem> {
    let request = taken(body)?;
    whole(async move { context.jobs.pause(&name, request.by).await }).await
}

pub(super) async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<Hold>,
) -> Result<Json<JobView>, Problem> {
    let request = taken(body)?;
    whole(async move { context.jobs.resume(&name, request.by).await }).await
}

pub(super) async fn start_shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
    body: Body<ShadowRun>,
) -> Result<Json<ShadowReport>, Problem> {
    let request = taken(body)?;
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

/// A JSON body, or why it is none.
type Body<T> = Result<Json<T>, JsonRejection>;

fn taken<T>(body: Body<T>) -> Result<T, Problem> {
    let refused = |error: JsonRejection| {
        Problem::new(error.status().as_u16(), "bad-request", "the request makes no sense", error.body_text())
    };
    body.map(|Json(request)| request).map_err(refused)
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
