//! What a component may consist of, looked at before anything is compiled: a few bytes can ask a compiler, and each
//! instance, for very much.
//!
//! The largest components of interpreted languages have a tenth of this.

use anyhow::{Context, Result, ensure};
use wasmparser::{ElementItems, Instance, Parser, Payload, TypeRef};

/// Functions of all modules together, imported ones included.
const FUNCTIONS: usize = 200_000;
/// Bytes of code of all modules together.
const CODE: usize = 128 << 20;
/// Types, globals, imports, exports, aliases, instances and whatever else is listed, all together.
const DEFINITIONS: usize = 200_000;
/// Elements that segments put into tables, all together.
const ELEMENTS: usize = 2_000_000;
/// Functions and globals of all instances together, reckoned as if each were of the largest module: 32 bytes each, in
/// every instance of the job.
const INSTANTIATED: usize = 2_000_000;

/// What there is of everything.
#[derive(Default)]
struct Counts {
    functions: usize,
    code: usize,
    definitions: usize,
    elements: usize,
    /// Functions and globals of the module that is being read, and of the largest.
    module: usize,
    largest_module: usize,
    /// Times that a module is instantiated, at the top and in nested components, and that a component is.
    top_instances: usize,
    nested_instances: usize,
    component_instances: usize,
}

/// Refuses bytes that are too much of something, or that can't be read.
///
/// # Errors
/// What there is too much of, and how much of it is allowed.
pub(crate) fn check(wasm: &[u8]) -> Result<()> {
    let mut counts = Counts::default();
    // For each component or module that is open: whether it is a component.
    let mut open = Vec::new();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.context("not a valid WebAssembly component")?;
        match &payload {
            Payload::Version { encoding, .. } => {
                counts.module = 0;
                open.push(*encoding == wasmparser::Encoding::Component);
            }
            Payload::End(_) => drop(open.pop()),
            _ => counts.count(&payload, open.len() > 1)?,
        }
        counts.check()?;
    }
    Ok(())
}

impl Counts {
    fn count(&mut self, payload: &Payload<'_>, is_nested: bool) -> Result<()> {
        let listed = |count: u32| count as usize;
        self.definitions += match payload {
            Payload::TypeSection(section) => listed(section.count()),
            Payload::ImportSection(section) => {
                for import in section.clone().into_imports() {
                    if matches!(import?.ty, TypeRef::Func(_)) {
                        self.functions += 1;
                        self.module += 1;
                    }
                }
                listed(section.count())
            }
            Payload::FunctionSection(section) => {
                self.functions += listed(section.count());
                self.module += listed(section.count());
                0
            }
            Payload::GlobalSection(section) => {
                self.module += listed(section.count());
                listed(section.count())
            }
            Payload::ElementSection(section) => {
                for element in section.clone() {
                    self.elements += listed(match element?.items {
                        ElementItems::Functions(items) => items.count(),
                        ElementItems::Expressions(_, items) => items.count(),
                    });
                }
                listed(section.count())
            }
            Payload::CodeSectionStart { size, .. } => {
                self.code += listed(*size);
                0
            }
            Payload::InstanceSection(section) => {
                for instance in section.clone() {
                    if let Instance::Instantiate { .. } = instance? {
                        let instances = if is_nested { &mut self.nested_instances } else { &mut self.top_instances };
                        *instances += 1;
                    }
                }
                listed(section.count())
            }
            Payload::ComponentInstanceSection(section) => {
                self.component_instances += listed(section.count());
                listed(section.count())
            }
            Payload::TableSection(section) => listed(section.count()),
            Payload::MemorySection(section) => listed(section.count()),
            Payload::TagSection(section) => listed(section.count()),
            Payload::ExportSection(section) => listed(section.count()),
            Payload::DataSection(section) => listed(section.count()),
            Payload::CoreTypeSection(section) => listed(section.count()),
            Payload::ComponentAliasSection(section) => listed(section.count()),
            Payload::ComponentTypeSection(section) => listed(section.count()),
            Payload::ComponentCanonicalSection(section) => listed(section.count()),
            Payload::ComponentImportSection(section) => listed(section.count()),
            Payload::ComponentExportSection(section) => listed(section.count()),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => 1,
            _ => 0,
        };
        self.largest_module = self.largest_module.max(self.module);
        Ok(())
    }

    fn check(&self) -> Result<()> {
        let most = |what: &str, count: usize, most: usize| -> Result<()> {
            ensure!(count <= most, "the component has {count} {what}; {most} are allowed");
            Ok(())
        };
        most("functions", self.functions, FUNCTIONS)?;
        most("bytes of code", self.code, CODE)?;
        most("definitions (types, imports, exports, aliases, instances, …)", self.definitions, DEFINITIONS)?;
        most("table elements", self.elements, ELEMENTS)?;
        // A nested component may be instantiated as often as there are instances of components.
        let nested = self.nested_instances.saturating_mul(self.component_instances);
        let instances = self.top_instances.saturating_add(nested);
        let instantiated = instances.saturating_mul(self.largest_module);
        most("functions and globals in the instances that it is made of", instantiated, INSTANTIATED)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use wasm_encoder as w;

    use super::*;

    fn refused(wasm: &[u8]) -> String {
        check(wasm).unwrap_err().to_string()
    }

    /// A module with so many functions that do nothing.
    fn module(functions: u32) -> w::Module {
        let mut module = w::Module::new();
        let mut types = w::TypeSection::new();
        types.ty().function([], []);
        let (mut declared, mut code) = (w::FunctionSection::new(), w::CodeSection::new());
        for _ in 0..functions {
            declared.function(0);
            let mut function = w::Function::new([]);
            function.instruction(&w::Instruction::End);
            code.function(&function);
        }
        module.section(&types).section(&declared).section(&code);
        module
    }

    fn component(modules: &[w::Module], instances: &[u32]) -> Vec<u8> {
        let mut component = w::Component::new();
        for module in modules {
            component.section(&w::ModuleSection(module));
        }
        let mut section = w::InstanceSection::new();
        for module in instances {
            section.instantiate::<_, &str>(*module, []);
        }
        component.section(&section);
        component.finish()
    }

    #[test]
    fn what_tests_and_examples_are_made_of_is_far_within_the_bounds() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
        let mut count = 0;
        for folder in ["usr_jobs", "host/tests/guests"] {
            for entry in fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|extension| extension == "wasm") {
                    check(&fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    count += 1;
                }
            }
        }
        assert!(count > 15, "{count}");
    }

    #[test]
    fn too_much_of_anything_is_refused() {
        assert_eq!(refused(&module(200_001).finish()), "the component has 200001 functions; 200000 are allowed");
        // Two modules count together, and so do their instances.
        let two = component(&[module(150_000), module(50_001)], &[]);
        assert_eq!(refused(&two), "the component has 200001 functions; 200000 are allowed");
        assert!(check(&component(&[module(50_000)], &[0; 40])).is_ok());
        let many = component(&[module(50_000)], &[0; 41]);
        assert!(refused(&many).starts_with("the component has 2050000 functions and globals in the instances"));
        let mut globals = w::Module::new();
        let mut section = w::GlobalSection::new();
        let ty = w::GlobalType { val_type: w::ValType::I32, mutable: false, shared: false };
        for _ in 0..200_001 {
            section.global(ty, &w::ConstExpr::i32_const(0));
        }
        let told = refused(globals.section(&section).as_slice());
        assert!(told.starts_with("the component has 200001 definitions"), "{told}");
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for bytes in [&b""[..], b"hello", b"\0asm\x0d\0\x01\0\xff", &module(3).finish()[..20]] {
            assert!(refused(bytes).starts_with("not a valid WebAssembly component"), "{bytes:?}");
        }
    }
}
