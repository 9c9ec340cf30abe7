//! What Python asks of WASI while a job's modules are imported: folders to read from, lines to print, clocks and random
//! numbers. These are the functions of the canonical ABI by hand, as much as CPython's C library calls; whatever else it
//! may call traps, as it does in the component.
//!
//! What differs between two builds of the same sources stays out, but for the clock: no times of files, entries of folders
//! in order, random numbers from a fixed seed. Nothing outside of the folders given can be read, and nothing written.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use wasmtime::{Caller, Memory, TypedFunc, Val};

// Of `error-code` and `descriptor-type` in wasi:filesystem/types.
const ACCESS: u8 = 0;
const BAD_DESCRIPTOR: u8 = 3;
const IO: u8 = 13;
const NO_ENTRY: u8 = 20;
const NOT_DIRECTORY: u8 = 24;
const READ_ONLY: u8 = 33;
const DIRECTORY: u8 = 3;
const LINK: u8 = 5;
const REGULAR: u8 = 6;
/// Of `open-flags`: create, exclusive, truncate.
const MAKES: i32 = 1 | 4 | 8;
/// Of `descriptor-flags`.
const WRITES: i32 = 2;
/// What one call reads at most.
const MOST: u64 = 1 << 20;
/// The size of `descriptor-stat` behind the case of its result.
const STAT: usize = 104;

/// The folders that the guest sees, by their names, and what it has opened.
pub(super) struct Guest {
    pub(super) memory: Option<Memory>,
    /// Of the C library, which frees what it is given.
    pub(super) malloc: Option<TypedFunc<i32, i32>>,
    folders: Vec<(String, PathBuf)>,
    open: BTreeMap<i32, Handle>,
    last: i32,
    random: u64,
}

enum Handle {
    /// A file or folder of a mount.
    Path(Place),
    Entries(std::vec::IntoIter<(u8, String)>),
    Input(File),
    Output,
    Pollable,
}

#[derive(Clone)]
struct Place {
    /// The name of the mount, and where it is.
    mount: String,
    root: PathBuf,
    path: PathBuf,
}

impl Guest {
    /// # Errors
    /// A folder is not there.
    pub(super) fn new(folders: &[(String, PathBuf)]) -> Result<Self> {
        let there = |(name, folder): &(String, PathBuf)| {
            let found = folder.canonicalize().with_context(|| format!("cannot open {}", folder.display()));
            Ok((name.clone(), found?))
        };
        let folders = folders.iter().map(there).collect::<Result<_>>()?;
        Ok(Self { memory: None, malloc: None, folders, open: BTreeMap::new(), last: 2, random: 0x9e37_79b9_7f4a_7c15 })
    }

    fn add(&mut self, handle: Handle) -> i32 {
        self.last += 1;
        self.open.insert(self.last, handle);
        self.last
    }

    fn place(&self, handle: i32) -> Result<&Place, u8> {
        match self.open.get(&handle) {
            Some(Handle::Path(place)) => Ok(place),
            _ => Err(BAD_DESCRIPTOR),
        }
    }
}

impl Place {
    /// A path below this folder; with `follow` what a link at its end leads to.
    fn at(&self, path: &str, follow: bool) -> Result<Self, u8> {
        let path = self.path.join(path);
        // Without a link at its end, all before that is still to be within the mount.
        let found = match path.file_name() {
            Some(name) if !follow => path.parent().unwrap_or(&path).canonicalize().map(|parent| parent.join(name)),
            _ => path.canonicalize(),
        };
        let path = found.map_err(|error| code(&error))?;
        if path.starts_with(&self.root) { Ok(Self { path, ..self.clone() }) } else { Err(ACCESS) }
    }

    fn stat(&self) -> Result<[u8; STAT - 8], u8> {
        let found = self.path.symlink_metadata().map_err(|error| code(&error))?;
        let mut stat = [0; STAT - 8];
        if let Some(kind) = stat.first_mut() {
            *kind = kind_of(found.file_type());
        }
        for (at, number) in [(8, 1), (16, found.len())] {
            if let Some(place) = stat.get_mut(at..at + 8) {
                place.copy_from_slice(&u64::to_le_bytes(number));
            }
        }
        Ok(stat)
    }

    /// The same for the same place of a mount, wherever that lies.
    fn hash(&self) -> [u8; 16] {
        let mut hasher = DefaultHasher::new();
        let within = self.path.strip_prefix(&self.root).unwrap_or(&self.path);
        (&self.mount, within).hash(&mut hasher);
        let hash = u128::from(hasher.finish());
        (hash | hash << 64).to_le_bytes()
    }

    /// What is in a folder, in the order of names.
    fn entries(&self) -> Result<Vec<(u8, String)>, u8> {
        let mut entries = Vec::new();
        for entry in self.path.read_dir().map_err(|error| code(&error))? {
            let entry = entry.map_err(|error| code(&error))?;
            let kind = entry.file_type().map_err(|error| code(&error))?;
            // A name that is no text can't cross.
            if let Ok(name) = entry.file_name().into_string() {
                entries.push((kind_of(kind), name));
            }
        }
        entries.sort_by(|(_, one), (_, other)| one.cmp(other));
        Ok(entries)
    }
}

fn kind_of(kind: std::fs::FileType) -> u8 {
    match (kind.is_dir(), kind.is_symlink()) {
        (true, _) => DIRECTORY,
        (_, true) => LINK,
        _ => REGULAR,
    }
}

fn code(error: &std::io::Error) -> u8 {
    match error.kind() {
        ErrorKind::NotFound => NO_ENTRY,
        ErrorKind::NotADirectory => NOT_DIRECTORY,
        ErrorKind::PermissionDenied => ACCESS,
        _ => IO,
    }
}

/// One call of the guest.
pub(super) struct Call<'a, 'b> {
    pub(super) caller: Caller<'a, Guest>,
    pub(super) arguments: &'b [Val],
}

/// What a function gives: its single value, if it has one. What is more than that it writes to memory.
pub(super) type Function = fn(&mut Call<'_, '_>) -> Result<Option<Val>>;

/// The function of a name in one of WASI's interfaces, if it is offered. Two clocks have the same names: one writes a
/// `datetime` to memory, which is an argument.
pub(super) fn function(name: &str, arguments: usize) -> Option<Function> {
    Some(match (name, arguments) {
        ("get-directories", _) => directories,
        ("[method]descriptor.open-at", _) => open_at,
        ("[method]descriptor.stat", _) => |call| call.answer(8, |guest, call| guest.place(call.number(0))?.stat()),
        ("[method]descriptor.stat-at", _) => |call| call.answer(8, |_, call| call.at(1, 2)?.stat()),
        ("[method]descriptor.metadata-hash", _) => {
            |call| call.answer(8, |guest, call| Ok(guest.place(call.number(0))?.hash()))
        }
        ("[method]descriptor.metadata-hash-at", _) => |call| call.answer(8, |_, call| Ok(call.at(1, 2)?.hash())),
        // Read.
        ("[method]descriptor.get-flags", _) => {
            |call| call.answer(1, |guest, call| guest.place(call.number(0)).map(|_| [1]))
        }
        ("[method]descriptor.read-via-stream", _) => read_via_stream,
        ("[method]descriptor.read", _) => read_at,
        ("[method]descriptor.read-directory", _) => read_directory,
        ("[method]directory-entry-stream.read-directory-entry", _) => read_directory_entry,
        ("[method]descriptor.readlink-at", _) => read_link,
        ("[method]descriptor.create-directory-at", _) => |call| call.refuse(1, READ_ONLY),
        ("[method]input-stream.read", _) => read,
        ("[method]input-stream.subscribe" | "[method]output-stream.subscribe", _) => {
            |call| Ok(Some(Val::I32(call.caller.data_mut().add(Handle::Pollable))))
        }
        ("[method]pollable.block", _) => |_| Ok(None),
        ("get-stdout" | "get-stderr", _) => |call| Ok(Some(Val::I32(call.caller.data_mut().add(Handle::Output)))),
        ("[method]output-stream.check-write", _) => |call| call.answer(8, |_, _| Ok(MOST.to_le_bytes())),
        ("[method]output-stream.write", _) => write,
        ("[method]output-stream.blocking-flush", _) => |call| call.answer(4, |_, _| Ok([])),
        // No terminal, no variables and arguments.
        ("get-terminal-stdin" | "get-terminal-stdout" | "get-terminal-stderr", _) => |call| call.give(&[0]),
        ("get-environment" | "get-arguments", _) => |call| call.give(&[0; 8]),
        ("get-random-bytes", _) => random,
        ("now", 1) => wall_clock,
        ("now", 0) | ("resolution", 0) => |_| Ok(Some(Val::I64(1))),
        ("[resource-drop]descriptor" | "[resource-drop]input-stream" | "[resource-drop]output-stream", _)
        | ("[resource-drop]directory-entry-stream" | "[resource-drop]pollable" | "[resource-drop]error", _) => |call| {
            let handle = call.number(0);
            call.caller.data_mut().open.remove(&handle);
            Ok(None)
        },
        _ => return None,
    })
}

impl Call<'_, '_> {
    fn number(&self, argument: usize) -> i32 {
        self.arguments.get(argument).and_then(Val::i32).unwrap_or(0)
    }

    fn long(&self, argument: usize) -> u64 {
        self.arguments.get(argument).and_then(Val::i64).unwrap_or(0) as u64
    }

    /// Writes what the function gives, to the address that is its last argument.
    fn give(&mut self, bytes: &[u8]) -> Result<Option<Val>> {
        let area = self.number(self.arguments.len().saturating_sub(1));
        self.write(area, bytes)?;
        Ok(None)
    }

    fn write(&mut self, address: i32, bytes: &[u8]) -> Result<()> {
        let memory = self.caller.data().memory.context("no memory")?;
        Ok(memory.write(&mut self.caller, address as u32 as usize, bytes)?)
    }

    fn bytes(&self, address: usize) -> Option<&[u8]> {
        let memory = self.caller.data().memory?.data(&self.caller);
        let (start, length) = (self.number(address) as u32 as usize, self.number(address + 1) as u32 as usize);
        memory.get(start..start.checked_add(length)?)
    }

    /// A path of two arguments, below the folder of the first.
    fn at(&self, flags: usize, path: usize) -> Result<Place, u8> {
        let text = self.bytes(path).and_then(|bytes| str::from_utf8(bytes).ok()).ok_or(NO_ENTRY)?;
        // Absolute ones are the C library's to resolve.
        if Path::new(text).components().any(|part| matches!(part, Component::RootDir | Component::Prefix(_))) {
            return Err(ACCESS);
        }
        self.caller.data().place(self.number(0))?.at(text, self.number(flags) & 1 == 1)
    }

    /// Allocates bytes in the guest; gives their address and length, as it has them in lists and strings.
    fn list(&mut self, bytes: &[u8]) -> Result<[u8; 8]> {
        let malloc = self.caller.data().malloc.clone().context("no allocator")?;
        let address = malloc.call(&mut self.caller, i32::try_from(bytes.len().max(1))?)?;
        self.write(address, bytes)?;
        let pair = u64::from(address as u32) | (bytes.len() as u64) << 32;
        Ok(pair.to_le_bytes())
    }

    fn refuse(&mut self, align: usize, code: u8) -> Result<Option<Val>> {
        let mut bytes = vec![0; align + 1];
        bytes.splice(..1, [1]);
        bytes.splice(align.., [code]);
        self.give(&bytes)
    }

    fn accept(&mut self, align: usize, value: &[u8]) -> Result<Option<Val>> {
        let mut bytes = vec![0; align];
        bytes.extend_from_slice(value);
        self.give(&bytes)
    }

    /// Gives a `result`, whose value lies at `align`.
    fn answer<const N: usize>(
        &mut self,
        align: usize,
        of: impl FnOnce(&Guest, &Self) -> Result<[u8; N], u8>,
    ) -> Result<Option<Val>> {
        match of(self.caller.data(), self) {
            Ok(value) => self.accept(align, &value),
            Err(code) => self.refuse(align, code),
        }
    }

    /// Gives a `result` of a new handle.
    fn hand_out(&mut self, handle: Result<Handle, u8>) -> Result<Option<Val>> {
        match handle {
            Ok(handle) => {
                let number = self.caller.data_mut().add(handle);
                self.accept(4, &number.to_le_bytes())
            }
            Err(code) => self.refuse(4, code),
        }
    }
}

fn directories(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let folders = call.caller.data().folders.clone();
    let mut list = Vec::new();
    for (mount, root) in folders {
        let name = call.list(mount.as_bytes())?;
        let handle = call.caller.data_mut().add(Handle::Path(Place { mount, path: root.clone(), root }));
        list.extend(handle.to_le_bytes().into_iter().chain(name));
    }
    let count = u64::try_from(list.len() / 12)?;
    let [a, b, c, d, ..] = call.list(&list)?;
    let [e, f, g, h, ..] = count.to_le_bytes();
    call.give(&[a, b, c, d, e, f, g, h])
}

fn open_at(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let found = call.at(1, 2).and_then(|place| {
        if call.number(4) & MAKES != 0 || call.number(5) & WRITES != 0 {
            return Err(READ_ONLY);
        }
        // One that may not be read is told now.
        if place.path.is_dir() {
            return Ok(place);
        }
        File::open(&place.path).map(|_| place).map_err(|error| code(&error))
    });
    let refused = matches!(&found, Ok(place) if call.number(4) & 2 != 0 && !place.path.is_dir());
    call.hand_out(if refused { Err(NOT_DIRECTORY) } else { found.map(Handle::Path) })
}

fn opened(call: &Call<'_, '_>, offset: u64) -> Result<File, u8> {
    let place = call.caller.data().place(call.number(0))?;
    let open = || {
        let mut file = File::open(&place.path)?;
        file.seek(SeekFrom::Start(offset))?;
        Ok(file)
    };
    open().map_err(|error: std::io::Error| code(&error))
}

fn read_via_stream(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let file = opened(call, call.long(1)).map(Handle::Input);
    call.hand_out(file)
}

fn read_at(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let length = call.long(1).min(MOST);
    let read = opened(call, call.long(2)).and_then(|file| some(file, length));
    match read {
        Ok(bytes) => {
            let list = call.list(&bytes)?;
            let ended = u8::from(bytes.is_empty() && length > 0);
            call.accept(4, &[&list[..], &[ended]].concat())
        }
        Err(code) => call.refuse(4, code),
    }
}

fn some(file: impl Read, length: u64) -> Result<Vec<u8>, u8> {
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(|error| code(&error))?;
    Ok(bytes)
}

fn read(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let (handle, length) = (call.number(0), call.long(1).min(MOST));
    let read = match call.caller.data().open.get(&handle) {
        Some(Handle::Input(file)) => some(file, length),
        _ => Err(BAD_DESCRIPTOR),
    };
    match read {
        Ok(bytes) if length == 0 || !bytes.is_empty() => {
            let list = call.list(&bytes)?;
            call.accept(4, &list)
        }
        // The case `closed` of `stream-error`: the end of the file.
        _ => call.refuse(4, 1),
    }
}

fn read_directory(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let entries = call.caller.data().place(call.number(0)).and_then(Place::entries);
    call.hand_out(entries.map(|entries| Handle::Entries(entries.into_iter())))
}

fn read_directory_entry(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let handle = call.number(0);
    match call.caller.data_mut().open.get_mut(&handle) {
        Some(Handle::Entries(entries)) => match entries.next() {
            Some((kind, name)) => {
                let name = call.list(name.as_bytes())?;
                call.accept(4, &[&[1, 0, 0, 0, kind, 0, 0, 0][..], &name].concat())
            }
            None => call.accept(4, &[0]),
        },
        _ => call.refuse(4, BAD_DESCRIPTOR),
    }
}

fn read_link(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let text = call.bytes(1).and_then(|bytes| str::from_utf8(bytes).ok()).ok_or(NO_ENTRY);
    let place = text.and_then(|text| call.caller.data().place(call.number(0))?.at(text, false));
    let link = place.and_then(|place| place.path.read_link().map_err(|_| ACCESS));
    match link {
        Ok(link) => {
            let text = call.list(link.to_string_lossy().as_bytes())?;
            call.accept(4, &text)
        }
        Err(code) => call.refuse(4, code),
    }
}

/// What is printed goes to standard error, where the messages of other languages' tools go too.
fn write(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    // Where that is closed nobody misses it.
    let _ = std::io::stderr().write_all(call.bytes(1).unwrap_or_default());
    call.accept(4, &[])
}

fn random(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let length = call.long(0).min(MOST);
    let state = &mut call.caller.data_mut().random;
    let next = |_| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state >> 32) as u8
    };
    let bytes: Vec<u8> = (0..length).map(next).collect();
    let list = call.list(&bytes)?;
    call.give(&list)
}

fn wall_clock(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let bytes = [&now.as_secs().to_le_bytes()[..], &now.subsec_nanos().to_le_bytes()].concat();
    call.give(&bytes)
}
