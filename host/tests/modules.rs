//! The modules of each crate form no circle: what a module uses never leads back to it, by any `use` and any path.
//!
//! `cargo modules dependencies --acyclic` checks as much, but calls a type and its own methods a circle, and takes
//! minutes: it has rust-analyzer resolve every name. Paths are enough for modules, and `syn` reads those of all crates
//! in a second.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy knows the functions that tests share for tests only inside cfg(test)"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::Item;

/// A module by its path within its crate; the root's is empty.
type Module = Vec<String>;
/// A path as it is written: its names.
type Names = Vec<String>;
/// What each module of a crate uses.
type Uses = BTreeMap<Module, BTreeSet<Module>>;

#[test]
fn modules_form_no_circles() {
    let host = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(host.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let found = crates.chain([host.to_owned()]).flat_map(|folder| {
        let circles = circles(uses(&folder.join("src")));
        let name = |module: &Module| format!("crate::{}", module.join("::"));
        let line = move |(module, used): (Module, BTreeSet<Module>)| {
            let used: Vec<_> = used.iter().map(name).collect();
            format!("{}: {} uses {}", folder.display(), name(&module), used.join(", "))
        };
        circles.into_iter().map(line).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn circles_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let found = || circles(uses(folder.path())).into_keys().map(|module| module.join("::")).collect::<Vec<_>>();
    fs::create_dir(folder.path().join("a")).unwrap();
    put("lib.rs", "mod a; mod b; mod c; pub(crate) mod d; pub use a::A;");
    put("a.rs", "mod child; pub struct A; fn work() { child::work() }");
    put("a/child.rs", "pub fn work() { println!(\"{:?}\", crate::c::C::new()) }");
    put("b.rs", "use super::{c::{self, C}, d};");
    put("d.rs", "pub mod form { use super::Part; } pub struct Part;");
    put("c.rs", "pub struct C; #[cfg(test)] mod tests { use crate::a::A; }");
    assert_eq!(found(), [""; 0], "a child, a neighbour, and a test that looks around are none");
    put("c.rs", "use super::b; pub struct C;");
    assert_eq!(found(), ["b", "c"]);
    put("c.rs", "pub struct C(crate::A);");
    assert_eq!(found(), ["", "a", "a::child", "c"], "by what the root passes on");
    put("c.rs", "pub struct C;");
    put("a/child.rs", "pub fn work() { drop(super::A) }");
    assert_eq!(found(), ["a", "a::child"]);
}

/// Modules on circles, and between them. One that uses none of the rest is on none, nor is one that none of the rest
/// uses.
fn circles(mut uses: Uses) -> Uses {
    loop {
        let before = uses.len();
        let using: BTreeSet<_> = uses.keys().cloned().collect();
        uses.values_mut().for_each(|used| used.retain(|module| using.contains(module)));
        let used: BTreeSet<_> = uses.values().flatten().cloned().collect();
        uses.retain(|module, uses| !uses.is_empty() && used.contains(module));
        if uses.len() == before {
            return uses;
        }
    }
}

/// The modules of the library in this folder, without those of tests.
fn uses(source: &Path) -> Uses {
    let mut paths = BTreeMap::new();
    read(&source.join("lib.rs"), source, Vec::new(), &mut paths);
    let module_of =
        |path: &[String]| (0..=path.len()).rev().map(|end| path[..end].to_vec()).find(|m| paths.contains_key(m));
    let mut uses = Uses::new();
    for (module, used) in &paths {
        let absolute = used.iter().filter_map(|path| absolute(module, path, |name| paths.contains_key(name)));
        let modules = absolute.filter_map(|path| module_of(&path)).filter(|other| other != module);
        uses.insert(module.clone(), modules.collect());
    }
    uses
}

/// A path from the root of the crate, if it leads into the crate.
fn absolute(module: &Module, path: &[String], is_module: impl Fn(&Module) -> bool) -> Option<Module> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let parent = module.split_last()?.1.to_vec();
            match rest.first().map(String::as_str) {
                Some("super") => absolute(&parent, rest, is_module),
                _ => Some([&parent, rest].concat()),
            }
        }
        _ => is_module(&[module.as_slice(), std::slice::from_ref(first)].concat()).then(|| [module, path].concat()),
    }
}

/// Reads a module's file and those of its children.
fn read(file: &Path, children: &Path, module: Module, into: &mut BTreeMap<Module, Vec<Names>>) {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("failed to read {}: {error}", file.display()));
    let parsed = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    walk(parsed.items, children, module, into);
}

fn walk(items: Vec<Item>, children: &Path, module: Module, into: &mut BTreeMap<Module, Vec<Names>>) {
    let mut paths = Vec::new();
    for item in items.into_iter().filter(|item| !is_for_tests(item)) {
        let Item::Mod(child) = item else {
            collect(item.into_token_stream(), &[], &mut paths);
            continue;
        };
        let name = child.ident.to_string();
        let folder = children.join(&name);
        let path = [module.as_slice(), &[name]].concat();
        match child.content {
            Some((_, items)) => walk(items, &folder, path, into),
            None => read(&folder.with_extension("rs"), &folder, path, into),
        }
    }
    into.insert(module, paths);
}

fn is_for_tests(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| attribute.to_token_stream().to_string() == "# [cfg (test)]")
}

/// All paths among these tokens, also those within macros; a group that goes on from a path is a tree of them.
fn collect(tokens: TokenStream, before: &[String], into: &mut Vec<Names>) {
    let mut path = before.to_vec();
    let mut colons = 2;
    // Without what it goes on from it is no path.
    let mut end = |path: &mut Names| {
        if path.len() > before.len() {
            into.push(std::mem::replace(path, before.to_vec()));
        }
    };
    let mut trees = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                if colons < 2 {
                    end(&mut path);
                }
                path.push(name.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            TokenTree::Group(group) => {
                // Who may see something is no use of it.
                let is_visibility = path.last().is_some_and(|name| name == "pub");
                if colons == 2 && group.delimiter() == Delimiter::Brace {
                    trees.push((group.stream(), path));
                    path = before.to_vec();
                } else {
                    end(&mut path);
                    trees.extend((!is_visibility).then(|| (group.stream(), Names::new())));
                }
                colons = 2;
            }
            // `*` is all of a module.
            _ => {
                end(&mut path);
                colons = 2;
            }
        }
    }
    end(&mut path);
    for (tokens, before) in trees {
        collect(tokens, &before, into);
    }
}
