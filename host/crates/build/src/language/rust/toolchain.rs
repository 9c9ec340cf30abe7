//! Finds a way to compile Rust for wasm32-unknown-unknown, and gives the command for it.
//!
//! Rustup's toolchain is asked first, and told to add the target where it lacks it. Where that can't be had (without
//! rustup, or without a connection to its servers) Debian's `rustc-web`, `cargo-web` and `rust-web-src` serve: they
//! bring the sources of the standard library, which is then built along.

use anyhow::{Context, Result, bail, ensure};
use std::{
    env,
    fmt::{self, Display},
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const TARGET: &str = "wasm32-unknown-unknown";

/// A way to compile.
pub(super) enum Toolchain {
    /// The `cargo` of the search path, whose toolchain has the target.
    Installed,
    /// Debian's packages, with a linker for wasm.
    Debian { linker: PathBuf },
}

impl Toolchain {
    /// Finds one for a guest's folder: rustup chooses by folder.
    pub(super) fn find(source: &Path) -> Result<Self> {
        if has_target(source) || add_target(source) {
            return Ok(Self::Installed);
        }
        let has_debians = Path::new("/usr/bin/cargo").is_file() && Path::new("/usr/lib/rustlib/src").is_dir();
        match linker(source) {
            Some(linker) if has_debians => Ok(Self::Debian { linker }),
            _ => bail!(
                "found no Rust for {TARGET}: run `rustup target add {TARGET}`, or on Debian \
                 `apt-get install rustc-web cargo-web rust-web-src rust-web-llvm lld-22`"
            ),
        }
    }

    /// `cargo build` for the guests of a folder, with its messages as JSON on standard output; if `quiet`, without
    /// telling what it is doing.
    pub(super) fn cargo_build(&self, source: &Path, quiet: bool) -> Result<Command> {
        let quiet = quiet.then_some("--quiet");
        let mut locate = self.cargo(source);
        locate.args(["locate-project", "--workspace", "--message-format=plain"]);
        let manifest =
            answer(&mut locate).with_context(|| format!("cannot find the workspace of {}", source.display()))?;
        let workspace = Path::new(&manifest).parent().context("cargo named no workspace")?;
        let locked = workspace.join("Cargo.lock").is_file().then_some("--locked");

        // Before the flags are made: they name the folders that this unpacks to.
        let mut fetch = self.cargo(source);
        fetch.args(["fetch", "--target", TARGET]).args(locked).args(quiet);
        let status = fetch.stderr(Stdio::inherit()).status().context("cannot run cargo")?;
        ensure!(status.success(), "cargo could not fetch what the guests depend on ({status})");

        let mut print = Command::new(self.rustc());
        let sysroot = answer(print.args(["--print", "sysroot"]).current_dir(source))
            .with_context(|| format!("cannot ask {} for its folder", self.rustc()))?;
        let mut build = self.cargo(source);
        build.args(["build", "--release", "--target", TARGET]).args(locked).args(quiet);
        build.arg("--message-format=json-render-diagnostics");
        if let Self::Debian { .. } = self {
            build.arg("-Zbuild-std=std,panic_abort");
        }
        // Settings of the user's own builds have no place in a reproducible one.
        build.env_remove("RUSTFLAGS");
        build.env("CARGO_ENCODED_RUSTFLAGS", flags(workspace, Path::new(&sysroot)).join("\x1f"));
        build.stderr(Stdio::inherit());
        Ok(build)
    }

    fn rustc(&self) -> &'static str {
        match self {
            Self::Installed => "rustc",
            Self::Debian { .. } => "/usr/bin/rustc",
        }
    }

    fn cargo(&self, source: &Path) -> Command {
        let mut cargo = match self {
            Self::Installed => Command::new("cargo"),
            Self::Debian { linker } => {
                let mut cargo = Command::new("/usr/bin/cargo");
                // The standard library's own build uses unstable features of a stable compiler.
                cargo.env("RUSTC", self.rustc()).env("RUSTC_BOOTSTRAP", "1");
                cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                cargo
            }
        };
        cargo.current_dir(source).stdin(Stdio::null());
        cargo
    }
}

impl Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Installed => f.write_str("cargo"),
            Self::Debian { .. } => f.write_str("Debian's cargo, building the standard library"),
        }
    }
}

/// Names the folders of this machine neutrally wherever they get into the module, as they do with every panic's place.
fn flags(workspace: &Path, sysroot: &Path) -> Vec<String> {
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let mut flags = vec![remap(workspace, "."), remap(sysroot, "/rust")];
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(home) = cargo_home.or_else(|| Some(env::home_dir()?.join(".cargo"))) {
        flags.push(remap(&home, "/cargo"));
        // One folder per registry or mirror of it, named after its address.
        let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        flags.extend(registries.map(|registry| remap(&registry.path(), "/cargo")));
    }
    flags
}

/// Whether the toolchain for this folder has the target's standard library.
fn has_target(source: &Path) -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]).current_dir(source);
    answer(&mut rustc).is_ok_and(|folder| Path::new(&folder).is_dir())
}

/// Has rustup add the target; false where there is no rustup or it can't.
fn add_target(source: &Path) -> bool {
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]).current_dir(source).stdin(Stdio::null());
    match rustup.output() {
        Ok(output) if output.status.success() => has_target(source),
        Ok(output) => {
            let messages = String::from_utf8_lossy(&output.stderr);
            tracing::debug!(rustup.messages = %messages, "rustup could not add {TARGET}");
            false
        }
        Err(_) => false,
    }
}

/// A linker for wasm: rustup's, which comes with every toolchain, or LLVM's.
fn linker(source: &Path) -> Option<PathBuf> {
    let sysroot = answer(Command::new("rustc").args(["--print", "sysroot"]).current_dir(source)).ok();
    let host = format!("{}-unknown-linux-gnu", env::consts::ARCH);
    let rustup = sysroot.map(|sysroot| Path::new(&sysroot).join("lib/rustlib").join(host).join("bin/rust-lld"));
    let path = env::var_os("PATH").unwrap_or_default();
    let system = env::split_paths(&path).flat_map(|folder| ["rust-lld", "wasm-ld"].map(|name| folder.join(name)));
    // `is_file` follows links: Debian's `rust-lld` points into `lld-22`, which may not be there.
    rustup.into_iter().chain(system).find(|candidate| candidate.is_file())
}

/// What a command prints on one line.
fn answer(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{} failed ({})", command.get_program().display(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
