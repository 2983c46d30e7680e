//! What this machine's `/proc` says about processes: who lives, whose child it is, what it is.
//!
//! Only looks; nobody is signalled here.

use std::{fs, path::Path};

use nix::unistd::Pid;

/// A process as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: Pid,
    /// Its parent's.
    pub parent: Pid,
    /// Its command line, words separated by blanks.
    pub command: String,
}

/// Every process that lives: one that has ended and was not waited for does not.
#[must_use]
pub fn processes() -> Vec<Seen> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .filter_map(process)
        .collect()
}

/// This process, if it lives.
#[must_use]
pub fn process(id: Pid) -> Option<Seen> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it stands in brackets and may itself hold brackets and blanks.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = Pid::from_raw(fields.next()?.parse().ok()?);
    if ["Z", "X"].contains(&state) {
        return None;
    }
    let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    Some(Seen { id, parent, command })
}

/// Living children of a process.
#[must_use]
pub fn children(parent: Pid) -> Vec<Seen> {
    processes().into_iter().filter(|process| process.parent == parent).collect()
}

/// Living programs of ours that belong to `folder`: it stands in their command line or in
/// the environment that they were started with, or they work in it.
#[must_use]
pub fn processes_of(folder: &Path) -> Vec<Seen> {
    const OURS: [&str; 4] = ["coordinatord", "jobctl", "postgres", "workerd"];
    let is_ours = |process: &Seen| {
        let program = process.command.split([' ', ':']).next().unwrap_or_default();
        OURS.iter().any(|ours| Path::new(program).ends_with(ours))
    };
    let name = folder.to_string_lossy();
    let belongs = |process: &Seen| {
        let environment = fs::read(format!("/proc/{}/environ", process.id)).unwrap_or_default();
        process.command.contains(&*name)
            || String::from_utf8_lossy(&environment).contains(&*name)
            || fs::read_link(format!("/proc/{}/cwd", process.id)).is_ok_and(|place| place.starts_with(folder))
    };
    processes().into_iter().filter(|process| is_ours(process) && belongs(process)).collect()
}
