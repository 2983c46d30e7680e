//! A trainer's process group: the trainer and everything it ever started.
//!
//! Its number is the trainer's process id, and stays its own as long as the trainer was not
//! waited for or anything of it lives: so it may be signalled until it is empty, and no longer.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nix::{
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, waitid},
    },
    unistd::Pid,
};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};
use tracing::warn;

/// How often what does not end is killed again.
const AGAIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// A process group of a child of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group(Pid);

impl Group {
    /// That of the child with this id, which leads it and was not waited for.
    #[must_use]
    pub fn of(leader: u32) -> Option<Self> {
        i32::try_from(leader).ok().filter(|id| *id > 1).map(|id| Self(Pid::from_raw(id)))
    }

    /// Waits until its leader has ended, and leaves it to be waited for.
    pub async fn leader_ended(self) {
        let wait = move || waitid(Id::Pid(self.0), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        // One that cannot be waited for is none of ours any more.
        let _ = spawn_blocking(wait).await;
    }

    /// Ends all of it at once.
    pub fn kill(self) {
        let _ = killpg(self.0, Signal::SIGKILL);
    }

    /// Who of it lives: what has ended and was not waited for does not.
    #[must_use]
    pub fn living(self) -> Vec<i32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        ids.filter(|id| group_of_living(*id) == Some(self.0.as_raw())).collect()
    }

    /// Waits until nothing of it lives, at most so long. Whether that is so.
    pub async fn emptied(self, within: Duration) -> bool {
        let empty = async {
            while !self.living().is_empty() {
                sleep(POLL).await;
            }
        };
        timeout(within, empty).await.is_ok()
    }
}

/// Devices that are not free though their trainers are gone: something of a trainer lives on.
#[derive(Debug, Default)]
pub struct Occupied(Mutex<Vec<(String, Group)>>);

impl Occupied {
    /// The device of this worker is not free until the group is empty.
    pub fn by(&self, worker: &str, group: Group) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((worker.to_owned(), group));
    }

    /// Waits until the device of this worker is free.
    pub async fn freed(&self, worker: &str) {
        let of_worker = |(of, group): (String, Group)| (of == worker).then_some(group);
        let groups = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for group in groups.into_iter().filter_map(of_worker) {
            let living = group.living();
            warn!(
                worker,
                ?living,
                "a trainer's processes cannot be ended; its device takes no job meanwhile"
            );
            while !group.emptied(AGAIN).await {
                group.kill();
            }
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _)| of != worker);
    }
}

/// The group of a process that lives; see proc_pid_stat(5).
fn group_of_living(id: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name before it stands in brackets and may itself hold brackets and blanks.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    (!["Z", "X"].contains(&state)).then_some(group)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::CommandExt, process::Command};

    use super::*;

    #[tokio::test]
    async fn a_group_is_empty_when_its_grandchildren_are_gone_too() {
        let script = "sleep 600 & sleep 600 & exec true";
        let mut leader = Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap();
        let group = Group::of(leader.id()).unwrap();

        group.leader_ended().await;

        assert_eq!(group.living().len(), 2);
        assert!(!group.emptied(Duration::ZERO).await);
        group.kill();
        assert!(group.emptied(Duration::from_secs(10)).await);
        assert!(leader.wait().unwrap().success(), "it was left to be waited for");
    }
}
