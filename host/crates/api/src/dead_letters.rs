//! Dead letters: list, show, redrive, purge.

use axum::Json;
use axum::extract::{Path, State};

use crate::audit::Changed;
use crate::context::Context;
use crate::problem::{Body, Problem, Query, blocking, whole};
use crate::types::dead_letters::{
    DeadLetter, DeadLetterList, ListDeadLetters, Purge, Purged, Redrive, Redriven, Which,
};

/// The newest dead letters of a job that fit, and counts of all of them.
pub(crate) async fn list(
    State(context): State<Context>,
    Path(name): Path<String>,
    Query(request): Query<ListDeadLetters>,
) -> Result<Json<DeadLetterList>, Problem> {
    whole(move || context.jobs.dead_letters(&name, &request)).await
}

/// One dead letter of the topic, whole. For the partition `-` stands where the topic has one only.
pub(crate) async fn show(
    State(context): State<Context>,
    Path((name, partition, offset)): Path<(String, String, String)>,
) -> Result<Json<DeadLetter>, Problem> {
    let read = || {
        let partition = if partition == "-" { None } else { Some(partition.parse().ok()?) };
        Some(Which::Record { partition, offset: offset.parse().ok()? })
    };
    let which = read().ok_or_else(|| {
        let detail = format!("{partition}/{offset} is not a partition and an offset");
        Problem::new(400, "bad-request", "the request makes no sense", detail)
    })?;
    whole(move || context.jobs.dead_letter(&name, &which)).await
}

/// One dead letter that is a file of the data folder, whole.
pub(crate) async fn show_file(
    State(context): State<Context>,
    Path((name, file)): Path<(String, String)>,
) -> Result<Json<DeadLetter>, Problem> {
    whole(move || context.jobs.dead_letter(&name, &Which::File { file })).await
}

/// Sends dead letters through the job's present version once more.
pub(crate) async fn redrive(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Redrive>,
) -> Result<Changed<Redriven>, Problem> {
    blocking(move || context.jobs.redrive(&name, &request)).await.map(Changed)
}

/// Deletes dead letters for good.
pub(crate) async fn purge(
    State(context): State<Context>,
    Path(name): Path<String>,
    Body(request): Body<Purge>,
) -> Result<Changed<Purged>, Problem> {
    blocking(move || context.jobs.purge(&name, &request)).await.map(Changed)
}
