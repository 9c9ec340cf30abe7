//! Jobs: list, show, and every verb of their life.

use std::collections::BTreeMap;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::audit::Changed;
use crate::context::Context;
use crate::problem::{Body, Problem, Query, blocking};
use crate::types::{
    Applied, Apply, Cancel, Done, Hold, JobList, JobView, RecentFigures, Reload, Rollback, SampleList, Scale, Seek,
    SetParameters, ShadowReport, ShadowRun, Sought, Submit, Uploaded,
};

pub(crate) async fn list(State(context): State<Context>) -> Json<JobList> {
    Json(context.list())
}

pub(crate) async fn show(State(context): State<Context>, Path(name): Path<String>) -> Result<Json<JobView>, Problem> {
    Ok(Json(context.jobs.show(&name)?))
}

pub(crate) async fn parameters(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<BTreeMap<String, String>>, Problem> {
    Ok(Json(context.jobs.parameters(&name)?))
}

pub(crate) async fn recent(State(context): State<Context>) -> Json<RecentFigures> {
    Json(context.recent.get(Instant::now()))
}

pub(crate) async fn cancel(
    State(context): State<Context>,
    Path(name): Path<String>,
    Query(request): Query<Cancel>,
) -> Result<Changed<Done>, Problem> {
    let completion = blocking(move || context.jobs.cancel(&name, request.by.as_deref())).await?;
    Ok(Changed(completion.done().await?))
}

pub(crate) async fn forget(State(context): State<Context>, Path(name): Path<String>) -> Result<Json<Value>, Problem> {
    let job = name.clone();
    blocking(move || context.jobs.forget(&job)).await?;
    Ok(Json(json!({"purged": name})))
}

pub(crate) async fn submit(
    State(context): State<Context>,
    Body(request): Body<Submit>,
) -> Result<(StatusCode, Changed<Done>), Problem> {
    Ok((StatusCode::CREATED, Changed(blocking(move || context.jobs.submit(&request)).await?)))
}

pub(crate) async fn apply(
    State(context): State<Context>,
    Body(request): Body<Apply>,
) -> Result<Changed<Applied>, Problem> {
    blocking(move || context.jobs.apply(&request)).await.map(Changed)
}

pub(crate) async fn reload(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Reload>,
) -> Result<Changed<Done>, Problem> {
    blocking(move || context.jobs.reload(&name, &request)).await.map(Changed)
}

pub(crate) async fn rollback(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Rollback>,
) -> Result<Changed<Done>, Problem> {
    blocking(move || context.jobs.rollback(&name, &request)).await.map(Changed)
}

pub(crate) async fn set(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<SetParameters>,
) -> Result<Changed<Done>, Problem> {
    blocking(move || context.jobs.set(&name, &request)).await.map(Changed)
}

pub(crate) async fn scale(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Scale>,
) -> Result<Changed<Done>, Problem> {
    blocking(move || context.jobs.scale(&name, &request)).await.map(Changed)
}

pub(crate) async fn pause(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Hold>,
) -> Result<Changed<Done>, Problem> {
    let completion = blocking(move || context.jobs.pause(&name, &request)).await?;
    Ok(Changed(completion.done().await?))
}

pub(crate) async fn resume(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Hold>,
) -> Result<Changed<Done>, Problem> {
    blocking(move || context.jobs.resume(&name, &request)).await.map(Changed)
}

pub(crate) async fn seek(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Seek>,
) -> Result<Changed<Sought>, Problem> {
    blocking(move || context.jobs.seek(&name, &request)).await.map(Changed)
}

pub(crate) async fn start_shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<ShadowRun>,
) -> Result<Changed<ShadowReport>, Problem> {
    blocking(move || context.jobs.shadow(&name, &request)).await.map(Changed)
}

pub(crate) async fn shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<ShadowReport>, Problem> {
    Ok(Json(context.jobs.shadow_report(&name, false)?))
}

pub(crate) async fn end_shadow(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Changed<ShadowReport>, Problem> {
    Ok(Changed(context.jobs.shadow_report(&name, true)?))
}

pub(crate) async fn samples(
    State(context): State<Context>,
    Path(name): Path<String>,
) -> Result<Json<SampleList>, Problem> {
    Ok(Json(context.jobs.samples(&name)?))
}

pub(crate) async fn upload(State(context): State<Context>, body: Bytes) -> Result<Changed<Uploaded>, Problem> {
    blocking(move || context.jobs.upload(&body)).await.map(Changed)
}
