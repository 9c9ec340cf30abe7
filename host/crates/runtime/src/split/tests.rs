//! Components that are split, run, and do what the whole would.

use std::path::Path;

use wasmtime::Store;
use wasmtime::component::Linker;

use super::super::cache::Cache;
use super::super::compile::compile;
use super::super::compiled::Compiled;
use super::*;

/// A component with a large module between a small one and a component that uses the small one too. It exports `run`,
/// the sum of 7 of the small module and of a byte of memory, and `inner`, that 7 alone.
fn component(memory: &str, data: &str, code: &str) -> Vec<u8> {
    let nops = "nop ".repeat(RUNTIME_WITH_MEMORY);
    let text = format!(
        r#"(component $top
          (core module $small (func (export "seven") (result i32) i32.const 7))
          (core module $runtime
            (import "small" "seven" (func $seven (result i32)))
            {memory}
            (table (export "table") 1 funcref)
            (global (export "global") (mut i32) (i32.const 1))
            (func $start (i32.store8 (i32.const 9) (i32.const 1)) {code})
            (start $start)
            (func (export "run") (result i32)
              {nops}
              (i32.add (call $seven) (i32.add (i32.load8_u (i32.const 8)) (i32.load8_u (i32.const 9)))))
            {data})
          (core instance $small (instantiate $small))
          (core instance $runtime (instantiate $runtime (with "small" (instance $small))))
          (component $inner
            (alias outer $top $small (core module $small))
            (core instance $own (instantiate $small))
            (func (export "seven") (result u32) (canon lift (core func $own "seven"))))
          (instance $in (instantiate $inner))
          (func $run (result u32) (canon lift (core func $runtime "run")))
          (export "run" (func $run))
          (export "inner" (func $in "seven")))"#
    );
    wat::parse_str(text).unwrap()
}

const MEMORY: &str = r#"(memory (export "memory") 1)"#;

fn data(byte: u8) -> String {
    format!(r#"(data (i32.const 8) "\{byte:02x}")"#)
}

struct Bench {
    engine: wasmtime::Engine,
    cache: Cache,
    folder: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let engine = wasmtime::Engine::default();
        let cache = Cache::open(folder.path(), &engine, u64::MAX, None).unwrap();
        Self { engine, cache, folder }
    }

    /// Compiles it and runs its two functions.
    fn run(&self, wasm: &[u8]) -> (Compiled, [u32; 2]) {
        let compiled = compile(&self.engine, Some(&self.cache), wasm).unwrap();
        let mut linker = Linker::new(&self.engine);
        for runtime in &compiled.runtimes {
            linker.root().module(&runtime.name, &runtime.module).unwrap();
        }
        let mut store = Store::new(&self.engine, ());
        let instance = linker.instantiate(&mut store, &compiled.component).unwrap();
        let results = ["run", "inner"].map(|name| {
            let function = instance.get_typed_func::<(), (u32,)>(&mut store, name).unwrap();
            function.call(&mut store, ()).unwrap().0
        });
        (compiled, results)
    }

    fn runtimes(&self) -> usize {
        fn count(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
            let of = |entry: std::fs::DirEntry| match entry.path() {
                path if path.is_dir() => count(&path),
                path => usize::from(path.file_name().unwrap().to_string_lossy().starts_with("runtime-")),
            };
            entries.map(of).sum()
        }
        count(self.folder.path())
    }
}

#[test]
fn a_runtime_is_compiled_once_whatever_its_memory_holds() {
    let bench = Bench::new();
    let (first, results) = bench.run(&component(MEMORY, &data(42), ""));
    assert_eq!(results, [50, 7]);
    assert_eq!((first.runtimes.len(), bench.runtimes()), (1, 1));
    // More data, more memory; then another start.
    let more = format!(r#"{} (data (i32.const 70000) "more")"#, data(43));
    let (second, results) = bench.run(&component(r#"(memory (export "memory") 2)"#, &more, ""));
    assert_eq!(results, [51, 7]);
    assert_eq!((second.runtimes[0].digest == first.runtimes[0].digest, bench.runtimes()), (true, 1));
    let (third, results) = bench.run(&component(MEMORY, &data(42), "nop"));
    assert_eq!(results, [50, 7]);
    assert_eq!((third.runtimes[0].digest == first.runtimes[0].digest, bench.runtimes()), (false, 2));
    // What is kept is only a help.
    std::fs::remove_dir_all(bench.folder.path()).unwrap();
    assert_eq!(bench.run(&component(MEMORY, &data(44), "")).1, [52, 7]);
}

#[test]
fn what_cannot_be_split_runs_as_a_whole() {
    let bench = Bench::new();
    let passive = r#"(data $p "\2a")"#;
    let copied = "(memory.init $p (i32.const 8) (i32.const 0) (i32.const 1))";
    let also = format!(r#"{} (data (i32.const 10) "x")"#, data(42));
    for (memory, data, code) in [
        // Code that reads data by itself.
        (MEMORY, passive, copied),
        (MEMORY, also.as_str(), "(data.drop 1)"),
        // Data where a global says.
        (r#"(memory (export "memory") 1) (global $at i32 (i32.const 8))"#, r#"(data (global.get $at) "\2a")"#, ""),
        (r#"(memory (export "memory") 1) (memory 1)"#, data(42).as_str(), ""),
    ] {
        let (compiled, results) = bench.run(&component(memory, data, code));
        assert_eq!((compiled.runtimes.len(), results), (0, [50, 7]), "{memory} {data} {code}");
    }
    assert_eq!(bench.runtimes(), 0);
}

#[test]
fn small_modules_and_broken_components_are_left_alone() {
    let whole = component(MEMORY, &data(42), "");
    assert!(Split::of(&whole).is_some());
    assert!((0..whole.len()).step_by(99_991).all(|length| Split::of(&whole[..length]).is_none()));
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests");
    assert!(Split::of(&std::fs::read(guests.join("identity.wasm")).unwrap()).is_none());
    // A memory can't be shared by two.
    let twice = wat::parse_str(format!(
        r#"(component
          (core module $m (import "i" "f" (func)) (memory 1) (func {}))
          (core module $i (func (export "f")))
          (core instance $i (instantiate $i))
          (core instance (instantiate $m (with "i" (instance $i))))
          (core instance (instantiate $m (with "i" (instance $i)))))"#,
        "nop ".repeat(RUNTIME_WITH_MEMORY)
    ));
    assert!(Split::of(&twice.unwrap()).is_none());
}

#[test]
fn code_without_a_memory_of_its_own_is_taken_as_it_stands() {
    // As Python's toolchain links: the memory is in a module without code.
    let of = |byte: u8| {
        let nops = "nop ".repeat(RUNTIME);
        wat::parse_str(format!(
            r#"(component
              (core module $env (memory (export "memory") 1) {})
              (core module $runtime (import "env" "memory" (memory 1))
                (func (export "run") (result i32) {nops} (i32.load8_u (i32.const 8))))
              (core instance $env (instantiate $env))
              (core instance $runtime (instantiate $runtime (with "env" (instance $env))))
              (func $run (result u32) (canon lift (core func $runtime "run")))
              (export "run" (func $run))
              (export "inner" (func $run)))"#,
            data(byte)
        ))
        .unwrap()
    };
    let bench = Bench::new();
    assert_eq!(bench.run(&of(1)).1, [1, 1]);
    assert_eq!(bench.run(&of(2)).1, [2, 2]);
    assert_eq!(bench.runtimes(), 1);
}

#[test]
fn a_module_that_says_so_is_taken_with_its_memory() {
    // As `pelton build` makes components of scripts: the engine, and the script beside it.
    let of = |script: u8| {
        let nops = "nop ".repeat(RUNTIME);
        wat::parse_str(format!(
            r#"(component
              (core module $engine {MEMORY} {}
                (func (export "pelton:runtime"))
                (func (export "engine") (result i32) {nops} (i32.load8_u (i32.const 8))))
              (core module $script
                (import "engine" "memory" (memory 1))
                (import "engine" "engine" (func $engine (result i32)))
                (func (export "run") (result i32) (i32.add (call $engine) (i32.const {script}))))
              (core instance $engine (instantiate $engine))
              (core instance $script (instantiate $script (with "engine" (instance $engine))))
              (func $run (result u32) (canon lift (core func $script "run")))
              (export "run" (func $run))
              (export "inner" (func $run)))"#,
            data(10)
        ))
        .unwrap()
    };
    let bench = Bench::new();
    assert_eq!(bench.run(&of(1)).1, [11, 11]);
    assert_eq!(bench.run(&of(2)).1, [12, 12]);
    assert_eq!(bench.runtimes(), 1);
}
