//! What Python asks of WASI while a job's modules are imported: folders to read from, lines to print, clocks and random
//! numbers. These are the functions of the canonical ABI by hand, as much as CPython's C library calls.
//!
//! What is not offered is told as an error that Python raises, where the function can give one: files can't be written,
//! sockets not made. A job that sleeps is interrupted by an exception. All else ends the import, with its name.
//!
//! What differs between two builds of the same sources stays out, but for the clock: random numbers are from a fixed
//! seed, and [`files`](super::files) does the rest.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt as _;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use pelton_model::settings::Limits;
use pelton_runtime::Meter;
use wasmtime::{Caller, Memory, TypedFunc, Val};

use super::files::{
    ACCESS, BAD_DESCRIPTOR, Mount, NO_ENTRY, NO_MEMORY, NOT_DIRECTORY, Notes, Opened, Place, READ_ONLY, code,
};
use super::interrupt::Interrupt;

/// Of `open-flags`: create, exclusive, truncate.
const MAKES: i32 = 1 | 4 | 8;
/// Of `open-flags`: only a folder.
const FOLDER: i32 = 2;
/// Of `descriptor-flags`.
const WRITES: i32 = 2;
/// Of `error-code` in wasi:sockets/network.
const NO_SOCKETS: u8 = 1;
/// What one call reads at most.
const MOST: u64 = 1 << 20;
/// What is open at once at most.
const HANDLES: usize = 1_000;

/// The folders that the guest sees, and what it has opened.
pub(super) struct Guest {
    pub(super) memory: Option<Memory>,
    /// Of the C library, which frees what it is given.
    pub(super) malloc: Option<TypedFunc<i32, i32>>,
    /// Of CPython: runs a text.
    pub(super) run: Option<TypedFunc<i32, i32>>,
    pub(super) interrupt: Option<Interrupt>,
    pub(super) meter: Meter,
    pub(super) notes: Notes,
    /// What is printed, where it is not for people.
    pub(super) printed: Option<Vec<u8>>,
    mounts: Vec<Rc<Mount>>,
    open: BTreeMap<i32, Handle>,
    last: i32,
    random: u64,
}

enum Handle {
    Folder(Place),
    File(Place, Rc<File>),
    Entries(std::vec::IntoIter<(u8, String)>),
    /// A file, and where it is read next.
    Input(Rc<File>, u64),
    /// Standard input: there is none.
    Nothing,
    Output,
    Pollable,
    Network,
}

impl Guest {
    /// # Errors
    /// A folder is not there.
    pub(super) fn new(folders: &[(String, PathBuf)], limits: &Limits) -> Result<Self> {
        let notes = Notes::default();
        let mounts = folders.iter().map(|(name, folder)| Mount::open(name, folder, &notes)).collect::<Result<_>>()?;
        Ok(Self {
            memory: None,
            malloc: None,
            run: None,
            interrupt: None,
            meter: Meter::new(limits),
            notes,
            printed: None,
            mounts,
            open: BTreeMap::new(),
            last: 2,
            random: 0x9e37_79b9_7f4a_7c15,
        })
    }

    fn add(&mut self, handle: Handle) -> i32 {
        self.last += 1;
        self.open.insert(self.last, handle);
        self.last
    }

    fn place(&self, handle: i32) -> Result<&Place, u8> {
        match self.open.get(&handle) {
            Some(Handle::Folder(place) | Handle::File(place, _)) => Ok(place),
            _ => Err(BAD_DESCRIPTOR),
        }
    }

    fn file(&self, handle: i32) -> Result<Rc<File>, u8> {
        match self.open.get(&handle) {
            Some(Handle::File(_, file)) => Ok(file.clone()),
            _ => Err(BAD_DESCRIPTOR),
        }
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
        // Nothing is written.
        (
            "[method]descriptor.create-directory-at"
            | "[method]descriptor.unlink-file-at"
            | "[method]descriptor.remove-directory-at"
            | "[method]descriptor.rename-at"
            | "[method]descriptor.link-at"
            | "[method]descriptor.symlink-at"
            | "[method]descriptor.set-times"
            | "[method]descriptor.set-times-at"
            | "[method]descriptor.set-size",
            _,
        ) => |call| call.refuse(1, READ_ONLY),
        ("[method]descriptor.write-via-stream" | "[method]descriptor.append-via-stream", _) => {
            |call| call.refuse(4, READ_ONLY)
        }
        ("[method]descriptor.write", _) => |call| call.refuse(8, READ_ONLY),
        ("[method]descriptor.sync" | "[method]descriptor.sync-data" | "[method]descriptor.advise", _) => {
            |call| call.accept(1, &[])
        }
        ("[method]input-stream.read", _) => read,
        ("[method]input-stream.subscribe" | "[method]output-stream.subscribe", _) => {
            |call| Ok(Some(Val::I32(call.caller.data_mut().add(Handle::Pollable))))
        }
        ("[method]pollable.block", _) => |_| Ok(None),
        // All are ready.
        ("poll", _) => |call| {
            let indices: Vec<u8> = (0..call.number(1)).flat_map(i32::to_le_bytes).collect();
            let [a, b, c, d, ..] = call.list(&indices)?;
            let [e, f, g, h] = call.number(1).to_le_bytes();
            call.give(&[a, b, c, d, e, f, g, h])
        },
        ("subscribe-duration" | "subscribe-instant", _) => sleep,
        ("get-stdin", _) => |call| Ok(Some(Val::I32(call.caller.data_mut().add(Handle::Nothing)))),
        ("instance-network", _) => |call| Ok(Some(Val::I32(call.caller.data_mut().add(Handle::Network)))),
        ("create-tcp-socket" | "create-udp-socket" | "resolve-addresses", _) => |call| {
            call.caller.data().notes.add("a job has no network, also not while it is built".to_owned());
            call.refuse(4, NO_SOCKETS)
        },
        ("exit", _) => |_| bail!("the import ended Python, with os._exit, and so there is no job"),
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
        ("reset_adapter_state", _) => return None,
        (name, _) if name.starts_with("[resource-drop]") => |call| {
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
        let is_full = self.caller.data().open.len() >= HANDLES;
        match if is_full { Err(NO_MEMORY) } else { handle } {
            Ok(handle) => {
                let number = self.caller.data_mut().add(handle);
                self.accept(4, &number.to_le_bytes())
            }
            Err(code) => self.refuse(4, code),
        }
    }
}

fn directories(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let mounts = call.caller.data().mounts.clone();
    let mut list = Vec::new();
    for mount in mounts {
        let name = call.list(mount.name.as_bytes())?;
        let handle = call.caller.data_mut().add(Handle::Folder(mount.place()));
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
        match place.open()? {
            Opened::Folder => Ok(Handle::Folder(place)),
            Opened::File(_) if call.number(4) & FOLDER != 0 => Err(NOT_DIRECTORY),
            Opened::File(file) => Ok(Handle::File(place, Rc::new(file))),
        }
    });
    call.hand_out(found)
}

fn read_via_stream(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let file = call.caller.data().file(call.number(0));
    let from = call.long(1);
    call.hand_out(file.map(|file| Handle::Input(file, from)))
}

fn read_at(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let length = call.long(1).min(MOST);
    let read = call.caller.data().file(call.number(0)).and_then(|file| some(&file, length, call.long(2)));
    match read {
        Ok(bytes) => {
            let list = call.list(&bytes)?;
            let ended = u8::from(bytes.is_empty() && length > 0);
            call.accept(4, &[&list[..], &[ended]].concat())
        }
        Err(code) => call.refuse(4, code),
    }
}

fn some(file: &File, length: u64, from: u64) -> Result<Vec<u8>, u8> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    let read = file.read_at(&mut bytes, from).map_err(|error| code(&error))?;
    bytes.truncate(read);
    Ok(bytes)
}

fn read(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let (handle, length) = (call.number(0), call.long(1).min(MOST));
    let read = match call.caller.data_mut().open.get_mut(&handle) {
        Some(Handle::Input(file, from)) => some(file, length, *from).inspect(|bytes| *from += bytes.len() as u64),
        Some(Handle::Nothing) => Ok(Vec::new()),
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
    match place.and_then(|place| place.link()) {
        Ok(link) => {
            let text = call.list(link.as_bytes())?;
            call.accept(4, &text)
        }
        Err(code) => call.refuse(4, code),
    }
}

/// What is printed goes to standard error, where the messages of other languages' tools go too.
fn write(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let bytes = call.bytes(1).unwrap_or_default().to_vec();
    match &mut call.caller.data_mut().printed {
        Some(printed) => printed.extend(bytes),
        // Where that is closed nobody misses it.
        None => drop(std::io::stderr().write_all(&bytes)),
    }
    call.accept(4, &[])
}

/// There is no error for it: it returns at once, and Python raises. To look whether something is ready is no sleep.
fn sleep(call: &mut Call<'_, '_>) -> Result<Option<Val>> {
    let is_long = call.long(0) > 0;
    let guest = call.caller.data_mut();
    let pollable = guest.add(Handle::Pollable);
    if is_long {
        guest.notes.add("a job can't sleep or wait, also not while it is built".to_owned());
        let interrupt = guest.interrupt.clone().context("a job can't sleep or wait while it is built")?;
        interrupt.refuse(&mut call.caller).map_err(anyhow::Error::from)?;
    }
    Ok(Some(Val::I32(pollable)))
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
