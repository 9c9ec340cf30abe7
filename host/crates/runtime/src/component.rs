//! Makes a component of a core module that a guest's toolchain has made.

use anyhow::Context;
use pelton_model::cause::Because as _;

use crate::error::Error;
use crate::strip;

/// WASI preview 1 for modules that import it: `preview1.wat` with the types of `preview1.wit`.
const PREVIEW1: &[u8] = include_bytes!("preview1.wasm");
/// What such a module imports from.
const PREVIEW1_NAME: &str = "wasi_snapshot_preview1";
const NO_BINDINGS: &str = "this is a core WebAssembly module that holds no component's bindings; use an SDK of Pelton or \
                           wit-bindgen, or make a component of it with `pelton build FILE.wasm`, or put the contract's \
                           type into it with `wasm-tools component embed wit/job.wit --world job`";

/// Puts the contract's component type into a core module whose toolchain leaves it out, as Go's does: what
/// [`componentize()`] asks for.
///
/// # Errors
/// The bytes are no core module.
pub fn embed(module: &[u8]) -> Result<Vec<u8>, Error> {
    embed_world(module, "job.wit", include_str!("../../../../wit/job.wit"), "job")
}

/// Puts the type of a world into a core module.
///
/// # Errors
/// The bytes are no core module, or the text has no such world.
pub fn embed_world(module: &[u8], file: &str, wit: &str, world: &str) -> Result<Vec<u8>, Error> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str(file, wit).because(Error::Module)?;
    let world = resolve.select_world(&[package], Some(world)).because(Error::Module)?;
    let mut module = module.to_vec();
    wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
        .context("cannot read the module")
        .because(Error::Module)?;
    Ok(module)
}

/// Whether these are the bytes of a core module: the layer field of the preamble is 0, a component's is 1.
pub fn is_core_module(wasm: &[u8]) -> bool {
    wasm.starts_with(b"\0asm\x01\0\0\0")
}

/// Makes a component of a core module that a guest's toolchain made with the contract's bindings, with an adapter where
/// it imports WASI preview 1. Names, producers and other sections without meaning are left out.
///
/// # Errors
/// The bytes are no valid core module, or one without bindings, or one whose imports and exports don't fit them.
pub fn componentize(module: &[u8]) -> Result<Vec<u8>, Error> {
    let decoded = wit_component::metadata::decode(module).context("cannot read the module").because(Error::Module)?;
    if decoded.0.is_none() {
        return Err(Error::Module(NO_BINDINGS.to_owned().into()));
    }
    // An adapter's types must fit those of the module, so it comes only where it is wanted, or where the bytes look so.
    let wants_wasi = module.windows(PREVIEW1_NAME.len()).any(|bytes| bytes == PREVIEW1_NAME.as_bytes());
    encode(module, if wants_wasi { &[(PREVIEW1_NAME, PREVIEW1)] } else { &[] })
}

/// Makes a component of a core module that may lack the component type: it is given the contract's, as [`embed`] does.
///
/// # Errors
/// As of [`componentize()`].
pub fn componentize_any(module: &[u8]) -> Result<Vec<u8>, Error> {
    let decoded = wit_component::metadata::decode(module).context("cannot read the module").because(Error::Module)?;
    if decoded.0.is_none() { componentize(&embed(module)?) } else { componentize(module) }
}

/// Makes a component of a core module with bindings, and of modules that give it what it imports by their names.
pub fn encode(module: &[u8], adapters: &[(&str, &[u8])]) -> Result<Vec<u8>, Error> {
    encoded(module, adapters).because(Error::Module)
}

fn encoded(module: &[u8], adapters: &[(&str, &[u8])]) -> anyhow::Result<Vec<u8>> {
    let mut encoder =
        wit_component::ComponentEncoder::default().validate(true).module(module).context("cannot read the module")?;
    for (name, adapter) in adapters {
        encoder = encoder.adapter(name, adapter).with_context(|| format!("cannot give the module its {name}"))?;
    }
    strip::strip(&encoder.encode().context("cannot make a component of the module")?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn only_a_guests_module_becomes_a_component() {
        let reason = |module: &[u8]| format!("{:#}", componentize(module).unwrap_err());
        assert!(reason(b"hello").starts_with("cannot read the module: "));
        let bare_module = b"\0asm\x01\0\0\0";
        let bindings = "this is a core WebAssembly module that holds no component's bindings; use an SDK of Pelton";
        assert!(reason(bare_module).starts_with(bindings), "{}", reason(bare_module));
    }

    #[test]
    fn the_adapter_is_built_of_its_sources() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let module = wat::parse_file(folder.join("preview1.wat")).unwrap();
        let wit = fs::read_to_string(folder.join("preview1.wit")).unwrap();
        let adapter = embed_world(&module, "preview1.wit", &wit, "adapter").unwrap();
        if adapter != PREVIEW1 {
            fs::write(folder.join("preview1.wasm"), adapter).unwrap();
            panic!("preview1.wasm was not what preview1.wat and preview1.wit make; it was written anew: commit it");
        }
    }
}
