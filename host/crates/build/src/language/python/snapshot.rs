//! Has a component's code run at build time, and keeps the memory that it leaves as what an instance starts with.
//!
//! componentize-py does the same, with all of CPython compiled anew each time. Here each module is compiled once and
//! kept, by the digest that the host has it under too. The modules are instantiated as the component says, but for those
//! that stand for WASI and only trap: their functions are [`wasi`]'s.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::mem::{Discriminant, discriminant};
use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    ConstExpr, DataSection, ExportKind, ExportSection, GlobalSection, MemorySection, Module, RawSection,
};
use wasmparser::{Chunk, ComponentAlias, ExternalKind, Instance as Declared, Parser, Payload};
use wasmtime::{Extern, Func, Instance, Store, Val};

use pelton_model::settings::Limits;
use pelton_runtime::{Engine, strip};

use super::bounds;
use super::interrupt::Interrupt;
use super::wasi::{self, Call, Guest};

/// What the contract exports, in core modules.
const CONFIGURE: &str = "pelton:job/task@0.1.0#configure";
const CONFIGURED: &str = "cabi_post_pelton:job/task@0.1.0#configure";
/// Of the C library: forgets the folders that it has opened.
const FORGET_FOLDERS: &str = "__wasilibc_reset_preopens";
const PAGE: usize = 64 << 10;
/// Zeros from which on a new segment of data is less than they are; more where that made too many.
const ZEROS: usize = 64;
const MOST_SEGMENTS: usize = 50_000;
/// Bytes that are looked at together.
const STEP: usize = 16;

/// Calls a component's `configure` without parameters, and gives the component that begins where that ended. It sees
/// these folders under their names.
///
/// # Errors
/// The component is of another shape than componentize-py's; `configure` fails, with its reason, or takes more than these
/// limits.
pub(super) fn advance(
    engine: &Engine,
    limits: &Limits,
    component: &[u8],
    folders: &[(String, PathBuf)],
) -> Result<Vec<u8>> {
    let mut store = Store::new(engine.wasmtime(), Guest::new(folders, limits)?);
    bounds::set(&mut store);
    let mut graph = Graph { engine, store, modules: Vec::new(), instances: Vec::new(), items: HashMap::new() };
    graph.make(component)?;
    graph.configure(limits)?;
    let memory = graph.memory()?;
    let mut made = BTreeMap::new();
    for module in std::mem::take(&mut graph.modules) {
        if let Some(advanced) = graph.advanced(&module, &memory)? {
            made.insert(module.bytes, advanced);
        }
    }
    Ok(strip::rewrite(component, &|module| made.get(module).cloned())?)
}

struct Graph<'a> {
    engine: &'a Engine,
    store: Store<Guest>,
    modules: Vec<Made<'a>>,
    instances: Vec<Exports>,
    /// The component's index spaces.
    items: HashMap<Discriminant<ExternalKind>, Vec<Item>>,
}

/// A module, and what of it changes while it runs.
struct Made<'a> {
    bytes: &'a [u8],
    /// Of each mutable global that it defines: its index among those, and the name that it is exported by here.
    globals: Vec<(usize, String)>,
    has_memory: bool,
    instance: Option<Instance>,
}

enum Exports {
    Of(Instance, IsStub),
    Bag(BTreeMap<String, Item>),
}

type IsStub = bool;

#[derive(Clone)]
enum Item {
    Is(Extern),
    /// A function of the component model: a job can't call the host yet.
    Host,
}

impl<'a> Graph<'a> {
    fn make(&mut self, component: &'a [u8]) -> Result<()> {
        let mut parser = Parser::new(0);
        let mut rest = component;
        while !rest.is_empty() {
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true)? else { bail!("it is cut short") };
            rest = rest.get(consumed..).unwrap_or_default();
            match payload {
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    rest = rest.get(range.len()..).unwrap_or_default();
                    self.modules.push(Made::of(component.get(range).context("a module is cut short")?)?);
                }
                Payload::ComponentSection { unchecked_range: range, .. } => {
                    rest = rest.get(range.len()..).unwrap_or_default();
                }
                Payload::InstanceSection(section) => {
                    for declared in section {
                        self.instance(declared?)?;
                    }
                }
                Payload::ComponentAliasSection(section) => {
                    for alias in section {
                        if let ComponentAlias::CoreInstanceExport { kind, instance_index, name } = alias? {
                            let item = self.export(instance_index, name)?;
                            self.items.entry(discriminant(&kind)).or_default().push(item);
                        }
                    }
                }
                Payload::ComponentCanonicalSection(section) => {
                    for function in section {
                        if !matches!(function?, wasmparser::CanonicalFunction::Lift { .. }) {
                            self.items.entry(discriminant(&ExternalKind::Func)).or_default().push(Item::Host);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn instance(&mut self, declared: Declared<'_>) -> Result<()> {
        let exports = match declared {
            Declared::Instantiate { module_index, args } => {
                let given: HashMap<_, _> = args.iter().map(|arg| (arg.name, arg.index)).collect();
                let index = module_index as usize;
                let code = self.modules.get(index).context("there is no such module")?.to_run()?;
                let module = self.engine.module(&code)?;
                let mut imports = Vec::new();
                for import in module.imports() {
                    let from = given.get(import.module()).context("an argument is missing")?;
                    imports.push(match self.export(*from, import.name())? {
                        Item::Is(item) => item,
                        Item::Host => {
                            let ty = import.ty().func().context("the host gives functions only")?.clone();
                            let name = import.name().to_owned();
                            Func::new(&mut self.store, ty, move |_, _, _| {
                                Err(wasmtime::format_err!("{name} can't be called while a job is built"))
                            })
                            .into()
                        }
                    });
                }
                let instance = Instance::new(&mut self.store, &module, &imports)?;
                let made = self.modules.get_mut(index).context("there is no such module")?;
                ensure!(made.instance.replace(instance).is_none(), "a module has two instances");
                Exports::Of(instance, imports.is_empty())
            }
            Declared::FromExports(exports) => {
                let mut bag = BTreeMap::new();
                for export in exports {
                    let items = self.items.get(&discriminant(&export.kind));
                    let item = items.and_then(|items| items.get(export.index as usize)).context("no such item")?;
                    bag.insert(export.name.to_owned(), item.clone());
                }
                Exports::Bag(bag)
            }
        };
        self.instances.push(exports);
        Ok(())
    }

    fn export(&mut self, instance: u32, name: &str) -> Result<Item> {
        match self.instances.get(instance as usize).context("there is no such instance")? {
            Exports::Bag(bag) => bag.get(name).cloned().with_context(|| format!("no {name}")),
            Exports::Of(instance, is_stub) => {
                let (instance, is_stub) = (*instance, *is_stub);
                let item = instance.get_export(&mut self.store, name).with_context(|| format!("no {name}"))?;
                Ok(Item::Is(if is_stub { self.instead(name, item) } else { item }))
            }
        }
    }

    /// WASI's function instead of one that traps.
    fn instead(&mut self, name: &str, item: Extern) -> Extern {
        let Extern::Func(stub) = item else { return item };
        let ty = stub.ty(&self.store);
        let Some(function) = wasi::function(name, ty.params().len()) else {
            // A method of WASI; not what else a module without imports has.
            if !name.starts_with("[method]") {
                return item;
            }
            let name = name.to_owned();
            let refused = move |_: wasmtime::Caller<'_, Guest>, _: &[Val], _: &mut [Val]| {
                Err(wasmtime::format_err!("a job can't call {name}, also not while it is built"))
            };
            return Func::new(&mut self.store, ty, refused).into();
        };
        let called = move |caller: wasmtime::Caller<'_, Guest>, arguments: &[Val], results: &mut [Val]| {
            let given = function(&mut Call { caller, arguments }).map_err(wasmtime::Error::from_anyhow)?;
            if let (Some(result), Some(given)) = (results.first_mut(), given) {
                *result = given;
            }
            Ok(())
        };
        Func::new(&mut self.store, ty, called).into()
    }

    /// What a module of the component exports.
    fn find(&mut self, name: &str) -> Result<Func> {
        let instances: Vec<_> = self.modules.iter().filter_map(|made| made.instance).collect();
        let found = instances.iter().find_map(|instance| instance.get_func(&mut self.store, name));
        found.with_context(|| format!("it has no {name}"))
    }

    fn configure(&mut self, limits: &Limits) -> Result<()> {
        let with_memory = self.modules.iter().find(|made| made.has_memory).and_then(|made| made.instance);
        let with_memory = with_memory.context("it has no memory")?;
        let memory = with_memory.get_memory(&mut self.store, "memory").context("it has no memory")?;
        let malloc = self.find("malloc")?.typed(&self.store)?;
        let run = self.find("PyRun_SimpleString")?.typed(&self.store)?;
        let set = self.find("PyThreadState_SetAsyncExc")?.typed(&self.store)?;
        let state = self.find("PyThreadState_GetUnchecked")?.typed(&self.store)?;
        let ensure = self.find("PyGILState_Ensure")?.typed(&self.store)?;
        let release = self.find("PyGILState_Release")?.typed(&self.store)?;
        let thread = self.find("PyThread_get_thread_ident")?.typed(&self.store)?.call(&mut self.store, ())?;
        let mut exception = |name: &str| {
            let global = with_memory.get_global(&mut self.store, &format!("libpython3.14.so:PyExc_{name}"));
            let place = global.map(|global| global.get(&mut self.store)).as_ref().and_then(Val::i32);
            let place = place.with_context(|| format!("it has no {name}"))?;
            let mut address = [0; 4];
            memory.read(&self.store, place as u32 as usize, &mut address)?;
            Ok::<_, anyhow::Error>(i32::from_le_bytes(address))
        };
        let (timeout, permission) = (exception("TimeoutError")?, exception("PermissionError")?);
        let guest = self.store.data_mut();
        (guest.memory, guest.malloc, guest.run) = (Some(memory), Some(malloc), Some(run));
        guest.interrupt = Some(Interrupt { set, state, ensure, release, thread, timeout, permission });
        let configure = self.find(CONFIGURE)?.typed::<(i32, i32), i32>(&self.store)?;
        bounds::start(&mut self.store, limits);
        // An empty list has an address too.
        let answer = match configure.call(&mut self.store, (16, 0)) {
            Ok(answer) => answer,
            Err(cause) => return Err(bounds::broken_off(&cause, &mut self.store, limits)),
        };
        let number = |at: usize| -> Result<usize> {
            let mut bytes = [0; 4];
            memory.read(&self.store, (answer as u32 as usize).saturating_add(at), &mut bytes)?;
            Ok(u32::from_le_bytes(bytes) as usize)
        };
        if number(0)? & 0xff != 0 {
            let mut reason = vec![0; number(8)?];
            memory.read(&self.store, number(4)?, &mut reason)?;
            return Err(bounds::explained(&String::from_utf8_lossy(&reason), &self.store, limits));
        }
        self.find(CONFIGURED)?.typed::<i32, ()>(&self.store)?.call(&mut self.store, answer)?;
        self.find(FORGET_FOLDERS)?.typed::<(), ()>(&self.store)?.call(&mut self.store, ())?;
        Ok(())
    }

    fn memory(&self) -> Result<Vec<u8>> {
        let memory = self.store.data().memory.context("it has no memory")?;
        Ok(memory.data(&self.store).to_vec())
    }

    /// The module as it is now, where it isn't as it was.
    fn advanced(&mut self, made: &Made<'a>, memory: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some(instance) = made.instance else { return Ok(None) };
        let mut values = HashMap::new();
        for (index, name) in &made.globals {
            let global = instance.get_global(&mut self.store, name).context("a global is missing")?;
            values.insert(
                *index,
                match global.get(&mut self.store) {
                    Val::I32(value) => ConstExpr::i32_const(value),
                    Val::I64(value) => ConstExpr::i64_const(value),
                    Val::F32(bits) => ConstExpr::f32_const(wasm_encoder::Ieee32::new(bits)),
                    Val::F64(bits) => ConstExpr::f64_const(wasm_encoder::Ieee64::new(bits)),
                    _ => bail!("a global is of a kind that can't be kept"),
                },
            );
        }
        if values.is_empty() && !made.has_memory {
            return Ok(None);
        }
        made.with(&values, made.has_memory.then_some(memory)).map(Some)
    }
}

impl<'a> Made<'a> {
    fn of(bytes: &'a [u8]) -> Result<Self> {
        let mut made = Self { bytes, globals: Vec::new(), has_memory: false, instance: None };
        let (mut imported, mut mutable) = (0, BTreeMap::new());
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        imported += usize::from(matches!(import?.ty, wasmparser::TypeRef::Global(_)));
                    }
                }
                Payload::MemorySection(_) => made.has_memory = true,
                Payload::GlobalSection(section) => {
                    for (index, global) in section.into_iter().enumerate() {
                        if global?.ty.mutable {
                            mutable.insert(imported + index, format!("pelton:global:{index}"));
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        if let (ExternalKind::Global, Some(name)) =
                            (export.kind, mutable.get_mut(&(export.index as usize)))
                        {
                            *name = export.name.to_owned();
                        }
                    }
                }
                // Nothing of this follows.
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        made.globals = mutable.into_iter().map(|(index, name)| (index - imported, name)).collect();
        ensure!(!made.has_memory || bytes.len() > PAGE, "it was not run at build time before");
        Ok(made)
    }

    /// The module with all that changes exported.
    fn to_run(&self) -> Result<Cow<'a, [u8]>> {
        if !self.globals.iter().any(|(_, name)| name.starts_with("pelton:global:")) {
            return Ok(Cow::Borrowed(self.bytes));
        }
        let mut module = Module::new();
        let mut imported = 0;
        for payload in Parser::new(0).parse_all(self.bytes) {
            let payload = payload?;
            match &payload {
                Payload::ImportSection(section) => {
                    for import in section.clone().into_imports() {
                        imported += usize::from(matches!(import?.ty, wasmparser::TypeRef::Global(_)));
                    }
                }
                Payload::ExportSection(section) => {
                    let mut exports = ExportSection::new();
                    RoundtripReencoder.parse_export_section(&mut exports, section.clone())?;
                    for (index, name) in &self.globals {
                        if name.starts_with("pelton:global:") {
                            exports.export(name, ExportKind::Global, u32::try_from(imported + index)?);
                        }
                    }
                    module.section(&exports);
                    continue;
                }
                _ => {}
            }
            self.copy(&payload, &mut module);
        }
        Ok(Cow::Owned(module.finish()))
    }

    /// The module with other values of its globals, and with this memory.
    fn with(&self, globals: &HashMap<usize, ConstExpr>, memory: Option<&[u8]>) -> Result<Vec<u8>> {
        let mut module = Module::new();
        for payload in Parser::new(0).parse_all(self.bytes) {
            let payload = payload?;
            match &payload {
                Payload::GlobalSection(section) => {
                    let mut made = GlobalSection::new();
                    for (index, global) in section.clone().into_iter().enumerate() {
                        let global = global?;
                        let value = match globals.get(&index) {
                            Some(value) => value.clone(),
                            None => RoundtripReencoder.const_expr(global.init_expr)?,
                        };
                        made.global(RoundtripReencoder.global_type(global.ty)?, &value);
                    }
                    module.section(&made);
                    continue;
                }
                Payload::MemorySection(section) => {
                    let mut made = MemorySection::new();
                    for ty in section.clone() {
                        let mut ty = RoundtripReencoder.memory_type(ty?)?;
                        ty.minimum = u64::try_from(memory.map_or(0, |memory| memory.len() / PAGE))?;
                        made.memory(ty);
                    }
                    module.section(&made);
                    continue;
                }
                Payload::DataSection(_) if memory.is_some() => continue,
                Payload::CustomSection(_) => continue,
                _ => {}
            }
            self.copy(&payload, &mut module);
        }
        if let Some(memory) = memory {
            let mut data = DataSection::new();
            for (start, bytes) in segments(memory) {
                data.active(0, &ConstExpr::i32_const(i32::try_from(start)?), bytes.iter().copied());
            }
            module.section(&data);
        }
        Ok(module.finish())
    }

    fn copy(&self, payload: &Payload<'_>, module: &mut Module) {
        if let Some((id, range)) = payload.as_section() {
            module.section(&RawSection { id, data: self.bytes.get(range).unwrap_or_default() });
        }
    }
}

/// What is not zero in a memory.
fn segments(memory: &[u8]) -> Vec<(usize, &[u8])> {
    let mut zeros = ZEROS;
    loop {
        let segments = segments_between(memory, zeros);
        if segments.len() <= MOST_SEGMENTS {
            return segments;
        }
        zeros *= 2;
    }
}

fn segments_between(memory: &[u8], zeros: usize) -> Vec<(usize, &[u8])> {
    let mut segments = Vec::new();
    // The first byte of one, and the byte behind its last that is not zero.
    let mut current: Option<(usize, usize)> = None;
    for (at, bytes) in (0..).step_by(STEP).zip(memory.chunks(STEP)) {
        let Some(first) = bytes.iter().position(|byte| *byte != 0) else { continue };
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(first);
        let (start, end) = (at + first, at + last + 1);
        current = match current {
            Some((begun, behind)) if start - behind <= zeros => Some((begun, end)),
            ended => {
                segments.extend(ended);
                Some((start, end))
            }
        };
    }
    segments.extend(current);
    segments.into_iter().filter_map(|(start, end)| Some((start, memory.get(start..end)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_hold_all_that_is_not_zero() {
        let mut memory = vec![0; 3 * PAGE];
        for at in [0, 63, 64, 200, 201, 1_000, PAGE - 1, PAGE, 3 * PAGE - 1] {
            memory[at] = 1 + (at % 251) as u8;
        }
        for zeros in [1, ZEROS, 4096] {
            let mut again = vec![0; memory.len()];
            let segments = segments_between(&memory, zeros);
            for (start, bytes) in &segments {
                again[*start..start + bytes.len()].copy_from_slice(bytes);
            }
            assert_eq!(again, memory, "{zeros}");
            assert!(segments.is_sorted_by(|(one, bytes), (other, _)| one + bytes.len() <= *other));
        }
        assert_eq!(segments(&[0; 70_000]), []);
    }

    #[test]
    fn what_was_not_run_at_build_time_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let engine = Engine::new(Limits::default(), None).unwrap();
        let folders = [("0".to_owned(), folder.path().to_path_buf())];
        let error = advance(&engine, &Limits::default(), b"\0asm\x0d\0\x01\0", &folders).unwrap_err().to_string();
        assert_eq!(error, "it has no memory");
        let gone = [("0".to_owned(), folder.path().join("gone"))];
        let error = advance(&engine, &Limits::default(), b"\0asm\x0d\0\x01\0", &gone).unwrap_err().to_string();
        assert!(error.starts_with("cannot open ") && error.ends_with("gone"), "{error}");
    }
}
