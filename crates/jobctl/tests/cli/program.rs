//! `jobctl` in an empty folder, with nobody to talk to.

use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// An address where nobody listens: port 1 is never given out.
pub(crate) const NOBODY: &str = "http://127.0.0.1:1";

/// `jobctl` in an empty folder of its own, far from anyone's coordinator and tokens.
fn jobctl(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("jobctl").expect("cargo builds the program before its tests");
    command
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("SELFFER_COORDINATOR", NOBODY)
        .env("COLUMNS", "100");
    command
}

/// What a command printed, and how it ended.
pub(crate) struct Printed {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs `jobctl` with these arguments in an empty folder.
pub(crate) fn run(arguments: &[&str]) -> Printed {
    run_in(tempfile::tempdir().unwrap().path(), arguments)
}

/// Runs `jobctl` with these arguments in this folder.
pub(crate) fn run_in(folder: &Path, arguments: &[&str]) -> Printed {
    let output = jobctl(folder).args(arguments).output().unwrap();
    Printed {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A file of the source tree.
pub(crate) fn in_tree(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}
