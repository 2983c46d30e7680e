//! How a process that trains keeps its memory.
//!
//! Each iteration asks for the same large buffers. The C library's allocator would hand them
//! back to the system every time and get fresh pages of zeros for them, which took a quarter
//! of a small network's time (`caffenet-32`: 654 images/s, 909 with what is here). It reads
//! how it should be from the environment, once, when a process starts (mallopt(3)); where
//! there is another allocator, nobody reads it.

use std::{env, io, os::unix::process::CommandExt, process::Command};

use crate::ambient;

/// One heap for all threads, no mappings of single buffers, nothing given back, grown by
/// 64 MiB at a time and in huge pages where the system has them.
const SETTINGS: [(&str, &str); 5] = [
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_MMAP_MAX_", "0"),
    ("MALLOC_TRIM_THRESHOLD_", "1099511627776"),
    ("MALLOC_TOP_PAD_", "67108864"),
    ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"),
];

/// What to put into the environment of a process that will train. What the user has set
/// stays.
pub fn settings() -> impl Iterator<Item = (&'static str, &'static str)> {
    SETTINGS.into_iter().filter(|(name, _)| env::var_os(name).is_none())
}

/// Starts this process again, as it was called, with its memory kept; returns where that is
/// already so.
///
/// # Errors
/// The system does not start it.
pub fn keep() -> io::Result<()> {
    if settings().next().is_none() {
        return Ok(());
    }
    let arguments = env::args_os().skip(1);
    Err(Command::new(ambient::executable()?).arg0("workerd").args(arguments).envs(settings()).exec())
}
