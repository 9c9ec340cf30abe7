//! What an instance has of WASI: its handles, its clock, and the lines that it is printing.

use std::time::Instant;

use wasmtime::Trap;
use wasmtime::component::{Resource, ResourceTable};

/// Bytes that a guest may write in one call.
pub(crate) const WRITE: u64 = 64 << 10;
/// A longer line comes in pieces.
const LINE: usize = 4096;

/// Handles that an instance may hold at a time.
const HANDLES: usize = 1000;

/// What an instance has of WASI.
pub(crate) struct Wasi {
    pub(crate) table: ResourceTable,
    pub(crate) out: Lines,
    pub(crate) err: Lines,
    /// The time that the monotonic clock counts from.
    pub(super) started: Instant,
    /// When the call at hand runs out of time.
    pub(crate) deadline: Instant,
}

impl Wasi {
    pub(crate) fn new() -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let now = Instant::now();
        Self { table, out: Lines::default(), err: Lines::default(), started: now, deadline: now }
    }

    /// A handle for the guest to hold.
    pub(super) fn hold<T: Send + 'static>(&mut self, entry: T) -> wasmtime::Result<Resource<T>> {
        self.table.push(entry).map_err(|_| refused(format!("the job holds more than {HANDLES} handles of WASI")))
    }

    /// Waits, but not beyond the call's time.
    pub(super) fn wait(&self, until: Instant) -> wasmtime::Result<()> {
        std::thread::sleep(until.min(self.deadline).saturating_duration_since(Instant::now()));
        if until >= self.deadline { Err(Trap::Interrupt.into()) } else { Ok(()) }
    }
}

/// Why the host ended a call of WASI: as good as a trap of the guest's own.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

pub(crate) fn refused(reason: impl Into<String>) -> wasmtime::Error {
    Refused(reason.into()).into()
}

/// `wasi:io/streams#input-stream`, at its end.
pub(crate) struct Input;

/// `wasi:io/streams#output-stream`.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Out,
    Err,
}

/// `wasi:io/poll#pollable`: ready from a moment on, or never.
pub(crate) struct Pollable(pub(super) Option<Instant>);

/// Text on its way to the log: complete lines go at once.
#[derive(Default)]
pub(crate) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    pub(crate) fn write(&mut self, bytes: &[u8], mut log: impl FnMut(&str)) {
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ends) = part.strip_suffix(b"\n").map_or((part, false), |text| (text, true));
            for piece in text.chunks(LINE) {
                if self.begun.len() + piece.len() > LINE {
                    self.end(&mut log);
                }
                self.begun.extend_from_slice(piece);
            }
            if ends {
                self.end(&mut log);
            }
        }
    }

    /// The line at hand is over. Empty ones are left out.
    pub(crate) fn end(&mut self, mut log: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.begun);
        let line = line.trim_end_matches('\r');
        if !line.is_empty() {
            log(line);
        }
        self.begun.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_become_lines() {
        let (mut log, mut lines) = (Vec::new(), Lines::default());
        for text in ["one", " line\r\n\n", "two\nth", "ree", "\n", "bad \u{e9}"] {
            lines.write(text.as_bytes(), |line| log.push(line.to_owned()));
        }
        lines.write(&[0xff], |line| log.push(line.to_owned()));
        lines.end(|line| log.push(line.to_owned()));
        lines.end(|line| log.push(line.to_owned()));
        assert_eq!(log, ["one line", "two", "three", "bad \u{e9}\u{fffd}"]);
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let (mut log, mut lines) = (Vec::new(), Lines::default());
        for _ in 0..10 {
            lines.write(&[b'x'; 1000], |line| log.push(line.to_owned()));
        }
        lines.write(&[b'y'; 3 * LINE], |line| log.push(line.to_owned()));
        lines.end(|line| log.push(line.to_owned()));
        assert!(log.iter().all(|line| line.len() <= LINE), "{log:?}");
        assert_eq!(log.concat().len(), 10_000 + 3 * LINE);
    }
}
