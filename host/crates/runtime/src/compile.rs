//! Compiling a component: as a whole, or what is its own only, where its runtime is compiled already.

use anyhow::{Context, Error, Result};
use wasm_encoder::{EntityType, GlobalType, MemoryType, ModuleType, RefType, TableType, ValType};
use wasmtime::component::Component;
use wasmtime::{Config, ExternType, HeapType, Module, Mutability};

use super::cache::Cache;
use super::compiled::{Compiled, Runtime};
use super::split::Split;
use pelton_model::digest::digest;

/// Bytes of a module from which on its code is kept by itself: less is compiled as soon as it is read.
const WORTH_KEEPING: usize = 64 << 10;

/// What the level x86-64-v3 has beyond the first, as Cranelift calls it.
const X86_64_V3: [&str; 12] = [
    "has_cmpxchg16b",
    "has_sse3",
    "has_ssse3",
    "has_sse41",
    "has_sse42",
    "has_popcnt",
    "has_avx",
    "has_avx2",
    "has_fma",
    "has_bmi1",
    "has_bmi2",
    "has_lzcnt",
];

/// Whose instructions compiled code may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cpu {
    /// All that this machine's has.
    Native,
    /// Those of the level x86-64-v3, whatever the machine's has beyond.
    X86_64V3,
}

/// Wasmtime, set up alike wherever something is compiled or run: code fits only an engine of the same settings.
pub(super) fn engine(cpu: Cpu) -> Result<wasmtime::Engine> {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Jobs are synchronous; this is a fifth of the cost of an empty call.
    config.concurrency_support(false);
    if cpu == Cpu::X86_64V3 {
        // With a target nothing is detected.
        config.target("x86_64-unknown-linux-gnu").map_err(Error::from)?;
        for feature in X86_64_V3 {
            // SAFETY: wasmtime looks whether the CPU has what code was compiled for, before it runs it.
            #[expect(unsafe_code, reason = "Cranelift's other flags could make wrong code; these say what the CPU has")]
            unsafe {
                config.cranelift_flag_enable(feature);
            }
        }
    }
    wasmtime::Engine::new(&config).map_err(Error::from).context("failed to set up wasmtime")
}

/// Compiles a component; its runtimes only if they are not in the cache.
pub(super) fn compile(engine: &wasmtime::Engine, cache: Option<&Cache>, wasm: &[u8]) -> Result<Compiled> {
    // Where a part is not valid, the whole tells why.
    if let Some(cache) = cache
        && let Some(split) = Split::of(wasm)
        && let Some(compiled) = parts(engine, cache, &split)
    {
        return Ok(compiled);
    }
    let component = Component::from_binary(engine, wasm).map_err(Error::from);
    Ok(Compiled { component: component.context("not a valid WebAssembly component")?, runtimes: Vec::new() })
}

fn parts(engine: &wasmtime::Engine, cache: &Cache, split: &Split<'_>) -> Option<Compiled> {
    let mut runtimes = Vec::new();
    let mut types = Vec::new();
    for (name, code) in split.runtimes() {
        let digest = digest(code);
        let module = kept(engine, cache, &digest, code).ok()?;
        types.push(module_type(&module)?);
        runtimes.push(Runtime { name, digest, module });
    }
    let component = Component::from_binary(engine, &split.rest(types)?).ok()?;
    Some(Compiled { component, runtimes })
}

fn kept(engine: &wasmtime::Engine, cache: &Cache, digest: &str, code: &[u8]) -> Result<Module> {
    if let Some(module) = cache.runtime(engine, digest) {
        return Ok(module);
    }
    let module = Module::from_binary(engine, code)?;
    cache.put_runtime(digest, &module);
    Ok(module)
}

/// Compiles a core module; one that takes time only if it is not in the cache.
pub(super) fn module(engine: &wasmtime::Engine, cache: Option<&Cache>, wasm: &[u8]) -> Result<Module> {
    match cache {
        Some(cache) if wasm.len() >= WORTH_KEEPING => kept(engine, cache, &digest(wasm), wasm),
        _ => Ok(Module::from_binary(engine, wasm)?),
    }
}

/// The type of a module, as a component states it of an import.
fn module_type(module: &Module) -> Option<ModuleType> {
    let mut ty = ModuleType::new();
    for import in module.imports() {
        let entity = entity(&mut ty, &import.ty())?;
        ty.import(import.module(), import.name(), entity);
    }
    for export in module.exports() {
        let entity = entity(&mut ty, &export.ty())?;
        ty.export(export.name(), entity);
    }
    Some(ty)
}

fn entity(types: &mut ModuleType, ty: &ExternType) -> Option<EntityType> {
    Some(match ty {
        ExternType::Func(function) => {
            let index = types.type_count();
            let parameters: Vec<_> = function.params().map(|ty| value(&ty)).collect::<Option<_>>()?;
            let results: Vec<_> = function.results().map(|ty| value(&ty)).collect::<Option<_>>()?;
            types.ty().function(parameters, results);
            EntityType::Function(index)
        }
        ExternType::Global(global) => EntityType::Global(GlobalType {
            val_type: value(global.content())?,
            mutable: global.mutability() == Mutability::Var,
            shared: false,
        }),
        ExternType::Memory(memory) => EntityType::Memory(MemoryType {
            minimum: memory.minimum(),
            maximum: memory.maximum(),
            memory64: memory.is_64(),
            shared: memory.is_shared(),
            page_size_log2: None,
        }),
        ExternType::Table(table) => EntityType::Table(TableType {
            element_type: reference(table.element())?,
            table64: table.is_64(),
            minimum: table.minimum(),
            maximum: table.maximum(),
            shared: false,
        }),
        ExternType::Tag(_) => return None,
    })
}

fn value(ty: &wasmtime::ValType) -> Option<ValType> {
    Some(match ty {
        wasmtime::ValType::I32 => ValType::I32,
        wasmtime::ValType::I64 => ValType::I64,
        wasmtime::ValType::F32 => ValType::F32,
        wasmtime::ValType::F64 => ValType::F64,
        wasmtime::ValType::V128 => ValType::V128,
        wasmtime::ValType::Ref(ty) => ValType::Ref(reference(ty)?),
    })
}

fn reference(ty: &wasmtime::RefType) -> Option<RefType> {
    match ty.heap_type() {
        HeapType::Func if ty.is_nullable() => Some(RefType::FUNCREF),
        HeapType::Extern if ty.is_nullable() => Some(RefType::EXTERNREF),
        _ => None,
    }
}
