//! Takes the runtimes of interpreted languages out of their components, so that each is compiled once for all jobs.
//!
//! A component of JavaScript or Python is a runtime and a job's own memory. The runtime's code is the same in every job
//! and version, and takes all of the time to compile. So it becomes an import: the rest compiles in milliseconds, and
//! is linked to the runtime as it was compiled before. What runs is the same, for a module that is imported is the one
//! that stood there.
//!
//! Python's toolchain puts code and memory in modules of their own, and `pelton build` the script of a job in
//! JavaScript beside its engine. componentize-js makes one module, whose memory would make it another one in each
//! version; so its memory moves to a module before it, from which the code imports it. Memory is there and filled
//! before any code runs, as it was.

use std::collections::BTreeMap;
use std::convert::Infallible;

use wasm_encoder::reencode::{self, Reencode, ReencodeComponent, RoundtripReencoder};
use wasm_encoder::{
    Component, ComponentImportSection, ComponentSectionId, ComponentTypeRef, CoreTypeSection, ExportKind,
    ExportSection, ImportSection, InstanceSection, MemoryType, Module, ModuleArg, ModuleSection, ModuleType,
    RawSection,
};
use wasmparser::{
    Chunk, ComponentAlias, ComponentExternalKind, ComponentOuterAliasKind, DataKind, Instance, Operator, Parser,
    Payload, TypeRef,
};

/// Bytes of code from which on a module is taken for a runtime; ordinary jobs in Rust or C have a tenth of it.
const RUNTIME: usize = 256 << 10;
/// From which on one that has its memory is. A Go job is one module with less, and another one in each version.
/// Tests would spend minutes on so much.
const RUNTIME_WITH_MEMORY: usize = if cfg!(test) { RUNTIME } else { 4 << 20 };
/// What a module exports to say that it is the same in many components, as the engine of `pelton build` does.
const MARK: &str = "pelton:runtime";
/// What a runtime imports its memory by.
const MEMORY: &str = "pelton:memory";

/// A component whose runtimes are found.
pub(super) struct Split<'a> {
    component: &'a [u8],
    /// By the index of the module.
    runtimes: BTreeMap<u32, Runtime<'a>>,
}

/// A module that is to be an import.
struct Runtime<'a> {
    code: Code<'a>,
    /// The module with its memory, where it had one.
    memory: Option<Module>,
}

enum Code<'a> {
    Found(&'a [u8]),
    Made(Vec<u8>),
}

impl<'a> Split<'a> {
    /// Looks for runtimes. There is nothing to split where there are none, and where the component is of a shape that
    /// no toolchain makes.
    pub(super) fn of(component: &'a [u8]) -> Option<Self> {
        let mut runtimes = BTreeMap::new();
        let mut instances = BTreeMap::new();
        let mut modules = 0;
        let mut parser = Parser::new(0);
        let mut rest = component;
        while !rest.is_empty() {
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else { return None };
            rest = rest.get(consumed..)?;
            match payload {
                Payload::ModuleSection { unchecked_range: range, .. } => {
                    rest = rest.get(range.len()..)?;
                    if let Some(runtime) = Runtime::of(component.get(range)?) {
                        runtimes.insert(modules, runtime);
                    }
                    modules += 1;
                }
                Payload::ComponentSection { unchecked_range: range, .. } => rest = rest.get(range.len()..)?,
                Payload::InstanceSection(section) => {
                    for instance in section {
                        if let Instance::Instantiate { module_index, .. } = instance.ok()? {
                            *instances.entry(module_index).or_insert(0) += 1;
                        }
                    }
                }
                // These would add to what is counted here.
                Payload::CoreTypeSection(_) => return None,
                Payload::ComponentAliasSection(section) => {
                    for alias in section {
                        if is_of_module(&alias.ok()?) {
                            return None;
                        }
                    }
                }
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        if matches!(import.ok()?.ty, wasmparser::ComponentTypeRef::Module(_)) {
                            return None;
                        }
                    }
                }
                _ => {}
            }
        }
        // A memory that is made once serves one instance.
        runtimes.retain(|module, runtime| runtime.memory.is_none() || instances.get(module) == Some(&1));
        (!runtimes.is_empty()).then_some(Self { component, runtimes })
    }

    /// The runtimes, each with the name by which the component imports it.
    pub(super) fn runtimes(&self) -> impl Iterator<Item = (String, &[u8])> {
        self.runtimes.iter().map(|(module, runtime)| {
            let code = match &runtime.code {
                Code::Found(code) => code,
                Code::Made(code) => code.as_slice(),
            };
            (name(*module), code)
        })
    }

    /// The component that is left, given the types of the runtimes in their order.
    pub(super) fn rest(&self, types: Vec<ModuleType>) -> Option<Vec<u8>> {
        let memories: Vec<_> = self.runtimes.iter().filter_map(|(at, e)| Some((*at, e.memory.as_ref()?))).collect();
        let mut rest = Component::new();
        for (at, (_, memory)) in (0..).zip(&memories) {
            rest.section(&ModuleSection(memory));
            rest.section(InstanceSection::new().instantiate::<_, &str>(at, []));
        }
        let mut moved = Moved {
            added: memories.len() as u32,
            depth: 0,
            module: 0,
            ty: 0,
            types: self.runtimes.keys().copied().zip(types).collect(),
            memories: (0..).zip(&memories).map(|(at, (module, _))| (*module, at)).collect(),
        };
        moved.parse_component(&mut rest, Parser::new(0), self.component).ok()?;
        Some(rest.finish())
    }
}

fn name(module: u32) -> String {
    format!("runtime{module}")
}

fn is_of_module(alias: &ComponentAlias<'_>) -> bool {
    match alias {
        ComponentAlias::InstanceExport { kind, .. } => *kind == ComponentExternalKind::Module,
        ComponentAlias::Outer { kind, .. } => {
            matches!(kind, ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType)
        }
        ComponentAlias::CoreInstanceExport { .. } => false,
    }
}

impl<'a> Runtime<'a> {
    /// The module as a runtime, if it is one.
    fn of(module: &'a [u8]) -> Option<Self> {
        let mut code = Module::new();
        let mut memory = Module::new();
        let (mut bytes, mut has_imports, mut has_data, mut is_marked) = (0, false, false, false);
        let mut memories = Vec::new();
        let mut parser = Parser::new(0);
        let mut rest = module;
        while !rest.is_empty() {
            let Chunk::Parsed { consumed, payload } = parser.parse(rest, true).ok()? else { return None };
            rest = rest.get(consumed..)?;
            match &payload {
                Payload::CodeSectionStart { size, .. } => {
                    bytes = *size as usize;
                    rest = rest.get(*size as usize..)?;
                    parser.skip_section();
                }
                Payload::ImportSection(section) => {
                    has_imports = true;
                    let mut imports = ImportSection::new();
                    for import in section.clone().into_imports() {
                        let import = import.ok()?;
                        // There must be no other memory for it to be the first.
                        if matches!(import.ty, TypeRef::Memory(_)) {
                            memories.push(None);
                        }
                        RoundtripReencoder.parse_import(&mut imports, import).ok()?;
                    }
                    imports.import(MEMORY, MEMORY, any_memory());
                    code.section(&imports);
                    continue;
                }
                Payload::MemorySection(section) => {
                    for memory in section.clone() {
                        memories.push(Some(memory.ok()?));
                    }
                    let (id, range) = payload.as_section()?;
                    memory.section(&RawSection { id, data: module.get(range)? });
                    memory.section(ExportSection::new().export(MEMORY, ExportKind::Memory, 0));
                    continue;
                }
                Payload::DataSection(section) => {
                    has_data = true;
                    for data in section.clone() {
                        let DataKind::Active { memory_index: 0, offset_expr } = data.ok()?.kind else { return None };
                        let mut offset = offset_expr.get_operators_reader();
                        let is_number = matches!(offset.read().ok()?, Operator::I32Const { .. });
                        if !is_number || !matches!(offset.read().ok()?, Operator::End) {
                            return None;
                        }
                    }
                    let (id, range) = payload.as_section()?;
                    memory.section(&RawSection { id, data: module.get(range)? });
                    continue;
                }
                Payload::ExportSection(section) => {
                    for export in section.clone() {
                        is_marked |= export.ok()?.name == MARK;
                    }
                }
                // Where code copies from its data, what is made without this is not valid, and is not used.
                Payload::DataCountSection { .. } => continue,
                _ => {}
            }
            if let Some((id, range)) = payload.as_section() {
                code.section(&RawSection { id, data: module.get(range)? });
            }
        }
        match memories.as_slice() {
            _ if bytes < RUNTIME => None,
            _ if is_marked => Some(Self { code: Code::Found(module), memory: None }),
            [] if !has_data => Some(Self { code: Code::Found(module), memory: None }),
            [None] if !has_data => Some(Self { code: Code::Found(module), memory: None }),
            [Some(plain)]
                if bytes >= RUNTIME_WITH_MEMORY
                    && has_imports
                    && !plain.shared
                    && !plain.memory64
                    && plain.page_size_log2.is_none() =>
            {
                Some(Self { code: Code::Made(code.finish()), memory: Some(memory) })
            }
            _ => None,
        }
    }
}

/// Of any size: runtimes are the same whatever a job keeps in memory.
fn any_memory() -> MemoryType {
    MemoryType { minimum: 0, maximum: None, memory64: false, shared: false, page_size_log2: None }
}

/// Writes a component anew with runtimes as imports, behind modules and instances of their memories.
struct Moved {
    /// Modules, and instances, that stand before all others.
    added: u32,
    depth: u32,
    /// The indices of the next module, and of the next type of one.
    module: u32,
    ty: u32,
    /// Of the modules that become imports.
    types: BTreeMap<u32, ModuleType>,
    /// The instance with the memory of a module.
    memories: BTreeMap<u32, u32>,
}

impl Reencode for Moved {
    type Error = Infallible;
}

impl ReencodeComponent for Moved {
    fn module_index(&mut self, module: u32) -> u32 {
        if self.depth == 0 { module + self.added } else { module }
    }

    fn instance_index(&mut self, instance: u32) -> u32 {
        if self.depth == 0 { instance + self.added } else { instance }
    }

    fn outer_module_index(&mut self, count: u32, module: u32) -> u32 {
        if count == self.depth { module + self.added } else { module }
    }

    fn push_depth(&mut self) {
        self.depth += 1;
    }

    fn pop_depth(&mut self) {
        self.depth -= 1;
    }

    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        _: Parser,
        module: &[u8],
    ) -> Result<(), reencode::Error<Self::Error>> {
        let at = self.module;
        let runtime = if self.depth == 0 { self.types.remove(&at) } else { None };
        self.module += u32::from(self.depth == 0);
        let Some(runtime) = runtime else {
            component.section(&RawSection { id: ComponentSectionId::CoreModule as u8, data: module });
            return Ok(());
        };
        let mut types = CoreTypeSection::new();
        types.ty().module(&runtime);
        let mut imports = ComponentImportSection::new();
        imports.import(name(at), ComponentTypeRef::Module(self.ty));
        self.ty += 1;
        component.section(&types).section(&imports);
        Ok(())
    }

    fn parse_instance(
        &mut self,
        instances: &mut InstanceSection,
        instance: Instance<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        match instance {
            Instance::Instantiate { module_index, args }
                if self.depth == 0
                    && let Some(memory) = self.memories.get(&module_index) =>
            {
                let mut given = vec![(MEMORY, ModuleArg::Instance(*memory))];
                given.extend(args.iter().map(|arg| (arg.name, ModuleArg::Instance(self.instance_index(arg.index)))));
                instances.instantiate(self.module_index(module_index), given);
                Ok(())
            }
            other => reencode::component_utils::parse_instance(self, instances, other),
        }
    }
}

#[cfg(test)]
mod tests;
