//! Why there is no job to run.

use std::time::Duration;

use pelton_model::cause::Cause;

/// Why a component can't be compiled, or be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The host's own part failed: wasmtime's set-up, a thread, the folder of compiled code. No fault of a component.
    #[error("{0}")]
    Engine(Cause),
    /// The bytes are no job: no component, one of another world, or one whose declaration makes no sense. Only other
    /// bytes help.
    #[error("{0}")]
    NotAJob(Cause),
    /// A compile takes too long.
    #[error(transparent)]
    CompileTime(TooLong),
    /// A module that a toolchain made can't become a component.
    #[error("{0}")]
    Module(Cause),
}

/// A component is not compiled in time.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TooLong {
    /// Its own compile takes longer.
    #[error("compiling takes longer than {0:?} (limits.compile_time); it goes on, and is not begun anew meanwhile")]
    Late(Duration),
    /// Its own compile took longer, in a process of its own.
    #[error("compiling it takes longer than {0:?} (limits.compile_time), and was broken off")]
    BrokenOff(Duration),
    /// It was not even begun: there are so many others.
    #[error("{0} other components are being compiled, and none was done within {1:?} (limits.compile_time)")]
    NoPlace(usize, Duration),
}
