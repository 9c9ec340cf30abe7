//! What a statement that takes long waits for, in the words of the server.
//!
//! It is asked in a session of its own, for the one that writes is busy. The text of the statement holds no values,
//! which are sent apart from it; that of whoever stands in its way may, so it is not told.

use std::time::Duration;

use pelton_model::text::is_unsafe;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Row};

use super::connect::{ConnectionUrl, Session};
use super::error::describe;

/// How long the look may take.
const LOOK: Duration = Duration::from_secs(3);
/// Characters of a statement that are shown, and of a name.
const STATEMENT: usize = 200;
const NAME: usize = 64;
/// Most processes in its way that are named.
const NAMED: usize = 3;

/// What the server's process does; as text, since the types of a server's own views differ between versions.
const PROCESS: &str = "SELECT query, coalesce(state, ''), coalesce(wait_event_type, ''), coalesce(wait_event, '')
    FROM pg_catalog.pg_stat_activity WHERE pid = $1 AND application_name = $2";

/// Who stands in its way; 0 is a transaction that is prepared for a commit in two phases.
const BLOCKERS: &str = "SELECT blocker.pid::pg_catalog.text, coalesce(a.usename::pg_catalog.text, ''),
        coalesce(a.application_name, ''), coalesce(a.state, ''),
        coalesce(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - a.xact_start)::pg_catalog.int8, -1)
    FROM pg_catalog.unnest(pg_catalog.pg_blocking_pids($1)) AS blocker(pid)
    LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = blocker.pid ORDER BY blocker.pid";

/// What process `backend` of the server does for the session of this name, or why that can't be told.
pub(super) async fn look(url: &ConnectionUrl, name: &str, backend: i32) -> String {
    let looking = async {
        let session = Session::connect(url, "pelton", LOOK).await.map_err(|error| error.to_string())?;
        ask(session.client(), name, backend).await.map_err(|error| describe(&error))
    };
    let found = tokio::time::timeout(LOOK, looking).await;
    found
        .unwrap_or_else(|_| Err(format!("no answer within {LOOK:?}")))
        .unwrap_or_else(|error| format!("what it waits for can't be told: {error}"))
}

async fn ask(client: &Client, name: &str, backend: i32) -> Result<String, Error> {
    let found = client.query_typed(PROCESS, &[(&backend, Type::INT4), (&name, Type::TEXT)]).await?;
    let Some(row) = found.first() else {
        return Ok("the server has no process for it; a pooler between may have lost it".to_owned());
    };
    let [query, state, kind, event] = texts(row)?;
    let query = shown(&query, STATEMENT);
    if state != "active" {
        return Ok(format!("the server has done `{query}` and waits for this host"));
    }
    let blockers = client.query_typed(BLOCKERS, &[(&backend, Type::INT4)]).await?;
    let waits = match (kind.as_str(), event.as_str()) {
        ("", _) => "is at work".to_owned(),
        (kind, event) => format!("waits for {} {}", shown(kind, NAME), shown(event, NAME)),
    };
    if blockers.is_empty() {
        return Ok(format!("`{query}` {waits}"));
    }
    let named = blockers.iter().take(NAMED).map(blocker).collect::<Result<Vec<_>, _>>()?;
    let more = if blockers.len() > NAMED { ", …" } else { "" };
    Ok(format!("`{query}` {waits}, blocked by {}{more}", named.join(", ")))
}

fn blocker(row: &Row) -> Result<String, Error> {
    let [pid, role, application, state] = texts(row)?;
    if pid == "0" {
        return Ok("a prepared transaction (pg_prepared_xacts)".to_owned());
    }
    let seconds: i64 = row.try_get(4)?;
    let mut told = format!("process {pid}");
    let mut about = Vec::new();
    for (what, name) in [("role", &role), ("application", &application)] {
        if !name.is_empty() {
            about.push(format!("{what} {}", shown(name, NAME)));
        }
    }
    if !state.is_empty() {
        about.push(shown(&state, NAME));
    }
    if seconds >= 0 {
        about.push(format!("in a transaction for {seconds} s"));
    }
    if !about.is_empty() {
        told.push_str(&format!(" ({})", about.join(", ")));
    }
    Ok(told)
}

fn texts(row: &Row) -> Result<[String; 4], Error> {
    Ok([row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?])
}

/// A line of so many characters: whoever names a session writes no lines of a log.
fn shown(text: &str, most: usize) -> String {
    let line = text.split(|c: char| c.is_whitespace() || is_unsafe(c)).filter(|word| !word.is_empty());
    let line = line.collect::<Vec<_>>().join(" ");
    let mut shown: String = line.chars().take(most).collect();
    if line.chars().count() > most {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(shown("INSERT  INTO t\n\tVALUES ($1)", 50), "INSERT INTO t VALUES ($1)");
        assert_eq!(shown("a\u{1b}[31m\r\nb", 50), "a [31m b");
        assert_eq!(shown("abcdef", 3), "abc…");
    }
}
