//! What it means that 0.1.0 of the contract is frozen (docs/contract.md): a component that was built for it, in
//! whatever language, does today what it did then, and nothing that crosses has changed.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::golden::hold_conformance;

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/0.1.0")
}

/// A kept component, in a folder that ends with the first of the two.
pub(crate) fn component(language: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let component = folder.path().join("conformance.wasm");
    let kept = fs::File::open(golden().join(format!("{language}.wasm.xz"))).unwrap();
    io::copy(&mut liblzma::read::XzDecoder::new(kept), &mut fs::File::create(&component).unwrap()).unwrap();
    (folder, component)
}

/// Runs a kept component over the records that were kept with it.
fn still_does_what_it_did(language: &str) {
    let (_folder, component) = component(language);
    hold_conformance(&component, &golden());
}

#[test]
fn a_component_in_rust_of_0_1_0_runs() {
    still_does_what_it_did("rust");
}

#[test]
fn a_component_in_c_of_0_1_0_runs() {
    still_does_what_it_did("c");
}

#[test]
fn a_component_in_go_of_0_1_0_runs() {
    still_does_what_it_did("go");
}

#[test]
fn a_component_in_javascript_of_0_1_0_runs() {
    still_does_what_it_did("js");
}

#[test]
fn a_component_in_python_of_0_1_0_runs() {
    still_does_what_it_did("python");
}

/// What crosses: the package without what is for people.
fn types(wit: &str) -> String {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("job.wit", wit).unwrap();
    let mut printer = wit_component::WitPrinter::default();
    printer.emit_docs(false).print(&resolve, package, &[]).unwrap();
    printer.output.to_string()
}

#[test]
fn nothing_that_crosses_changes() {
    let kept = fs::read_to_string(golden().join("job.wit")).unwrap();
    let now = types(include_str!("../../../wit/job.wit"));
    assert!(
        now.starts_with("package pelton:job@0.1.0;\n"),
        "a new version gets a folder of its own beside {:?}",
        golden()
    );
    assert_eq!(now, kept, "0.1.0 is frozen: see what may come in docs/contract.md");
}
