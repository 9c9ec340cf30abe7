//! Lists what `pelton new` unpacks: the parts of templates (`templates/<language>/<part>`, and `templates/kinds` for what
//! they share) and each language's SDK (`guest-jobs/sdk/<language>`, as the part `sdk`), as a constant that holds the
//! files' bytes.
//!
//! Why not include_dir: it takes a folder whole, with what builds and tests leave behind in it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const LANGUAGES: [&str; 5] = ["rust", "js", "python", "go", "c"];
/// What builds and tests leave behind.
const LEFT_BEHIND: [&str; 5] = ["node_modules", "target", "__pycache__", ".venv", ".pytest_cache"];
/// What an SDK has for its own tests, and what is built of it into this program.
const OURS: [&str; 3] = ["test", "tests", "engine"];

fn main() -> io::Result<()> {
    let own = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let mut list = String::from("const FILES: &[(&str, &[u8])] = &[\n");
    let mut folders = vec![(own.join("templates"), String::new(), &[][..])];
    for language in LANGUAGES {
        folders.push((own.join("../../../guest-jobs/sdk").join(language), format!("{language}/sdk/"), &OURS[..]));
    }
    for (folder, into, passed_over) in folders {
        println!("cargo::rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        // A layer of the image that builds dependencies only has neither.
        if folder.is_dir() {
            collect(&folder, &into, passed_over, &mut files)?;
        }
        files.sort();
        for (name, path) in files {
            let path = path.canonicalize()?;
            // Writing to a string doesn't fail.
            let _ = writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
        }
    }
    list.push_str("];\n");
    fs::write(out.join("new.rs"), list)
}

/// All files below a folder, with their names from there.
fn collect(folder: &Path, prefix: &str, passed_over: &[&str], files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let is_gos_test = !passed_over.is_empty() && name.ends_with("_test.go");
        if LEFT_BEHIND.contains(&name) || passed_over.contains(&name) || is_gos_test {
            continue;
        }
        let full = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{full}/"), passed_over, files)?;
        } else {
            files.push((full, path));
        }
    }
    Ok(())
}
