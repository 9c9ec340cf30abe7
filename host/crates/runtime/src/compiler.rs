//! Compiling in a process of its own. What a compiler needs, in time and memory, is the component's to say; a process
//! has bounds of both, and can be ended.
//!
//! The host starts its own program as `pelton compile`, with the component as standard input, and waits. The process
//! leaves the compiled code in the cache, or says on standard error why there is none; its exit code tells whose fault
//! that is. It gets nothing of the host's environment, which may hold passwords, ends with the host, and is the first to
//! go where the machine runs out of memory.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{Resource, setrlimit};

use crate::cache::Cache;
use crate::compiles::on_compilers;
use crate::component::{componentize, is_core_module};
use crate::error::{Error, TooLong};
use crate::limits::MIB;
use crate::{bounds, compile};
use pelton_model::cause::Because as _;
use pelton_model::digest::digest;
use pelton_model::settings::Limits;

/// Exit code where the component is no good, and where it takes more memory than there is.
const NOT_A_JOB: u8 = 3;
const NO_MEMORY: u8 = 4;
/// How often it is looked whether the process has ended, at first and at most.
const LOOK: Duration = Duration::from_millis(1);
const LONGEST_LOOK: Duration = Duration::from_millis(20);
/// Most bytes of what it says.
const REASON: u64 = 4096;
/// Compiled code larger than this is not written.
const LARGEST_CODE: u64 = 1 << 30;
/// What of the environment it gets: where its libraries are.
const ENVIRONMENT: [&str; 2] = ["LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"];

/// What compiles: a program that, called with `compile`, calls [`serve`].
#[derive(Debug, Clone)]
pub struct Compiler(PathBuf);

impl Compiler {
    /// A program at a path.
    pub fn new(program: PathBuf) -> Self {
        Self(program)
    }

    /// The program that is running, even where its file was replaced meanwhile.
    ///
    /// # Errors
    /// [`Error::Engine`]: the system doesn't tell where it is.
    pub fn this_program() -> Result<Self, Error> {
        if cfg!(target_os = "linux") {
            return Ok(Self("/proc/self/exe".into()));
        }
        std::env::current_exe().context("failed to find the program that is running").because(Error::Engine).map(Self)
    }

    /// Compiles a component, and leaves its code in the cache below `cache`.
    pub(crate) fn run(&self, wasm: &[u8], cache: &Path, limits: &Limits) -> Result<(), Error> {
        let (status, said) = self.exit(wasm, cache, limits)?;
        let no_memory = || {
            let most = limits.compile_mib;
            Error::NotAJob(
                format!("compiling it takes more than {most} MiB of memory (limits.compile_mib): {said}").into(),
            )
        };
        match status.code() {
            Some(0) => Ok(()),
            Some(code) if code == i32::from(NOT_A_JOB) => Err(Error::NotAJob(said.into())),
            Some(code) if code == i32::from(NO_MEMORY) => Err(no_memory()),
            // As Rust does on a panic.
            Some(101) => Err(Error::NotAJob(format!("the compiler panicked on this component: {said}").into())),
            // What fails to get memory aborts, what has no room on its stack too.
            None if said.contains("memory") => Err(no_memory()),
            None if status.signal() == Some(nix::libc::SIGKILL) => {
                let told = "failed to compile: something has killed the process that does it, as the system does where \
                            memory runs out; try again";
                Err(Error::Engine(told.to_owned().into()))
            }
            None => Err(Error::NotAJob(format!("the compiler crashed on this component: {status}, {said}").into())),
            Some(_) => Err(Error::Engine(format!("failed to compile: {said}").into())),
        }
    }

    /// Waits for the end of the process, or ends it.
    fn exit(&self, wasm: &[u8], cache: &Path, limits: &Limits) -> Result<(ExitStatus, String), Error> {
        // Files, since a pipe would have to be served meanwhile.
        let file = |bytes: &[u8]| -> Result<File> {
            let write = || -> std::io::Result<File> {
                // It may be deleted at any time.
                fs::DirBuilder::new().recursive(true).mode(0o700).create(cache)?;
                let mut file = tempfile::tempfile_in(cache)?;
                file.write_all(bytes)?;
                file.rewind()?;
                Ok(file)
            };
            write().with_context(|| format!("failed to write a file in {}", cache.display()))
        };
        let start = || -> Result<_> {
            let (input, mut said) = (file(wasm)?, file(&[])?);
            let mut child = Command::new(&self.0)
                // What `ps` shows.
                .arg0("pelton")
                .arg("compile")
                .arg("--cache")
                .arg(cache)
                .args(["--cache-mib", &limits.cache_mib.to_string(), "--memory-mib", &limits.compile_mib.to_string()])
                .args(["--seconds", &limits.compile_time.as_secs().saturating_add(1).to_string()])
                .env_clear()
                .envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
                // Each arena takes address space, of which there is only so much.
                .env("MALLOC_ARENA_MAX", "2")
                .stdin(Stdio::from(input))
                .stdout(Stdio::null())
                .stderr(Stdio::from(said.try_clone()?))
                .spawn()
                .with_context(|| format!("failed to start {} compile", self.0.display()))?;
            let (deadline, mut look) = (Instant::now() + limits.compile_time, LOOK);
            let status = loop {
                if let Some(status) = child.try_wait()? {
                    break Some(status);
                }
                if Instant::now() >= deadline {
                    child.kill()?;
                    child.wait()?;
                    break None;
                }
                std::thread::sleep(look);
                look = (look * 2).min(LONGEST_LOOK);
            };
            let mut text = Vec::new();
            said.rewind()?;
            said.take(REASON).read_to_end(&mut text)?;
            Ok((status, String::from_utf8_lossy(&text).trim().to_owned()))
        };
        let (status, said) = start().context("failed to compile").because(Error::Engine)?;
        match status {
            Some(status) => Ok((status, said)),
            None => Err(Error::CompileTime(TooLong::BrokenOff(limits.compile_time))),
        }
    }
}

/// What the process may use, and where it leaves what it makes.
#[derive(Debug)]
pub struct Bounds {
    /// The root of the cache of compiled code.
    pub cache: PathBuf,
    /// What the cache may take, MiB.
    pub cache_mib: usize,
    /// Address space, MiB.
    pub memory_mib: usize,
    /// Time on a core, in seconds, for each core: where the host did not end it.
    pub seconds: u64,
}

/// Compiles what comes on standard input: what `pelton compile` does. Gives the exit code, having said why.
pub fn serve(bounds: &Bounds) -> u8 {
    let compiled = restrict(bounds).context("failed to bound this process").because(Error::Engine);
    match compiled.and_then(|()| compile(bounds)) {
        Ok(()) => 0,
        Err(error) => {
            let text = error.to_string();
            // The process is as good as ended where that fails.
            let _ = std::io::stderr().write_all(text.as_bytes());
            match error {
                _ if text.contains("Cannot allocate memory") => NO_MEMORY,
                Error::NotAJob(_) | Error::Module(_) => NOT_A_JOB,
                _ => 1,
            }
        }
    }
}

fn restrict(bounds: &Bounds) -> Result<()> {
    let memory = (bounds.memory_mib.saturating_mul(MIB)) as u64;
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
    let seconds = bounds.seconds.saturating_mul(cores);
    for (resource, most) in [
        (Resource::RLIMIT_AS, memory),
        (Resource::RLIMIT_CPU, seconds),
        (Resource::RLIMIT_FSIZE, LARGEST_CODE),
        (Resource::RLIMIT_CORE, 0),
    ] {
        setrlimit(resource, most, most)?;
    }
    #[cfg(target_os = "linux")]
    {
        nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
        // Where the system has no such thing, nobody else goes first either.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    Ok(())
}

fn compile(bounds: &Bounds) -> Result<(), Error> {
    let mut wasm = Vec::new();
    std::io::stdin().read_to_end(&mut wasm).context("failed to read the component").because(Error::Engine)?;
    let engine = compile::engine(compile::Cpu::Native).because(Error::Engine)?;
    let limit = (bounds.cache_mib as u64) << 20;
    let cache = Cache::open(&bounds.cache, &engine, limit, None).because(Error::Engine)?;
    let compiled = on_compilers(|| compiled(&engine, Some(&cache), &wasm)).because(Error::Engine)?;
    let compiled = compiled.because(Error::NotAJob)?;
    cache.put_code(&digest(&wasm), &compiled).context("failed to keep the compiled code").because(Error::Engine)
}

/// Compiles a component within bounds, after a core module was made into one.
pub(crate) fn compiled(
    engine: &wasmtime::Engine,
    cache: Option<&Cache>,
    wasm: &[u8],
) -> Result<crate::compiled::Compiled> {
    bounds::check(wasm)?;
    let made = if is_core_module(wasm) { Some(componentize(wasm)?) } else { None };
    compile::compile(engine, cache, made.as_deref().unwrap_or(wasm))
}
