//! Has Python raise an exception where it is, at its next instruction: with a traceback that names the job's line, and so
//! that the job may catch it. What waits in the C library isn't reached by that.

use wasmtime::{AsContextMut, TypedFunc};

/// CPython's functions for that.
#[derive(Clone)]
pub(super) struct Interrupt {
    /// `PyThreadState_SetAsyncExc`, which only notes what is to be raised: it may be called wherever the thread has a state.
    pub(super) set: TypedFunc<(i32, i32), i32>,
    /// `PyThreadState_GetUnchecked`: the state of the thread, where it has one.
    pub(super) state: TypedFunc<(), i32>,
    /// `PyGILState_Ensure` and `PyGILState_Release`.
    pub(super) ensure: TypedFunc<(), i32>,
    pub(super) release: TypedFunc<i32, ()>,
    /// CPython's name of the only thread.
    pub(super) thread: i32,
    /// Addresses of the exceptions' classes.
    pub(super) timeout: i32,
    pub(super) permission: i32,
}

impl Interrupt {
    /// The time is over, wherever it is: whether that is raised. Not while Python waits for the C library, for its thread
    /// has no state then.
    pub(super) fn time_out(&self, mut store: impl AsContextMut) -> wasmtime::Result<bool> {
        if self.state.call(&mut store, ())? == 0 {
            return Ok(false);
        }
        Ok(self.set.call(store, (self.thread, self.timeout))? > 0)
    }

    /// What the C library is asked for is not permitted; it is a function of the host that says so.
    pub(super) fn refuse(&self, mut store: impl AsContextMut) -> wasmtime::Result<()> {
        let held = self.ensure.call(&mut store, ())?;
        self.set.call(&mut store, (self.thread, self.permission))?;
        self.release.call(store, held)
    }

    /// Takes back what is not raised yet.
    pub(super) fn forget(&self, mut store: impl AsContextMut) -> wasmtime::Result<()> {
        if self.state.call(&mut store, ())? != 0 {
            self.set.call(store, (self.thread, 0))?;
        }
        Ok(())
    }
}
