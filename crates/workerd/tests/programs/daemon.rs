//! A daemon by itself, whose coordinator is not there.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use super::{WORKERD, spawn, wait};

#[test]
fn a_gpu_without_cuda_is_an_error_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = daemon(folder.path(), &["--gpu", "0"]);
    let error = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    assert!(!wait(&mut child).success());
    assert!(error.contains("--cpu"), "{error}");
}

#[test]
fn a_daemon_that_waits_for_its_coordinator_stops_at_a_signal_in_good_order() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let folder = tempfile::tempdir().unwrap();
        let mut child = daemon(folder.path(), &["--cpu"]);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("waiting for the coordinator")));

        kill(Pid::from_raw(child.id() as i32), signal).unwrap();

        assert!(wait(&mut child).success(), "{signal}");
    }
}

#[test]
fn a_second_daemon_on_one_scratch_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = daemon(folder.path(), &["--cpu"]);
    let mut lines = BufReader::new(first.stderr.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("waiting for the coordinator")));

    let mut second = daemon(folder.path(), &["--cpu"]);

    let error = std::io::read_to_string(second.stderr.take().unwrap()).unwrap();
    assert!(!wait(&mut second).success());
    assert!(error.contains("--name"), "{error}");
    first.kill().unwrap();
    first.wait().unwrap();
}

/// Fault 62, a worker's half: what was planted in the scratch folder leads nobody out of it.
#[test]
fn a_scratch_folder_with_planted_links_is_refused_or_cleaned_and_nothing_outside_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let (outside, scratch) = (folder.path().join("outside"), folder.path().join("scratch"));
    for made in [&outside, &scratch] {
        fs::create_dir(made).unwrap();
    }
    fs::write(outside.join("precious"), "kept").unwrap();
    symlink(&outside, scratch.join("attempts")).unwrap();

    let mut refused = daemon(folder.path(), &["--cpu"]);
    let error = std::io::read_to_string(refused.stderr.take().unwrap()).unwrap();
    assert!(!wait(&mut refused).success());
    assert!(error.contains("attempts is a symbolic link"), "{error}");

    fs::remove_file(scratch.join("attempts")).unwrap();
    fs::create_dir(scratch.join("attempts")).unwrap();
    fs::remove_file(scratch.join("workerd.lock")).unwrap();
    symlink(outside.join("precious"), scratch.join("workerd.lock")).unwrap();
    let mut refused = daemon(folder.path(), &["--cpu"]);
    let error = std::io::read_to_string(refused.stderr.take().unwrap()).unwrap();
    assert!(!wait(&mut refused).success());
    assert!(error.contains("cannot use the scratch folder"), "{error}");
    assert_eq!(fs::read_to_string(outside.join("precious")).unwrap(), "kept");
}

/// A daemon on this folder whose coordinator is not there.
fn daemon(folder: &Path, arguments: &[&str]) -> Child {
    let token = folder.join("token");
    fs::write(&token, "ab".repeat(32)).unwrap();
    // Nobody can listen on port 1 but root, and nobody does.
    let command = &mut Command::new(WORKERD);
    spawn(
        command
            .args(arguments)
            .args(["--coordinator", "http://127.0.0.1:1", "--name", "test"])
            .arg("--scratch-dir")
            .arg(folder.join("scratch"))
            .arg("--token-file")
            .arg(token),
    )
}
