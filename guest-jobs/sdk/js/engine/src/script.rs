//! The job's script, which lies beside the engine.

use rquickjs::{Ctx, Module, Object, Result};

#[cfg(target_arch = "wasm32")]
mod beside {
    #[link(wasm_import_module = "pelton:script")]
    unsafe extern "C" {
        /// How many bytes the script has.
        pub(super) safe fn length() -> usize;
        /// Copies all of it to an address.
        pub(super) fn read(to: *mut u8);
    }
}

#[cfg(not(target_arch = "wasm32"))]
mod beside {
    pub(super) fn length() -> usize {
        0
    }

    pub(super) unsafe fn read(_: *mut u8) {}
}

/// Runs the top level of the script. Gives what it exports as `task`.
pub(crate) fn run<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let mut source = vec![0; beside::length()];
    // SAFETY: it writes as many bytes as it says that there are.
    unsafe { beside::read(source.as_mut_ptr()) };
    let (module, evaluated) = Module::declare(ctx.clone(), "job.js", source)?.eval()?;
    evaluated.finish::<()>()?;
    module.get("task")
}
