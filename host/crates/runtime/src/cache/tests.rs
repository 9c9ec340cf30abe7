//! The cache behind the engine that uses it.

use super::*;
use crate::{Engine, Limits};

fn guest() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/guests/identity.wasm")).unwrap()
}

/// The same component with another digest: with a custom section at its end.
fn variant(number: u8) -> Vec<u8> {
    let mut wasm = guest();
    wasm.extend([0, 3, 1, b'v', number]);
    wasm
}

fn engine(folder: &Path, cache_mib: usize) -> Engine {
    Engine::new(Limits { cache_mib, ..Limits::default() }, Some(folder)).unwrap()
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let engines = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = engines.flat_map(|engine| fs::read_dir(engine).unwrap().map(|entry| entry.unwrap().path()));
    files.filter(|path| path.extension().is_some_and(|extension| extension == "cwasm")).collect()
}

#[test]
fn a_known_component_needs_no_compiling_and_no_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let digest = engine(folder.path(), 1024).load(&guest()).unwrap().digest().to_owned();
    // Another host, later.
    let engine = engine(folder.path(), 1024);
    let job = engine.cached(&digest).unwrap();
    assert_eq!((job.spec().name.as_str(), job.digest()), ("identity", digest.as_str()));
    assert!(engine.cached(&"0".repeat(64)).is_none());
    for path in [folder.path().to_owned(), entries(folder.path())[0].parent().unwrap().to_owned()] {
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn what_is_deleted_or_damaged_is_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = engine(folder.path(), 1024);
    let digest = engine.load(&guest()).unwrap().digest().to_owned();
    let code = entries(folder.path()).remove(0);
    for damage in [&b"no code"[..], b"", &fs::read(&code).unwrap()[..200]] {
        // A new file, as a host would write it: the old one may be mapped.
        fs::remove_file(&code).unwrap();
        fs::write(&code, damage).unwrap();
        assert!(engine.cached(&digest).is_none(), "{} bytes", damage.len());
        engine.load(&guest()).unwrap();
        assert!(engine.cached(&digest).is_some());
    }
    fs::write(code.with_extension("json"), "{").unwrap();
    assert!(engine.cached(&digest).is_none());
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(engine.cached(&digest).is_none());
    engine.load(&guest()).unwrap();
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let folder = tempfile::tempdir().unwrap();
    let roomy = engine(folder.path(), 1024);
    let digests: Vec<_> = (0..3).map(|n| roomy.load(&variant(n)).unwrap().digest().to_owned()).collect();
    // The first one is used again, and the limit is then one that nothing fits but what was just made.
    let old = SystemTime::now() - std::time::Duration::from_secs(60);
    for entry in entries(folder.path()) {
        fs::File::open(entry).unwrap().set_modified(old).unwrap();
    }
    roomy.cached(&digests[0]).unwrap();
    let bytes = fs::metadata(&entries(folder.path())[0]).unwrap().len();
    let cache = roomy.cache.as_ref().unwrap();
    let cache = Cache { limit: bytes * 2 + bytes / 2, ..cache.clone() };
    let newest = entries(folder.path()).into_iter().find(|path| path.to_string_lossy().contains(&digests[2])).unwrap();
    cache.trim(&newest).unwrap();
    let left = |n: usize| roomy.cached(&digests[n]).is_some();
    assert_eq!([left(0), left(1), left(2)], [true, false, true]);
}

#[test]
fn what_client_commands_have_compiled_is_known() {
    let (own, commands) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let of_commands = Some(commands.path().to_owned());
    let host = Engine::beside(Limits::default(), Some(own.path()), of_commands).unwrap();
    let digest = engine(commands.path(), 1024).load(&variant(1)).unwrap().digest().to_owned();
    assert_eq!(host.cached(&digest).unwrap().spec().name, "identity");
    // Without what it declares it is not whole.
    let other = engine(commands.path(), 1024).load(&variant(2)).unwrap().digest().to_owned();
    let kept = entries(commands.path()).into_iter().find(|path| path.to_string_lossy().contains(&other)).unwrap();
    fs::remove_file(kept.with_extension("json")).unwrap();
    assert!(host.cached(&other).is_none());
    assert_eq!(entries(own.path()).len(), 1);
    host.load(&variant(2)).unwrap();
}

#[test]
fn runtimes_of_client_commands_are_taken_from_where_only_this_account_can_write() {
    let (own, commands) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = wasmtime::Engine::default();
    let theirs = Cache::open(commands.path(), &engine, 1 << 30, None).unwrap();
    let of_commands = Some(commands.path().to_owned());
    let ours = Cache::open(own.path(), &engine, 1 << 30, of_commands).unwrap();
    let digest = "0".repeat(64);
    assert!(ours.runtime(&engine, &digest).is_none());
    theirs.put_runtime(&digest, &Module::new(&engine, b"\0asm\x01\0\0\0").unwrap());
    let file = theirs.runtime_file(&digest);
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for (path, open, closed) in [(commands.path(), 0o755, 0o700), (&theirs.folder, 0o770, 0o700), (&file, 0o606, 0o600)]
    {
        mode(path, open);
        assert!(ours.runtime(&engine, &digest).is_none(), "{}", path.display());
        mode(path, closed);
    }
    // Not by a link either, which may lead anywhere.
    let elsewhere = own.path().join("elsewhere");
    fs::rename(&file, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &file).unwrap();
    assert!(ours.runtime(&engine, &digest).is_none());
    fs::rename(&elsewhere, &file).unwrap();
    assert!(ours.runtime(&engine, &digest).is_some());
    // From then on it is its own.
    fs::remove_dir_all(commands.path()).unwrap();
    assert!(ours.runtime(&engine, &digest).is_some());
}
