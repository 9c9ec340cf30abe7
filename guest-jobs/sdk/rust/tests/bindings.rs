//! `src/bindings.rs` is what wit-bindgen makes of `wit/job.wit`. It is kept, not made at every build, since compiling
//! wit-bindgen's macro takes longer than everything else of a job's first build. `RENEW=1` writes it anew.

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator as _};

const HEADER: &str = "\
//! What wit-bindgen makes of `wit/job.wit`: written by `RENEW=1 cargo test -p pelton-job --test bindings`. The rest of
//! the SDK hides it; a guest that wants the bare contract can implement `exports::pelton::job::task::Guest` and call
//! `export_component!` itself.

";

#[test]
fn the_bindings_are_those_of_the_contract() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(folder.join("wit")).unwrap();
    let world = resolve.select_world(&[package], Some("job")).unwrap();
    let mut files = Files::default();
    let options = wit_bindgen_rust::Opts {
        format: true,
        additional_derive_attributes: vec!["Clone".to_owned(), "PartialEq".to_owned()],
        pub_export_macro: true,
        export_macro_name: Some("export_component".to_owned()),
        default_bindings_module: Some("pelton_job::bindings".to_owned()),
        ..Default::default()
    };
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    let (_, made) = files.iter().next().unwrap();
    let made = format!("{HEADER}{}", std::str::from_utf8(made).unwrap());

    let path = folder.join("src/bindings.rs");
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == made,
        "src/bindings.rs is not what wit-bindgen makes of wit/job.wit"
    );
}
