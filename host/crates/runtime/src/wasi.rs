//! WASI 0.2 for components that were built with it: enough for a language's runtime to start and to print, and nothing
//! that reaches outside of the sandbox.
//!
//! - Offered: the clocks, random numbers, standard output and standard error as lines of the job's log.
//! - Empty or denied: arguments, environment, standard input, terminals, files, sockets. Whatever would open something
//!   says that there is nothing, or that it may not; what could only be called on something opened traps.
//! - Refused by name, before the component runs: every other interface.
//!
//! A guest is bounded here as elsewhere: it may hold so many handles, write and draw so many bytes in a call, and
//! whoever waits is woken by the end of its time.
//!
//! The patch version is the component's: what is defined here is the same in each of 0.2.

mod cli;
mod clocks;
mod files;
mod io;
mod random;
mod sockets;
pub(crate) mod state;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance};

use crate::guest::Guest;
use state::refused;

/// Defines one interface.
type Define = fn(&mut LinkerInstance<'_, Guest>) -> wasmtime::Result<()>;

/// The interfaces that a component may import.
const INTERFACES: [(&str, Define); 27] = [
    ("wasi:cli/environment", cli::environment),
    ("wasi:cli/exit", cli::exit),
    ("wasi:cli/stdin", cli::stdin),
    ("wasi:cli/stdout", cli::stdout),
    ("wasi:cli/stderr", cli::stderr),
    ("wasi:cli/terminal-input", cli::terminal_input),
    ("wasi:cli/terminal-output", cli::terminal_output),
    ("wasi:cli/terminal-stdin", cli::terminal_stdin),
    ("wasi:cli/terminal-stdout", cli::terminal_stdout),
    ("wasi:cli/terminal-stderr", cli::terminal_stderr),
    ("wasi:io/error", io::error),
    ("wasi:io/poll", io::poll),
    ("wasi:io/streams", io::streams),
    ("wasi:clocks/monotonic-clock", clocks::monotonic),
    ("wasi:clocks/wall-clock", clocks::wall),
    ("wasi:random/random", random::random),
    ("wasi:random/insecure", random::insecure),
    ("wasi:random/insecure-seed", random::insecure_seed),
    ("wasi:filesystem/preopens", files::preopens),
    ("wasi:filesystem/types", files::types),
    ("wasi:sockets/network", sockets::network),
    ("wasi:sockets/instance-network", sockets::instance_network),
    ("wasi:sockets/ip-name-lookup", sockets::ip_name_lookup),
    ("wasi:sockets/tcp", sockets::tcp),
    ("wasi:sockets/tcp-create-socket", sockets::tcp_create_socket),
    ("wasi:sockets/udp", sockets::udp),
    ("wasi:sockets/udp-create-socket", sockets::udp_create_socket),
];

/// What defines an interface, by its full name.
fn definition(name: &str) -> Option<Define> {
    let (interface, version) = name.split_once('@')?;
    // A pre-release of 0.2.0 has other types.
    let released = version.strip_prefix("0.2.")?.chars().all(|c| c.is_ascii_digit());
    INTERFACES.iter().find(|(known, _)| released && *known == interface).map(|(_, define)| *define)
}

/// Whether a component may import the interface.
pub(super) fn is_offered(name: &str) -> bool {
    definition(name).is_some()
}

/// Gives a component what it imports of WASI, under the versions that it names. A function that is not defined, such as
/// one on a file that nobody has, traps.
pub(super) fn link(linker: &mut Linker<Guest>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    linker.allow_shadowing(true);
    for (name, item) in component.component_type().imports(&engine) {
        let (Some(define), ComponentItem::ComponentInstance(interface)) = (definition(name), item.ty) else { continue };
        let mut at = linker.instance(name)?;
        for (function, item) in interface.exports(&engine) {
            if let ComponentItem::ComponentFunc(_) = item.ty {
                let told = format!("the job called {name}#{function}, which does nothing here");
                at.func_new(function, move |_, _, _, _| Err(refused(told.as_str())))?;
            }
        }
        define(&mut at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
