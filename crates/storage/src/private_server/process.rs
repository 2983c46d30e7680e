//! The server's process: started, found again, waited for and stopped.
//!
//! `postmaster.pid` in the cluster says who serves it. Its first line is the process id; a
//! file whose process is gone is stale, and the server replaces it by itself. Durations are
//! waited for, never measured.

use std::{
    fs,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::Path,
    process::Stdio,
    time::Duration,
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use sqlx::{
    Connection,
    postgres::{PgConnectOptions, PgConnection},
};
use tokio::{process::Child, time};

use super::{PrivateServerError, binaries::Binaries, cluster, folders::Folders};

/// Recovery after a crash may take its time.
const START_LIMIT: Duration = Duration::from_secs(300);
/// A clean stop writes everything out first.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// The server's second lock, beside its socket.
const SOCKET_LOCK: &str = ".s.PGSQL.5432.lock";
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// What the server is told beyond its defaults. Durability is said although it is the
/// default: nobody's configuration may take it away.
const SETTINGS: [&str; 10] = [
    "listen_addresses=",
    "port=5432",
    "fsync=on",
    "full_page_writes=on",
    "synchronous_commit=on",
    "max_connections=64",
    "logging_collector=off",
    "log_checkpoints=off",
    "log_destination=stderr",
    "cluster_name=selffer",
];

/// A server that answers.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// Ours to reap, unless an earlier coordinator started it.
    child: Option<Child>,
}

impl Process {
    pub(super) fn is_ours(&self) -> bool {
        self.child.is_some()
    }

    /// Waits until it is gone, whatever ended it.
    pub(super) async fn ended(&mut self) {
        match &mut self.child {
            Some(child) => child.wait().await.map(drop).unwrap_or_default(),
            None => {
                while is_alive(self.pid) {
                    time::sleep(POLL_INTERVAL).await;
                }
            }
        }
    }
}

/// A server for these folders that lets us connect: the one that runs, or a new one.
///
/// # Errors
/// It ended while it started, or did not answer in time.
pub(super) async fn start_or_attach(
    folders: &Folders,
    binaries: &Binaries,
    connection: &PgConnectOptions,
) -> Result<Process, PrivateServerError> {
    let started = time::timeout(START_LIMIT, async {
        let mut child: Option<Child> = None;
        loop {
            if let Some(own) = &mut child
                && has_ended(own)
            {
                let output = read_log(folders);
                if !is_passing(own, &output) {
                    return Err(PrivateServerError::Ended { folder: folders.folder.clone(), output });
                }
                child = None;
            } else if PgConnection::connect_with(connection).await.is_ok()
                && let Some(pid) = living_pid(&folders.cluster)
            {
                return Ok(Process { pid, child });
            } else if child.is_none()
                && living_pid(&folders.cluster).is_none()
                && living_owner(&folders.socket.join(SOCKET_LOCK), &folders.cluster).is_none()
            {
                child = Some(spawn(folders, binaries)?);
            }
            time::sleep(POLL_INTERVAL).await;
        }
    });
    started.await.unwrap_or_else(|_| Err(too_slow(folders, "answer", START_LIMIT)))
}

/// Ends the server in good order: it finishes what it acknowledged and writes it out.
///
/// # Errors
/// It does not end in time.
pub(super) async fn stop(folders: &Folders, mut process: Process) -> Result<(), PrivateServerError> {
    // It may have ended by itself; then there is nothing to signal.
    let _already_gone = kill(process.pid, Signal::SIGINT);
    let ended = time::timeout(STOP_LIMIT, process.ended());
    ended.await.map_err(|_| too_slow(folders, "stop", STOP_LIMIT))
}

fn too_slow(folders: &Folders, action: &'static str, limit: Duration) -> PrivateServerError {
    PrivateServerError::TooSlow { folder: folders.folder.clone(), action, limit }
}

fn has_ended(child: &mut Child) -> bool {
    !matches!(child.try_wait(), Ok(None))
}

/// Whether a server that ended while it started may start the next time. The backends of one
/// that was killed may hold on for a moment, and its own process stays in the way (to another
/// server, not to us) until its parent has waited for it; one that was killed itself says
/// nothing at all.
fn is_passing(ended: &mut Child, output: &str) -> bool {
    let is_killed =
        ended.try_wait().ok().flatten().and_then(|status| status.signal()) == Some(Signal::SIGKILL as i32);
    is_killed
        || ["is still in use", "\"postmaster.pid\" already exists"].iter().any(|told| output.contains(told))
}

// In a process group of its own: Ctrl-C in a terminal is for us, and we stop it in order.
// Not with a parent-death signal, which fires when the spawning *thread* ends.
fn spawn(folders: &Folders, binaries: &Binaries) -> Result<Child, PrivateServerError> {
    let path = folders.folder.join("server.log");
    let log = fs::File::create(&path).map_err(PrivateServerError::file("write", &path))?;
    let errors = log.try_clone().map_err(PrivateServerError::file("write", path))?;
    let program = binaries.program("postgres");
    let mut command = cluster::command(folders, &program);
    command.arg("-D").arg(&folders.cluster).arg("-k").arg(&folders.socket);
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    command.stdout(Stdio::from(log)).stderr(Stdio::from(errors)).process_group(0);
    command.spawn().map_err(|source| PrivateServerError::Run { program, source })
}

fn read_log(folders: &Folders) -> String {
    let bytes = fs::read(folders.folder.join("server.log")).unwrap_or_default();
    cluster::tail(&String::from_utf8_lossy(&bytes))
}

/// The process that serves this cluster, if it lives.
fn living_pid(cluster: &Path) -> Option<Pid> {
    living_owner(&cluster.join("postmaster.pid"), cluster)
}

/// The living server of this cluster that a lock file of its names. A file that would keep the
/// next server out although nobody serves is removed.
fn living_owner(path: &Path, cluster: &Path) -> Option<Pid> {
    let text = fs::read_to_string(path).ok()?;
    let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?);
    if has_no_process(pid) {
        return None;
    }
    if is_zombie(pid) || is_another_program(pid, cluster) {
        // Killed together with its parent, or the number was given to someone else since. The
        // server would believe the file; whether old processes of its own still have its
        // memory it finds out without it.
        let _replaced_anyway = fs::remove_file(path);
        return None;
    }
    Some(pid)
}

fn is_alive(pid: Pid) -> bool {
    !has_no_process(pid) && !is_zombie(pid)
}

fn has_no_process(pid: Pid) -> bool {
    matches!(kill(pid, None), Err(Errno::ESRCH))
}

/// A server is named `postgres`, and works in its data folder from before it writes the file.
// Where there is no /proc, or it is closed to us (root in a container, another user's process),
// we cannot tell, and believe the file as the server does.
fn is_another_program(pid: Pid, cluster: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    let is_named_otherwise =
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| !name.starts_with("postgres"));
    let works_elsewhere = match (identity(Path::new(&format!("/proc/{pid}/cwd"))), identity(cluster)) {
        (Ok(its), Ok(ours)) => its != ours,
        _ => false,
    };
    is_named_otherwise || works_elsewhere
}

/// Ended, but not reaped by its parent yet, which may be an init that never reaps.
fn is_zombie(pid: Pid) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_of_another_program_is_stale() {
        let cluster = tempfile::tempdir().unwrap();
        let file = cluster.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n/somewhere\n", std::process::id())).unwrap();
        assert_eq!(living_pid(cluster.path()), None);
        assert!(!file.exists() || !Path::new("/proc/self/comm").exists());
    }

    /// The server of another folder used to pass for this one's, because of its name.
    #[test]
    fn a_pid_file_of_another_folders_server_is_stale() {
        if !Path::new("/proc/self/cwd").exists() {
            return;
        }
        let (cluster, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let program = other.path().join("postgres");
        std::os::unix::fs::symlink("/bin/cat", &program).unwrap();

        for (works_in, is_ours) in [(cluster.path(), true), (other.path(), false)] {
            // Lives until its input ends.
            let mut server = std::process::Command::new(&program)
                .current_dir(works_in)
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            fs::write(cluster.path().join("postmaster.pid"), format!("{}\n", server.id())).unwrap();

            let found = living_pid(cluster.path());

            drop(server.stdin.take());
            server.wait().unwrap();
            assert_eq!(found.is_some(), is_ours, "in {}", works_in.display());
        }
    }

    /// A server that was killed together with its coordinator used to keep the next from starting.
    #[test]
    fn a_pid_file_of_a_process_that_nobody_reaped_is_removed() {
        if !Path::new("/proc/self/stat").exists() {
            return;
        }
        let cluster = tempfile::tempdir().unwrap();
        let file = cluster.path().join("postmaster.pid");
        let mut child = std::process::Command::new("true").stdin(Stdio::null()).spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        while !is_zombie(pid) {
            std::thread::yield_now();
        }
        fs::write(&file, format!("{pid}\n/somewhere\n")).unwrap();

        let found = living_pid(cluster.path());

        child.wait().unwrap();
        assert_eq!(found, None);
        assert!(!file.exists());
    }

    /// A killed server that nobody had waited for yet kept the next coordinator from starting.
    #[tokio::test]
    async fn a_server_that_met_what_a_killed_one_left_is_started_again() {
        let mut ended = tokio::process::Command::new("false").spawn().unwrap();
        ended.wait().await.unwrap();
        for (output, expected) in [
            ("FATAL:  lock file \"postmaster.pid\" already exists", true),
            ("FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use", true),
            ("FATAL:  could not open file \"postgresql.conf\"", false),
        ] {
            assert_eq!(is_passing(&mut ended, output), expected, "{output}");
        }
    }

    #[tokio::test]
    async fn a_server_that_was_killed_while_it_started_is_started_again() {
        let mut server = tokio::process::Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
        server.kill().await.unwrap();

        assert!(is_passing(&mut server, ""));
    }

    #[test]
    fn a_pid_file_of_a_dead_process_is_stale() {
        let cluster = tempfile::tempdir().unwrap();
        fs::write(cluster.path().join("postmaster.pid"), "2147483600\n").unwrap();
        assert_eq!(living_pid(cluster.path()), None);
    }
}
