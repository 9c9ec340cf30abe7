//! What the allocator keeps of memory that is free.

/// Gives it back to the system, so that what one guest made the host hold does not stay beside what the next one does:
/// glibc keeps what lies between blocks that are in use. Takes some milliseconds.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "there is no safe call for this")]
pub(crate) fn give_back() {
    // SAFETY: any thread may call it at any time (malloc_trim(3)).
    unsafe { nix::libc::malloc_trim(0) };
}

/// Other allocators see to it themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
