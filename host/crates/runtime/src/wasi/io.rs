//! `wasi:io`: streams that end in the job's log, and waiting.

use std::time::Instant;

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::{Guest, refused};

/// Bytes that a guest may write in one call.
const WRITE: u64 = 64 << 10;
/// A longer line comes in pieces.
const LINE: usize = 4096;

/// `wasi:io/error#error`: nobody gets one, since nothing fails but by its end.
pub(super) struct Error;

/// `wasi:io/streams#input-stream`, at its end.
pub(super) struct Input;

/// `wasi:io/streams#output-stream`.
#[derive(Clone, Copy)]
pub(super) enum Output {
    Out,
    Err,
}

/// `wasi:io/poll#pollable`: ready from a moment on, or never.
pub(super) struct Pollable(pub(super) Option<Instant>);

#[derive(ComponentType, Lower, Lift)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Error>),
    #[component(name = "closed")]
    Closed,
}

/// Text on its way to the log: complete lines go at once.
#[derive(Default)]
pub(super) struct Lines {
    begun: Vec<u8>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8], mut log: impl FnMut(&str)) {
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
    fn end(&mut self, mut log: impl FnMut(&str)) {
        let line = String::from_utf8_lossy(&self.begun);
        let line = line.trim_end_matches('\r');
        if !line.is_empty() {
            log(line);
        }
        self.begun.clear();
    }
}

impl Guest {
    /// Has a guest's output split into lines for the log.
    fn write(&mut self, stream: &Resource<Output>, bytes: &[u8]) -> wasmtime::Result<()> {
        if bytes.len() as u64 > WRITE {
            return Err(refused(format!("the job wrote {} bytes in one call; {WRITE} are allowed", bytes.len())));
        }
        let output = *self.wasi.table.get(stream)?;
        self.with_lines(output, |lines, log| lines.write(bytes, log));
        Ok(())
    }

    /// A call of the guest is over: what it printed without ending the line is a line.
    pub(crate) fn end_lines(&mut self) {
        for output in [Output::Out, Output::Err] {
            self.with_lines(output, |lines, log| lines.end(log));
        }
    }

    fn with_lines(&mut self, output: Output, work: impl FnOnce(&mut Lines, &mut dyn FnMut(&str))) {
        let (mut lines, level) = match output {
            Output::Out => (std::mem::take(&mut self.wasi.out), tracing::Level::INFO),
            Output::Err => (std::mem::take(&mut self.wasi.err), tracing::Level::WARN),
        };
        work(&mut lines, &mut |line| self.say(level, line));
        match output {
            Output::Out => self.wasi.out = lines,
            Output::Err => self.wasi.err = lines,
        }
    }
}

/// Registers a resource whose handles are in the table.
pub(super) fn resource<T: Send + 'static>(at: &mut LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    at.resource(name, ResourceType::host::<T>(), |mut store, rep| {
        store.data_mut().wasi.table.delete(Resource::<T>::new_own(rep))?;
        Ok(())
    })
}

pub(super) fn error(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Error>(at, "error")
}

pub(super) fn poll(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Pollable>(at, "pollable")?;
    at.func_wrap("[method]pollable.ready", |store: StoreContextMut<'_, Guest>, (pollable,): (Resource<Pollable>,)| {
        let ready = store.data().wasi.table.get(&pollable)?.0;
        Ok((ready.is_some_and(|ready| ready <= Instant::now()),))
    })?;
    at.func_wrap("[method]pollable.block", |store: StoreContextMut<'_, Guest>, (pollable,): (Resource<Pollable>,)| {
        let wasi = &store.data().wasi;
        let ready = wasi.table.get(&pollable)?.0;
        wasi.wait(ready.unwrap_or(wasi.deadline))
    })?;
    at.func_wrap("poll", |store: StoreContextMut<'_, Guest>, (pollables,): (Vec<Resource<Pollable>>,)| {
        let wasi = &store.data().wasi;
        if pollables.is_empty() {
            return Err(refused("the job polled nothing"));
        }
        let ready = pollables.iter().map(|p| Ok(wasi.table.get(p)?.0)).collect::<wasmtime::Result<Vec<_>>>()?;
        wasi.wait(ready.iter().flatten().min().copied().unwrap_or(wasi.deadline))?;
        let now = Instant::now();
        let due = (0u32..).zip(&ready).filter(|(_, ready)| ready.is_some_and(|ready| ready <= now));
        Ok((due.map(|(index, _)| index).collect::<Vec<_>>(),))
    })
}

pub(super) fn streams(at: &mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()> {
    resource::<Input>(at, "input-stream")?;
    resource::<Output>(at, "output-stream")?;
    type Read = (Resource<Input>, u64);
    for name in ["read", "blocking-read"] {
        at.func_wrap(&format!("[method]input-stream.{name}"), |_, _: Read| {
            Ok((Err::<Vec<u8>, _>(StreamError::Closed),))
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        at.func_wrap(&format!("[method]input-stream.{name}"), |_, _: Read| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    for name in ["splice", "blocking-splice"] {
        type Splice = (Resource<Output>, Resource<Input>, u64);
        at.func_wrap(&format!("[method]output-stream.{name}"), |_, _: Splice| {
            Ok((Err::<u64, _>(StreamError::Closed),))
        })?;
    }
    at.func_wrap("[method]input-stream.subscribe", |mut store: StoreContextMut<'_, Guest>, _: (Resource<Input>,)| {
        ready_now(store.data_mut())
    })?;
    at.func_wrap(
        "[method]output-stream.subscribe",
        |mut store: StoreContextMut<'_, Guest>, _: (Resource<Output>,)| ready_now(store.data_mut()),
    )?;
    at.func_wrap("[method]output-stream.check-write", |_, _: (Resource<Output>,)| Ok((Ok::<_, StreamError>(WRITE),)))?;
    for name in ["flush", "blocking-flush"] {
        at.func_wrap(&format!("[method]output-stream.{name}"), |_, _: (Resource<Output>,)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }
    for name in ["write", "blocking-write-and-flush"] {
        at.func_wrap(
            &format!("[method]output-stream.{name}"),
            |mut store: StoreContextMut<'_, Guest>, (stream, bytes): (Resource<Output>, Vec<u8>)| {
                store.data_mut().write(&stream, &bytes)?;
                Ok((Ok::<(), StreamError>(()),))
            },
        )?;
    }
    for name in ["write-zeroes", "blocking-write-zeroes-and-flush"] {
        // Lines have no use for them.
        at.func_wrap(&format!("[method]output-stream.{name}"), |_, _: (Resource<Output>, u64)| {
            Ok((Ok::<(), StreamError>(()),))
        })?;
    }
    Ok(())
}

fn ready_now(guest: &mut Guest) -> wasmtime::Result<(Resource<Pollable>,)> {
    Ok((guest.wasi.hold(Pollable(Some(Instant::now())))?,))
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
