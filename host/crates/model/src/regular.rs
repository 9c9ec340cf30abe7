//! Files that others have put there: only regular ones are opened, none is waited for (neither a FIFO's writer nor a
//! device), and each is read to a limit.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

/// Largest component that is read, bytes.
pub const COMPONENT_BYTES: u64 = 256 << 20;
/// Largest text file that is read, bytes: settings, a project's description.
pub const TEXT_BYTES: u64 = 8 << 20;

/// How a file of others is opened: a FIFO or a device may have come in its place.
fn quiet() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC
}

/// What it is that is no regular file.
pub fn kind(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => None,
        () if kind.is_dir() => Some("folder"),
        () if kind.is_fifo() => Some("FIFO"),
        () if kind.is_socket() => Some("socket"),
        () => Some("device"),
    }
}

/// Opens a regular file.
///
/// # Errors
/// It can't be opened, or is something else, which is said: [`ErrorKind::InvalidInput`].
pub fn open(path: &Path) -> io::Result<File> {
    // To open a device may do something already.
    check(&fs::metadata(path)?)?;
    let file = open_any(path)?;
    check(&file.metadata()?)?;
    Ok(file)
}

/// Opens whatever is there, and waits for nothing.
///
/// # Errors
/// It can't be opened.
pub fn open_any(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(quiet().bits()).open(path)
}

/// Opens what a relative path leads to below a folder, and waits for nothing. No link is followed, so it is below that
/// folder, whatever is exchanged meanwhile.
///
/// # Errors
/// It can't be opened, or a step is a link.
pub fn open_below(folder: &File, path: &Path) -> io::Result<File> {
    let mut at = folder.try_clone()?;
    let mut steps = path.iter().peekable();
    while let Some(step) = steps.next() {
        if step == ".." || step == "/" {
            return Err(ErrorKind::InvalidInput.into());
        }
        let only = if steps.peek().is_some() { OFlag::O_DIRECTORY } else { OFlag::empty() };
        at = openat(&at, step, quiet() | OFlag::O_NOFOLLOW | only, Mode::empty())?.into();
    }
    Ok(at)
}

/// The bytes of a regular file.
///
/// # Errors
/// It can't be read, is something else, or is larger than `limit` bytes, which is said.
pub fn read(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let size = file.metadata()?.len();
    let too_large = || io::Error::new(ErrorKind::FileTooLarge, format!("it has more than {limit} bytes"));
    if size > limit {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // It may grow.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit { Err(too_large()) } else { Ok(bytes) }
}

/// The text of a regular file.
///
/// # Errors
/// As [`read()`]; it is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read(path, limit)?).map_err(|_| io::Error::new(ErrorKind::InvalidData, "it is no text in UTF-8"))
}

fn check(metadata: &Metadata) -> io::Result<()> {
    let other = kind(metadata).map(|kind| format!("it is a {kind}, not a file"));
    other.map_or(Ok(()), |other| Err(io::Error::new(ErrorKind::InvalidInput, other)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn only_regular_files_are_read_and_only_to_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        mkfifo(&at("fifo"), Mode::S_IRWXU).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        File::create(at("sparse")).unwrap().set_len(10 << 40).unwrap();
        fs::write(at("bytes"), [0xff]).unwrap();
        assert_eq!(read_text(&at("file"), 4).unwrap(), "text");
        let why_not = |name: &str| read_text(&at(name), 3).unwrap_err().to_string();
        assert_eq!(why_not("fifo"), "it is a FIFO, not a file");
        assert_eq!(why_not("zero"), "it is a device, not a file");
        assert_eq!(why_not(""), "it is a folder, not a file");
        assert_eq!(why_not("sparse"), "it has more than 3 bytes");
        assert_eq!(why_not("file"), "it has more than 3 bytes");
        // Its length says nothing.
        assert_eq!(read(Path::new("/proc/self/status"), 3).unwrap_err().to_string(), "it has more than 3 bytes");
        assert_eq!(why_not("bytes"), "it is no text in UTF-8");
        assert!(why_not("none").contains("No such file"));
    }

    #[test]
    fn no_link_is_followed_below_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("in")).unwrap();
        fs::write(at("in/file"), "").unwrap();
        symlink("in", at("link")).unwrap();
        symlink("in/file", at("to_file")).unwrap();
        let top = File::open(folder.path()).unwrap();
        for (path, is_opened) in [
            ("in/file", true),
            ("in", true),
            ("link/file", false),
            ("to_file", false),
            ("in/../in/file", false),
            ("/in", false),
        ] {
            assert_eq!(open_below(&top, Path::new(path)).is_ok(), is_opened, "{path}");
        }
    }
}
