//! Makes components of scripts: the engine that `guest-jobs/sdk/js/engine` builds, and a module beside it that holds
//! the script. The engine is the same in every component, so a host compiles it once for all of them.

use anyhow::{Context, Result, ensure};
use wasm_encoder::{
    CodeSection, DataCountSection, DataSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, MemArg, MemoryType, Module, TypeSection, ValType,
};
use wasmparser::{Parser, Payload};

use pelton_runtime::component::{embed_world, encode};
use pelton_runtime::strip;

/// Built by `sh guest-jobs/sdk/js/engine/build.sh`.
const ENGINE: &[u8] = include_bytes!("script/engine.wasm");
/// What the engine imports its script from.
const SCRIPT: &str = "pelton:script";
/// The type of the module that holds it: it imports and exports nothing that a component knows.
const WIT: &str = "package pelton:script; world script {}";

/// A component that runs a script: a module of JavaScript that exports a job as `task` and imports nothing.
///
/// # Errors
/// The script is no text, or beyond 2 GiB.
pub(super) fn component(script: &[u8]) -> Result<Vec<u8>> {
    ensure!(str::from_utf8(script).is_ok(), "the script is not UTF-8");
    let length = i32::try_from(script.len()).context("the script is too long")?;
    // wit-component takes no module with passive data beside another: one without stands in until it is done.
    let mut body = Function::new([]);
    let byte = MemArg { offset: 0, align: 0, memory_index: 0 };
    body.instructions().local_get(0).i32_const(0).i32_store8(byte).end();
    let stand_in = embed_world(&holder(0, &body, None), "script.wit", WIT, "script")?;
    let component = encode(ENGINE, &[(SCRIPT, &stand_in)])?;

    let mut body = Function::new([]);
    body.instructions().local_get(0).i32_const(0).i32_const(length).memory_init(0, 0).end();
    let holder = holder(length, &body, Some(script));
    Ok(strip::rewrite(&component, &|module| exports_script(module).then(|| holder.clone()))?)
}

/// The module that gives the script to the engine: `length`, and `read`, which copies it to an address.
fn holder(length: i32, read: &Function, script: Option<&[u8]>) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I32], []);
    let mut imports = ImportSection::new();
    // The engine's.
    let memory = MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None };
    imports.import("env", "memory", EntityType::Memory(memory));
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut exports = ExportSection::new();
    exports.export("length", ExportKind::Func, 0).export("read", ExportKind::Func, 1);
    let mut body = Function::new([]);
    body.instructions().i32_const(length).end();
    let mut code = CodeSection::new();
    code.function(&body).function(read);

    let mut module = Module::new();
    module.section(&types).section(&imports).section(&functions).section(&exports);
    match script {
        Some(script) => {
            let mut data = DataSection::new();
            data.passive(script.iter().copied());
            module.section(&DataCountSection { count: 1 }).section(&code).section(&data);
        }
        None => {
            module.section(&code);
        }
    }
    module.finish()
}

fn exports_script(module: &[u8]) -> bool {
    let exports = Parser::new(0).parse_all(module).filter_map(|payload| match payload {
        Ok(Payload::ExportSection(exports)) => Some(exports),
        _ => None,
    });
    exports.flatten().any(|export| export.is_ok_and(|export| export.name == "read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_of_scripts_share_their_engine() {
        let [one, other] = ["export const task = 1;", "export const task = 22;"].map(|script| {
            let component = component(script.as_bytes()).unwrap();
            assert_eq!(component.windows(script.len()).filter(|bytes| *bytes == script.as_bytes()).count(), 1);
            component
        });
        let engine = |component: &[u8]| {
            let modules = Parser::new(0).parse_all(component).filter_map(|payload| match payload.unwrap() {
                Payload::ModuleSection { unchecked_range, .. } => Some(component[unchecked_range].to_vec()),
                _ => None,
            });
            modules.max_by_key(Vec::len).unwrap()
        };
        assert_eq!(engine(&one), engine(&other));
        assert!(engine(&one).len() > ENGINE.len() / 2);
    }

    #[test]
    fn a_script_is_text() {
        assert_eq!(component(b"\xff").unwrap_err().to_string(), "the script is not UTF-8");
    }
}
