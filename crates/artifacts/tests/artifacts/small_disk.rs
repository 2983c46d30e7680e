//! A small real disk, mounted for a test.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Set in a test that runs a second time, where it may mount.
const AGAIN: &str = "SELFFER_TEST_MAY_MOUNT";

/// A file system in memory; it goes with the test.
pub(crate) struct SmallDisk {
    point: PathBuf,
    _folder: tempfile::TempDir,
}

impl SmallDisk {
    /// Mounts one for the test of this name. Where this user may not, the test is run in a mount
    /// namespace of its own instead, and there is no disk here.
    pub(crate) fn mount(options: &str, test: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let point = folder.path().join("disk");
        fs::create_dir(&point).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&point);
        let mounted = mount.output().unwrap();
        if mounted.status.success() {
            return Some(Self { point, _folder: folder });
        }
        let why = String::from_utf8_lossy(&mounted.stderr).into_owned();
        assert!(env::var_os(AGAIN).is_none(), "no small disk can be mounted: {why}");
        let mut again = Command::new("unshare");
        again.args(["--user", "--map-root-user", "--mount"]).arg(env::current_exe().unwrap());
        let output = again.args(["--exact", test]).env(AGAIN, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{why}\n{said}");
        None
    }

    pub(crate) fn path(&self) -> &Path {
        &self.point
    }

    /// Its files, below whatever folders.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        files_below(&self.point)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.point).status();
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path),
        }
    }
    files
}
