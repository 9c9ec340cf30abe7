//! Each target takes each of its seeds: what the fuzzer begins with, and what it has found once.

use std::fs;
use std::path::Path;

fn each(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
    let seeds = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut count = 0;
    for seed in seeds {
        let path = seed.unwrap().path();
        eprintln!("{}", path.display());
        run(&fs::read(path).unwrap());
        count += 1;
    }
    assert!(count > 0, "{target} has no seeds");
}

macro_rules! seeds {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            each(stringify!($target), crate::$target::run);
        })*
    };
}

seeds!(answers catalog http rows specs trial);
