//! A small real disk in memory, mounted for a test.

use std::{
    env,
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// Set in a test that runs a second time, where it may mount.
const AGAIN: &str = "SELFFER_TEST_MAY_MOUNT";

/// A file system in memory; it is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    point: PathBuf,
}

impl SmallDisk {
    /// Mounts one below `folder` for the test of this name. Where this user may not, the test is run
    /// in a mount namespace of its own instead, and there is no disk here.
    ///
    /// # Panics
    /// When it may not there either, or the test did not pass there.
    #[must_use]
    pub fn for_test(folder: &Path, options: &str, test: &str) -> Option<Self> {
        let why = match Self::try_mount(&folder.join("disk"), options) {
            Ok(disk) => return Some(disk),
            Err(why) => why,
        };
        assert!(env::var_os(AGAIN).is_none(), "no small disk can be mounted: {why}");
        let mut again = Command::new("unshare");
        let program = env::current_exe().expect("a running program has a path");
        again.args(["--user", "--map-root-user", "--mount"]).arg(program);
        let output = again.args(["--exact", test]).env(AGAIN, "1").output().expect("unshare is there");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("1 passed"), "{why}\n{said}");
        None
    }

    /// Mounts one at this folder, which is made.
    ///
    /// # Panics
    /// When this user may not: such tests run as root.
    #[must_use]
    pub fn mount(at: &Path, options: &str) -> Self {
        Self::try_mount(at, options).unwrap_or_else(|why| panic!("run this as root: {why}"))
    }

    fn try_mount(at: &Path, options: &str) -> Result<Self, String> {
        fs::create_dir_all(at).map_err(|error| error.to_string())?;
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(at).output();
        let mounted = mounted.map_err(|error| error.to_string())?;
        if mounted.status.success() {
            return Ok(Self { point: at.to_owned() });
        }
        Err(String::from_utf8_lossy(&mounted.stderr).into_owned())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.point
    }

    /// Takes all that is left of it, in a file that is to be removed to make room.
    ///
    /// # Panics
    /// When not even that file can be made.
    pub fn fill(&self) -> PathBuf {
        let path = self.point.join("filler");
        let mut file = File::options().create(true).append(true).open(&path).expect("a file on the disk");
        while file.write_all(&[7; 4096]).is_ok() {}
        path
    }

    /// Its files, below whatever folders.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        files_below(&self.point)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.point).status();
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
