//! The one place that asks this machine for time, randomness and its own name.
//!
//! Everything else gets them as values. Durations are measured on the monotonic clock
//! where they are needed; decisions never rest on the wall clock.
#![allow(clippy::disallowed_methods)] // This is the module the lint points to.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    time::{Instant, SystemTime},
};

use rand::RngCore;
use selffer_core::ids::{ClaimId, Name, SessionId};

/// A new session's identity.
#[must_use]
pub fn session_id() -> SessionId {
    SessionId(uuid::Uuid::now_v7())
}

/// 128 random bits for one claim.
#[must_use]
pub fn claim_id() -> ClaimId {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    ClaimId(bytes)
}

/// A name for a folder that nobody else has: 64 random bits.
#[must_use]
pub fn folder_name() -> String {
    format!("{:016x}", rand::rng().next_u64())
}

/// Now, on the monotonic clock.
#[must_use]
pub fn now() -> Instant {
    Instant::now()
}

/// Now, on the wall clock: only for what people say in its terms.
#[must_use]
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// The host's name made a legal node name: other characters become `-`.
///
/// `worker` where the host has no usable name.
#[must_use]
pub fn node_name() -> Name {
    let host = nix::sys::utsname::uname().map(|names| names.nodename().to_string_lossy().into_owned());
    legal_name(&host.unwrap_or_default())
}

fn legal_name(host: &str) -> Name {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let text: String = host.chars().take(128).map(legal).collect();
    text.parse().unwrap_or_else(|_| "worker".parse().expect("a literal name"))
}

/// This program's file, to start it again; the same one even if it was replaced meanwhile.
///
/// # Errors
/// The system does not tell.
pub fn executable() -> io::Result<PathBuf> {
    let itself = Path::new("/proc/self/exe");
    if itself.exists() { Ok(itself.to_owned()) } else { env::current_exe() }
}

/// The machine's memory, in bytes; 0 where it cannot be told.
#[must_use]
pub fn memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB"));
    kib.and_then(|kib| kib.trim().parse::<u64>().ok()).map_or(0, |kib| kib * 1024)
}

/// Bytes that we may still write to the disk of this folder; none where it cannot be told.
#[must_use]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(folder).ok()?;
    Some(disk.blocks_available().saturating_mul(disk.fragment_size()))
}

/// How often the kernel has ended a process for want of memory, here and in this cgroup;
/// it grows by such a kill. 0 where the kernel does not say.
#[must_use]
pub fn out_of_memory_kills() -> u64 {
    let counted = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse::<u64>().ok());
        count.unwrap_or(0)
    };
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let of_group = memory_counters(&groups).iter().map(|path| counted(path)).max();
    counted(Path::new("/proc/vmstat")) + of_group.unwrap_or(0)
}

/// Where the kernel may count kills in the groups of this cgroups(7) list; in a container the
/// paths of the list are not to be seen, and the root is its own group.
fn memory_counters(groups: &str) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut paths = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { continue };
        let (folder, file) = match controllers.split(',').any(|controller| controller == "memory") {
            true => (root.join("memory"), "memory.oom_control"),
            false if controllers.is_empty() => (root.to_owned(), "memory.events"),
            false => continue,
        };
        paths.extend([folder.join(group.trim_start_matches('/')).join(file), folder.join(file)]);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_for_memory_are_counted_in_the_groups_of_both_versions() {
        let counters = memory_counters("9:name=systemd:/a\n4:memory:/job/7\n3:cpu,cpuacct:/b\n");
        let expected = ["memory/job/7/memory.oom_control", "memory/memory.oom_control"];
        assert_eq!(counters, expected.map(|path| Path::new("/sys/fs/cgroup").join(path)));
        let unified = memory_counters("0::/user.slice/workerd.service\n");
        let expected = ["user.slice/workerd.service/memory.events", "memory.events"];
        assert_eq!(unified, expected.map(|path| Path::new("/sys/fs/cgroup").join(path)));
    }

    #[test]
    fn any_host_name_becomes_a_legal_name() {
        for (host, name) in [("node-1", "node-1"), ("bo b/x", "bo-b-x"), ("", "worker"), ("..", "worker")] {
            assert_eq!(legal_name(host).as_str(), name);
        }
        assert_eq!(legal_name(&"é".repeat(300)).as_str().len(), 128);
    }
}
