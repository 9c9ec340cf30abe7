//! Dead letters: list, show, redrive, purge.

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Path, Query, State};

use super::Context;
use super::types::Problem;
use super::types::dead_letters::{
    DeadLetter, DeadLetterList, ListDeadLetters, Purge, Purged, Redrive, Redriven, Which,
};

fn bad_request(detail: String) -> Problem {
    Problem::new(400, "bad-request", "the request makes no sense", detail)
}

fn body<T>(body: Result<Json<T>, JsonRejection>) -> Result<T, Problem> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(JsonRejection::MissingJsonContentType(_)) => {
            let detail = "its content type is not application/json";
            Err(Problem::new(415, "content-type", "the request is not taken", detail))
        }
        Err(error) => Err(bad_request(error.body_text())),
    }
}

/// The newest dead letters of a job that fit, and counts of all of them.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{name}/dead-letters",
    params(("name" = String, Path, description = "the job, submitted or cancelled"), ListDeadLetters),
    responses((status = 200, body = DeadLetterList))
)]
pub(super) async fn list(
    State(context): State<Context>,
    Path(name): Path<String>,
    query: Result<Query<ListDeadLetters>, QueryRejection>,
) -> Result<Json<DeadLetterList>, Problem> {
    let Query(request) = query.map_err(|error| bad_request(error.body_text()))?;
    context.jobs.dead_letters(name, request).await.map(Json)
}

/// One dead letter of the topic, whole.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{name}/dead-letters/{partition}/{offset}",
    params(
        ("name" = String, Path, description = "the job, submitted or cancelled"),
        ("partition" = String, Path, description = "the partition of the dead-letter topic; `-` where it has one only"),
        ("offset" = i64, Path, description = "the offset in it")
    ),
    responses((status = 200, body = DeadLetter))
)]
pub(super) async fn show(
    State(context): State<Context>,
    Path((name, partition, offset)): Path<(String, String, String)>,
) -> Result<Json<DeadLetter>, Problem> {
    let read = || {
        let partition = if partition == "-" { None } else { Some(partition.parse().ok()?) };
        Some(Which::Record { partition, offset: offset.parse().ok()? })
    };
    let which = read().ok_or_else(|| bad_request(format!("{partition}/{offset} is not a partition and an offset")))?;
    context.jobs.dead_letter(name, which).await.map(Json)
}

/// One dead letter that is a file of the data folder, whole.
#[utoipa::path(
    get,
    path = "/api/v1/jobs/{name}/dead-letters/files/{file}",
    params(
        ("name" = String, Path, description = "the job, submitted or cancelled"),
        ("file" = String, Path, description = "the file's name, as a list gives it")
    ),
    responses((status = 200, body = DeadLetter))
)]
pub(super) async fn show_file(
    State(context): State<Context>,
    Path((name, file)): Path<(String, String)>,
) -> Result<Json<DeadLetter>, Problem> {
    context.jobs.dead_letter(name, Which::File { file }).await.map(Json)
}

/// Sends dead letters through the job's present version once more.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{name}/dead-letters/redrive",
    params(("name" = String, Path, description = "the job, running or paused")),
    request_body = Redrive,
    responses((status = 200, body = Redriven))
)]
pub(super) async fn redrive(
    State(context): State<Context>,
    Path(name): Path<String>,
    request: Result<Json<Redrive>, JsonRejection>,
) -> Result<Json<Redriven>, Problem> {
    context.jobs.redrive(name, body(request)?).await.map(Json)
}

/// Deletes dead letters for good.
#[utoipa::path(
    post,
    path = "/api/v1/jobs/{name}/dead-letters/purge",
    params(("name" = String, Path, description = "the job, submitted or cancelled")),
    request_body = Purge,
    responses((status = 200, body = Purged))
)]
pub(super) async fn purge(
    State(context): State<Context>,
    Path(name): Path<String>,
    request: Result<Json<Purge>, JsonRejection>,
) -> Result<Json<Purged>, Problem> {
    context.jobs.purge(name, body(request)?).await.map(Json)
}
