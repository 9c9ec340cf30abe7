//! Topics: what is in them. Whoever may submit a job may read any topic by it, and nobody else is shown one here.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{Stream, stream};
use pelton_control::verbs::topics::Followed;
use pelton_model::text;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::events::{ALIVE, ALIVE_EVERY, stream_of};
use crate::feed::event;
use crate::places::Place;
use crate::problem::{Problem, Query, blocking};
use crate::types::LookInto;

/// Messages that are on their way to a client; it is not read further until there is room.
const ON_THE_WAY: usize = 16;

/// Messages of a topic: those that are asked for, or, followed, those and all that come.
pub(crate) async fn messages(
    State(context): State<Context>,
    Path(topic): Path<String>,
    Query(request): Query<LookInto>,
    Extension(place): Extension<Arc<Place>>,
) -> Result<Response, Problem> {
    if !request.follow {
        let found = blocking(move || context.jobs.messages(&topic, &request)).await?;
        return Ok(Json(found).into_response());
    }
    place.stream()?;
    let followed = blocking(move || context.jobs.follow(&topic, &request)).await?;
    Ok(stream_of(follow(followed)?))
}

/// What comes, read on a thread of its own that ends soon after the client has gone.
fn follow(followed: Followed) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Problem> {
    let (sender, receiver) = mpsc::channel::<Bytes>(ON_THE_WAY);
    let reads = move || {
        let shown = followed.run(|message| match message {
            Some(message) => sender.blocking_send(event("message", None, &message)).is_ok(),
            None => !sender.is_closed(),
        });
        if let Err(error) = shown {
            // Its lines would be lines of the stream.
            let told = format!(": this stream ends: {}\n\n", text::line(&error.to_string()));
            drop(sender.blocking_send(told.into()));
        }
    };
    std::thread::Builder::new().name("tail".to_owned()).spawn(reads).map_err(|error| {
        Problem::new(500, "internal", "the topic is not followed", format!("no thread could be started: {error}"))
    })?;
    Ok(stream::unfold(receiver, |mut receiver| async move {
        let next = match tokio::time::timeout(ALIVE_EVERY, receiver.recv()).await {
            Ok(next) => next?,
            Err(_) => Bytes::from_static(ALIVE),
        };
        Some((Ok(next), receiver))
    }))
}
