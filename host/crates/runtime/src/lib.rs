//! The sandbox: wasmtime, set up once for the host, and components compiled for it.
//!
//! A guest is an adversary. It gets a store of its own, no import beyond `log`, `metrics` and the harmless part of
//! WASI, bounded memory, bounded time (epochs), and a bounded answer, and whatever it answers is checked before
//! anything acts on it. What a guest does can fail its own call and nothing else.

mod bindings;
mod bounds;
mod cache;
mod check;
mod compile;
mod compiled;
pub mod compiler;
mod compiles;
pub mod component;
mod describe;
mod error;
mod failure;
mod guest;
mod host;
mod instance;
mod job;
mod limits;
mod numbers;
mod program;
mod split;
pub mod strip;
mod wasi;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use wasmtime::component::Linker;
use wasmtime::component::types::ComponentItem;

pub use component::is_core_module;
pub use error::{Error, TooLong};
pub use failure::Failure;
pub use host::Host;
pub use instance::Instance;
pub use job::CompiledJob;
pub use limits::{Meter, TICK};
pub use program::{Process, Program};

use pelton_model::cause::Because as _;
use pelton_model::digest::digest;
use pelton_model::settings::Limits;
use pelton_model::text::{cut, quoted};

use bindings::v0_1;
use cache::Cache;
use compile::Cpu;
use compiled::Compiled;
use compiler::Compiler;
use compiles::{Compiles, on_compilers};
use guest::Guest;

/// The package whose interfaces a component may import, beside those of WASI that `wasi` offers.
const OFFERED: &str = "pelton:job/";
/// Longest list of what a component exports instead of a job.
const EXPORTS_BYTES: usize = 1_000;
/// Why a file of any other kind is no job.
const NO_WASM: &str = "not a valid WebAssembly component: the file is no WebAssembly, which begins with \\0asm; `pelton \
                       build` makes a component of a project";
/// What WebAssembly begins with.
const MAGIC: &[u8] = b"\0asm";
/// Why machine code is no job: only what this host has compiled itself is run.
const COMPILED: &str = "this is compiled code (an ELF file, such as wasmtime's .cwasm), which Pelton takes from nobody; \
                        submit the component that it was made from";

/// How much later than its process a compile is given up.
const PATIENCE: Duration = Duration::from_secs(10);

/// wasmtime, set up. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: wasmtime::Engine,
    limits: Limits,
    cache: Option<Cache>,
    compiles: Arc<Compiles<CompiledJob>>,
    compiler: Option<Compiler>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Engine {
    /// Sets up wasmtime, with compiled code kept below `cache` if given, and starts the thread that measures time. The
    /// thread ends with the last clone of the engine.
    ///
    /// # Errors
    /// Wasmtime, the thread or the folder can't be had: [`Error::Engine`].
    pub fn new(limits: Limits, cache: Option<&Path>) -> Result<Self, Error> {
        Self::beside(limits, cache, None)
    }

    /// The same; what client commands have compiled, and keep in `commands`, is not compiled again.
    pub fn beside(limits: Limits, cache: Option<&Path>, commands: Option<PathBuf>) -> Result<Self, Error> {
        Self::set_up(Cpu::Native, limits, cache, commands).because(Error::Engine)
    }

    /// The same, whose compiled code is alike on all machines, for who counts its instructions: of what the CPU has it
    /// uses the level x86-64-v3 (AVX2, BMI2, FMA) and no more.
    ///
    /// # Errors
    /// As of [`new`](Self::new). Code that was compiled so is refused, as from the cache, where the CPU lacks any of it.
    pub fn x86_64_v3(limits: Limits, cache: &Path) -> Result<Self, Error> {
        Self::set_up(Cpu::X86_64V3, limits, Some(cache), None).because(Error::Engine)
    }

    fn set_up(cpu: Cpu, limits: Limits, cache: Option<&Path>, commands: Option<PathBuf>) -> anyhow::Result<Self> {
        let inner = compile::engine(cpu)?;
        let limit = (limits.cache_mib as u64) << 20;
        let cache = cache.map(|folder| Cache::open(folder, &inner, limit, commands)).transpose()?;
        let weak = inner.weak();
        std::thread::Builder::new()
            .name("epochs".to_owned())
            .spawn(move || {
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    std::thread::sleep(TICK);
                }
            })
            .context("failed to start the thread that measures guests' time")?;
        Ok(Self { inner, limits, cache, compiles: Arc::default(), compiler: None })
    }

    /// The same, which has components compiled by a program, within bounds of time and memory, where it has a cache to
    /// find the code in. Without one it compiles on threads of its own, which can't be broken off.
    #[must_use]
    pub fn with_compiler(self, compiler: Option<Compiler>) -> Self {
        Self { compiler, ..self }
    }

    /// Wasmtime, for who runs modules by themselves.
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }

    /// A core module, compiled where it is not in the cache: as it is there for the components that hold it.
    ///
    /// # Errors
    /// It is not valid.
    pub fn module(&self, wasm: &[u8]) -> Result<wasmtime::Module, Error> {
        let compiled = on_compilers(|| compile::module(&self.inner, self.cache.as_ref(), wasm));
        compiled.because(Error::Engine)?.because(Error::Module)
    }

    /// A job whose compiled code and declaration are in the cache: ready within milliseconds.
    pub fn cached(&self, digest: &str) -> Option<CompiledJob> {
        let (compiled, spec) = self.cache.as_ref()?.get(&self.inner, digest)?;
        // It may have been kept by a version that took more: compiled again, it is refused with the reason.
        let spec = spec?;
        spec.check().ok()?;
        let mut job = self.link(&compiled, digest).ok()?;
        job.spec = Arc::new(spec);
        Some(job)
    }

    /// Compiles a component that is not in the cache, checks that it is a job, and asks it what it declares. A core
    /// module that holds a component's bindings serves as well. Takes seconds for the first component of an interpreted
    /// language.
    ///
    /// # Errors
    /// [`Error::NotAJob`], [`Error::CompileTime`], or the host's own failure.
    pub fn load(&self, wasm: &[u8]) -> Result<CompiledJob, Error> {
        let digest = digest(wasm);
        if let Some(job) = self.cached(&digest) {
            return Ok(job);
        }
        if wasm.starts_with(b"\x7fELF") {
            return Err(Error::NotAJob(COMPILED.to_owned().into()));
        }
        // The parser would tell the bytes one by one.
        if wasm.len() >= MAGIC.len() && !wasm.starts_with(MAGIC) {
            return Err(Error::NotAJob(NO_WASM.to_owned().into()));
        }
        let (engine, bytes, of) = (self.clone(), wasm.to_vec(), digest.clone());
        match (&self.compiler, &self.cache) {
            (Some(compiler), Some(cache)) => {
                let (compiler, cache) = (compiler.clone(), cache.clone());
                let work = move || engine.have_compiled(&compiler, &cache, &bytes, &of);
                // The process ends in time, and what it came to is better than that it is late.
                self.compiles.run(&digest, self.limits.compile_time.saturating_add(PATIENCE), work)
            }
            _ => self.compiles.run(&digest, self.limits.compile_time, move || engine.compile(&bytes, &of)),
        }
    }

    /// Has a component compiled in a process of its own; what is a job goes to the cache.
    fn have_compiled(
        &self,
        compiler: &Compiler,
        cache: &Cache,
        wasm: &[u8],
        digest: &str,
    ) -> Result<CompiledJob, Error> {
        // It may be there without what it declares.
        let found = cache.get(&self.inner, digest).map(Ok).unwrap_or_else(|| {
            compiler.run(wasm, cache.root(), &self.limits)?;
            let found = cache.get(&self.inner, digest);
            found.context("the compiled code is gone from the cache, or damaged").because(Error::Engine)
        });
        let (compiled, _) = found?;
        let job = self.declared(&compiled, digest).because(Error::NotAJob)?;
        cache.put_declared(digest, &compiled, &job.spec);
        Ok(job)
    }

    /// Compiles a component on threads of this process; what is a job goes to the cache.
    fn compile(&self, wasm: &[u8], digest: &str) -> Result<CompiledJob, Error> {
        let compiled = on_compilers(|| compiler::compiled(&self.inner, self.cache.as_ref(), wasm));
        let compiled = compiled.because(Error::Engine)?.because(Error::NotAJob)?;
        let job = self.declared(&compiled, digest).because(Error::NotAJob)?;
        if let Some(cache) = &self.cache {
            cache.put(digest, &compiled, &job.spec);
        }
        Ok(job)
    }

    /// A component of the right world, linked and asked what it declares.
    fn declared(&self, compiled: &Compiled, digest: &str) -> anyhow::Result<CompiledJob> {
        self.check_world(compiled)?;
        let mut job = self.link(compiled, digest)?;
        let raw = job.describe()?;
        job.spec = Arc::new(describe::spec(raw).context("the job's declaration makes no sense")?);
        Ok(job)
    }

    /// Links a component to what it may import. What it declares is not known by that.
    fn link(&self, compiled: &Compiled, digest: &str) -> anyhow::Result<CompiledJob> {
        let component = &compiled.component;
        let mut linker = Linker::<Guest>::new(&self.inner);
        for runtime in &compiled.runtimes {
            linker.root().module(&runtime.name, &runtime.module).map_err(anyhow::Error::from)?;
        }
        v0_1::Job::add_to_linker::<_, wasmtime::component::HasSelf<Guest>>(&mut linker, |guest| guest)
            .map_err(anyhow::Error::from)?;
        wasi::link(&mut linker, component).map_err(anyhow::Error::from)?;
        let pre = linker
            .instantiate_pre(component)
            .and_then(v0_1::JobPre::new)
            .map_err(anyhow::Error::from)
            .context("the component does not fit the contract pelton:job@0.1")?;
        Ok(CompiledJob { pre, digest: digest.into(), spec: Arc::default(), limits: self.limits.clone() })
    }

    /// Refuses components of another world in words that help, before the linker does in words that don't.
    fn check_world(&self, compiled: &Compiled) -> anyhow::Result<()> {
        let ty = compiled.component.component_type();
        for (name, _) in ty.imports(&self.inner) {
            let is_runtime = compiled.runtimes.iter().any(|runtime| runtime.name == name);
            ensure!(
                is_runtime || name.starts_with(OFFERED) || wasi::is_offered(name),
                "the component imports {}, which Pelton does not offer; a job may import pelton:job/log and \
                 pelton:job/metrics, and of WASI 0.2 the clocks, random numbers and what a program starts with",
                quoted(name)
            );
        }
        let tasks: Vec<_> = ty
            .exports(&self.inner)
            .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentInstance(_)))
            .map(|(name, _)| name.to_owned())
            .collect();
        ensure!(
            tasks.iter().any(|name| name.starts_with("pelton:job/task@0.1.")),
            "the component is not a job: it does not export pelton:job/task@0.1 (it exports {})",
            if tasks.is_empty() { "no interface".into() } else { cut(&tasks.join(", "), EXPORTS_BYTES).into_owned() }
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests;
