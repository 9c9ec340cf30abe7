//! The table of all routes; what each may be called by and with stands there and is checked by the [guard]
//! before its handler runs.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::http::header;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use bytes::Bytes;

use crate::context::Context;
use crate::guard::{self, Gate, Guard};
use crate::route::Route;
use crate::{dead_letters, events, health, jobs, openapi, page, problem, topics};

use crate::types::dead_letters::{DeadLetter, DeadLetterList, ListDeadLetters, Purge, Purged, Redrive, Redriven};
use crate::types::{
    Applied, Apply, Cancel, Done, Hold, JobList, JobView, JobsEvent, LogLines, LookInto, Messages, RecentFigures,
    Reload, Rollback, SampleList, Scale, Seek, SetParameters, ShadowReport, ShadowRun, Sought, Submit, Uploaded,
};

/// All routes but those of the page, which holds no data.
pub fn routes() -> Vec<Route> {
    vec![
        Route::get("/livez", health::live, "says that the host serves").open(),
        Route::get("/readyz", health::ready, "says whether all is well, and to whom may read what is not").open(),
        Route::get("/metrics", health::metrics, "metrics for Prometheus").answers_text(health::OPENMETRICS),
        Route::get("/api/v1/openapi.json", document, "this document").answers_object(),
        Route::get("/api/v1/jobs", jobs::list, "submitted jobs, and files in usr_jobs").answers::<JobList>(200),
        Route::post("/api/v1/jobs", jobs::submit, "submits a job").takes::<Submit>().answers::<Done>(201),
        Route::post("/api/v1/apply", jobs::apply, "has a job be so: submits it, or changes what differs")
            .takes::<Apply>()
            .answers::<Applied>(200),
        Route::get("/api/v1/jobs/{name}", jobs::show, "one job").answers::<JobView>(200),
        Route::get("/api/v1/jobs/{name}/parameters", jobs::parameters, "a job's parameters, each value whole")
            .answers_object(),
        Route::delete("/api/v1/jobs/{name}", jobs::cancel, "cancels a job, once it has drained")
            .query::<Cancel>()
            .answers::<Done>(200),
        Route::delete(
            "/api/v1/jobs/{name}/history",
            jobs::forget,
            "forgets the versions and history of a job that is gone",
        )
        .answers_object(),
        Route::post("/api/v1/jobs/{name}/reload", jobs::reload, "puts a new version to work, while the job runs")
            .takes::<Reload>()
            .answers::<Done>(200),
        Route::post("/api/v1/jobs/{name}/rollback", jobs::rollback, "goes back to an earlier version")
            .takes::<Rollback>()
            .answers::<Done>(200),
        Route::post("/api/v1/jobs/{name}/set", jobs::set, "sets parameters, while the job runs")
            .takes::<SetParameters>()
            .answers::<Done>(200),
        Route::post("/api/v1/jobs/{name}/scale", jobs::scale, "changes how many instances a job has")
            .takes::<Scale>()
            .answers::<Done>(200),
        Route::post(
            "/api/v1/jobs/{name}/pause",
            jobs::pause,
            "holds a job: it delivers what is in flight and reads no more",
        )
        .takes::<Hold>()
        .answers::<Done>(200),
        Route::post("/api/v1/jobs/{name}/resume", jobs::resume, "lets a held job go on")
            .takes::<Hold>()
            .answers::<Done>(200),
        Route::post("/api/v1/jobs/{name}/seek", jobs::seek, "moves the committed offsets of a held job")
            .takes::<Seek>()
            .answers::<Sought>(200),
        Route::post("/api/v1/jobs/{name}/shadow", jobs::start_shadow, "runs another version beside, without writing")
            .takes::<ShadowRun>()
            .answers::<ShadowReport>(200),
        Route::get("/api/v1/jobs/{name}/shadow", jobs::shadow, "what the last shadow run has found so far")
            .answers::<ShadowReport>(200),
        Route::delete("/api/v1/jobs/{name}/shadow", jobs::end_shadow, "ends a shadow run").answers::<ShadowReport>(200),
        Route::get(
            "/api/v1/jobs/{name}/samples",
            jobs::samples,
            "the last records in and out, where the host keeps any",
        )
        .answers::<SampleList>(200),
        Route::get("/api/v1/jobs/{name}/logs", events::logs, "the last lines of a job's log, or all that come")
            .query::<events::LogQuery>()
            .answers::<LogLines>(200),
        Route::get(
            "/api/v1/jobs/{name}/dead-letters",
            dead_letters::list,
            "the newest dead letters that fit, and counts",
        )
        .query::<ListDeadLetters>()
        .answers::<DeadLetterList>(200),
        Route::get("/api/v1/jobs/{name}/dead-letters/{partition}/{offset}", dead_letters::show, "a dead letter, whole")
            .answers::<DeadLetter>(200),
        Route::get(
            "/api/v1/jobs/{name}/dead-letters/files/{file}",
            dead_letters::show_file,
            "a dead letter that is a file of the data folder, whole",
        )
        .answers::<DeadLetter>(200),
        Route::post(
            "/api/v1/jobs/{name}/dead-letters/redrive",
            dead_letters::redrive,
            "sends dead letters through the job's present version once more",
        )
        .takes::<Redrive>()
        .answers::<Redriven>(200),
        Route::post("/api/v1/jobs/{name}/dead-letters/purge", dead_letters::purge, "deletes dead letters for good")
            .takes::<Purge>()
            .answers::<Purged>(200),
        Route::get(
            "/api/v1/topics/{topic}/messages",
            topics::messages,
            "messages of a topic: the last ones, those from some place on, or all that come",
        )
        .write_only()
        .query::<LookInto>()
        .answers::<Messages>(200),
        Route::get("/api/v1/recent", jobs::recent, "the last two minutes of each job, for charts")
            .answers::<RecentFigures>(200),
        Route::get("/api/v1/events", events::events, "jobs and files as they change: server-sent events `jobs`")
            .streams::<JobsEvent>(),
        Route::post("/api/v1/components", jobs::upload, "takes in a component, to be submitted by its digest")
            .takes_component()
            .answers::<Uploaded>(200),
    ]
}

/// All routes, each behind its guard.
pub fn router(context: Context, guard: Guard) -> Router {
    let guard = Arc::new(guard);
    let guarded = routes().into_iter().fold(Router::new(), |router, route| {
        let gate = Gate::new(&guard, &route);
        router.route(route.path, route.handler.layer(from_fn_with_state(gate, guard::gate)))
    });
    guarded
        .merge(page::routes())
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(guard, guard::site))
        .layer(from_fn(problem::told))
        .with_state(context)
}

/// Made once: it takes long, and is the same each time.
static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| openapi::document(&routes()).to_string().into());

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT.clone())
}
