//! A corpus of hostile guests: what each of them attacks, what becomes of it as its user is told, and that nobody else
//! suffers from it.
//!
//! A guest is a text file in one of the folders here; what it attacks stands in its first comment. Its line in `guests.rs`
//! is its test, and says what is to become of it. A line without a file is an error of the compiler; a file without a line
//! fails every test here. `docs/security.md` has the table of both.
//!
//! For each guest (`arena.rs`): the host is up, the records of a job beside it come through all along, the host never
//! holds more memory than [`arena::MOST_MEMORY`], nothing of the guest reaches the log or a terminal as it is, and the
//! reason is found where a user looks for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

// As the tests know it.
use pelton_testkit::{eventually, kafka, skip};

// Whole hosts and their servers.
#[path = "../it/pelton.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod pelton;
#[path = "../it/schema.rs"]
#[allow(dead_code, unused_imports, reason = "shared with other tests, which use more of it")]
mod schema;
#[path = "../it/stage.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "shared with other tests, which use more of it")]
mod stage;

mod arena;
mod assemble;
mod docs;
mod guests;
mod neighbour;
mod spec;

/// A guest of the corpus.
#[derive(Debug, Clone, Copy)]
struct Guest {
    /// `folder::name`, as its test is called.
    test: &'static str,
    /// Its text.
    text: &'static str,
    fate: Fate,
}

/// What becomes of a guest, with words that its user is told.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// No submit takes it.
    Refused(&'static str),
    /// It runs, and is shown as one that fails; its records wait.
    Fails(&'static str),
    /// The records that it can't be used for become dead letters with this reason, and it goes on to the end.
    Letters(&'static str),
    /// It does its work, and its log says this.
    Logs(&'static str),
    /// It does its work: what it does hurts nobody.
    Runs,
}

impl Guest {
    /// The name of its job, as it declares it.
    fn job(&self) -> String {
        self.test.replace("::", "_")
    }

    /// What it attacks: the comment that its text begins with.
    fn attack(&self) -> String {
        let comment = self.text.lines().map_while(|line| line.strip_prefix(";; "));
        comment.filter(|line| !line.starts_with('@')).collect::<Vec<_>>().join(" ")
    }
}
