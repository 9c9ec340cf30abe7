//! What a crate gives to others fails with an error of a type: none of `anyhow`'s crosses the border of a crate, where
//! nothing but its text would tell one failure from another.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

use std::fs;
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use syn::visit::{Visit, visit_path};
use syn::{ImplItem, Item, PathArguments, TraitItem, Visibility};

/// What is for tests alone: they show any error, and decide nothing by it.
const FOR_TESTS: &str = "testkit";

#[test]
fn errors_of_a_crates_border_are_types() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("crates");
    let sources = files(&crates).into_iter().filter(|file| {
        let within = file.strip_prefix(&crates).unwrap();
        !within.starts_with(FOR_TESTS) && within.components().nth(1).is_some_and(|folder| folder.as_os_str() == "src")
    });
    let found: Vec<_> = sources.flat_map(|file| untyped(&file, &fs::read_to_string(&file).unwrap())).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn errors_without_a_type_are_found() {
    let found = |text: &str| untyped(Path::new("a.rs"), &format!("use anyhow::{{Context, Result}}; {text}")).len();
    assert_eq!(found("pub fn f() -> Result<()> {}"), 1);
    assert_eq!(found("pub struct S; impl S { pub fn f() -> Result<Self> {} fn g() -> Result<Self> {} }"), 1);
    assert_eq!(found("pub trait T { fn f() -> Option<Result<()>>; } trait U { fn f() -> Result<()>; }"), 1);
    assert_eq!(found("pub fn f() -> anyhow::Error {}"), 1);
    assert_eq!(found("pub fn f() -> Result<(), Error> {} fn g() -> Result<()> {} pub fn h() -> io::Result<()> {}"), 0);
}

/// All files below a folder whose names end in `.rs`.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
    below.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The functions of a file that others can call and whose errors have no type.
fn untyped(file: &Path, text: &str) -> Vec<String> {
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let is_imported = parsed.items.iter().any(|item| {
        let text = item.to_token_stream().to_string();
        matches!(item, Item::Use(_)) && text.starts_with("use anyhow ::") && text.contains("Result")
    });
    let is_public = |visibility: &Visibility| matches!(visibility, Visibility::Public(_));
    let signatures = parsed.items.into_iter().flat_map(|item| match item {
        Item::Fn(item) if is_public(&item.vis) => vec![item.sig],
        Item::Impl(item) => {
            let methods = item.items.into_iter().filter_map(|item| match item {
                ImplItem::Fn(item) if is_public(&item.vis) => Some(item.sig),
                _ => None,
            });
            methods.collect()
        }
        Item::Trait(item) if is_public(&item.vis) => {
            let methods = item.items.into_iter().filter_map(|item| match item {
                TraitItem::Fn(item) => Some(item.sig),
                _ => None,
            });
            methods.collect()
        }
        _ => Vec::new(),
    });
    let untyped = signatures.filter(|signature| {
        let mut look = Look { is_imported, found: false };
        look.visit_return_type(&signature.output);
        look.found
    });
    untyped.map(|signature| format!("{}: {}", file.display(), signature.to_token_stream())).collect()
}

/// Looks for `anyhow` in a type, and where its `Result` is imported, for that.
struct Look {
    is_imported: bool,
    found: bool,
}

impl Visit<'_> for Look {
    fn visit_path(&mut self, path: &syn::Path) {
        let names_it = path.segments.iter().any(|segment| segment.ident == "anyhow");
        let is_its_result = self.is_imported
            && path.segments.len() == 1
            && path.segments.iter().any(|segment| {
                let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return false };
                segment.ident == "Result" && arguments.args.len() == 1
            });
        self.found |= names_it || is_its_result;
        visit_path(self, path);
    }
}
