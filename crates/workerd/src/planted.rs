//! Names in our folders that somebody else may have put there: never followed out of them.
//!
//! A scratch folder may lie where others can write. Nothing of ours in it is a symbolic link, so
//! one that stands where we write was planted, and is not written through.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::ensure;
use nix::fcntl::OFlag;

/// Options that refuse to open a symbolic link.
#[must_use]
pub fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlag::O_NOFOLLOW.bits());
    options
}

/// Makes an empty file to write to; what had that name is emptied, a symbolic link removed.
///
/// # Errors
/// It cannot be made.
pub fn create(path: &Path) -> io::Result<File> {
    unlink(path)?;
    options().write(true).create(true).truncate(true).open(path)
}

/// Removes what stands here if it is a symbolic link; what it leads to stays.
///
/// # Errors
/// It cannot be removed.
pub fn unlink(path: &Path) -> io::Result<()> {
    if path.is_symlink() { fs::remove_file(path) } else { Ok(()) }
}

/// Makes a folder, unless it is there.
///
/// # Errors
/// It cannot be made, or a symbolic link has its name.
pub fn folder(path: &Path) -> anyhow::Result<()> {
    ensure!(
        !path.is_symlink(),
        "{} is a symbolic link; nothing in a scratch folder may lead out of it",
        path.display()
    );
    Ok(fs::create_dir_all(path)?)
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_file_is_made_in_place_of_a_link_and_what_that_leads_to_stays() {
        let place = tempfile::tempdir().unwrap();
        let (outside, planted) = (place.path().join("outside"), place.path().join("planted"));
        fs::write(&outside, "precious").unwrap();
        symlink(&outside, &planted).unwrap();
        assert!(options().append(true).open(&planted).is_err());

        create(&planted).unwrap().write_all(b"ours").unwrap();

        assert_eq!(fs::read_to_string(&outside).unwrap(), "precious");
        assert_eq!(fs::read_to_string(&planted).unwrap(), "ours");
        assert!(!planted.is_symlink());
    }

    #[test]
    fn a_folder_that_leads_elsewhere_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let planted = place.path().join("attempts");
        symlink("/", &planted).unwrap();
        let refusal = folder(&planted).unwrap_err().to_string();
        assert!(refusal.contains("attempts is a symbolic link"), "{refusal}");
    }
}
