//! What must hold of a fleet whatever happened to it: the promises I1 to I10, as far as they
//! can be seen from outside.
//!
//! Rows are looked at through the store, chunks one by one; processes and files on the
//! machine. For a fleet that is at rest: its database answers, and nothing is being trained.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::Pid;
use selffer_artifacts::ChunkStore;
use selffer_storage::{Store, StoreOptions};

use crate::{fleet::Fleet, machine, schedule::Victim, wait};

/// How long the dust may take to settle.
const SETTLE_WITHIN: Duration = Duration::from_secs(30);

/// Checks all of them, once what is under way has settled.
///
/// # Panics
/// When one is broken; the message lists every place.
pub fn assert_invariants(fleet: &mut Fleet) {
    let mut broken = Vec::new();
    let holds = wait::holds_within(SETTLE_WITHIN, || {
        broken = broken_invariants(fleet);
        broken.is_empty()
    });
    assert!(holds, "broken promises:\n{}", broken.join("\n"));
}

/// Every broken promise, in a sentence each.
#[must_use]
pub fn broken_invariants(fleet: &mut Fleet) -> Vec<String> {
    let mut broken = with_store(fleet, async |store, chunks| {
        let mut broken = broken_rows(&store).await;
        broken.extend(broken_checkpoints(&store, &chunks).await);
        broken
    });
    broken.extend(left_behind(fleet));
    broken
}

/// Does something with the fleet's rows and chunks.
///
/// # Panics
/// When its database does not answer.
pub fn with_store<T>(fleet: &Fleet, look: impl AsyncFnOnce(Store, ChunkStore) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let url = fleet.database_url().expect("a private database that runs");
        let database = Store::parse_url(&url).expect("the URL of a database");
        let store =
            Store::connect(database, &StoreOptions::default()).await.expect("a database that answers");
        let seen = look(store.clone(), fleet.chunks()).await;
        store.close().await;
        seen
    })
}

/// I1 to I5, I7, I10.
async fn broken_rows(store: &Store) -> Vec<String> {
    let violations = store.violations().await.expect("a database that answers");
    let leftovers = store.leftovers().await.expect("a database that answers");
    violations.into_iter().chain(leftovers).map(|violation| violation.to_string()).collect()
}

/// I6: each chunk of each published checkpoint is there, byte for byte.
async fn broken_checkpoints(store: &Store, chunks: &ChunkStore) -> Vec<String> {
    let mut broken = Vec::new();
    for checkpoint in store.published_checkpoints().await.expect("a database that answers") {
        let (id, job) = (checkpoint.checkpoint_id, checkpoint.claim.job_id);
        let faults = chunks.verify(&checkpoint.manifest).await.expect("chunks that can be read");
        let told = |fault| format!("I6: checkpoint {id} of job {job} is published, but {fault}");
        broken.extend(faults.into_iter().map(told));
    }
    broken
}

/// I10: processes and files.
fn left_behind(fleet: &mut Fleet) -> Vec<String> {
    let mut left = Vec::new();
    for worker in 0..fleet.workers.len() {
        let daemon = fleet.find(Victim::Worker(worker));
        let children = daemon.map(machine::children).unwrap_or_default();
        left.extend(children.into_iter().map(|child| format!("I10: a worker still has a child: {child:?}")));
    }
    for scratch in folders_in(&fleet.path("")).iter().filter(|folder| has_daemon(folder)) {
        let attempts = folders_in(&scratch.join("attempts"));
        let told = |attempt: &PathBuf| format!("I10: an attempt's folder stayed: {}", attempt.display());
        left.extend(attempts.iter().map(told));
    }
    let unfinished = files_below(&chunk_folder(fleet)).into_iter().filter(|file| name(file).contains('#'));
    left.extend(unfinished.map(|file| format!("I10: an unfinished chunk stayed: {}", file.display())));
    left
}

/// Whether a worker's daemon is alive on this folder. What a dead one left is there for the next.
fn has_daemon(scratch: &Path) -> bool {
    let holder = fs::read_to_string(scratch.join("workerd.lock")).unwrap_or_default();
    let holder = holder.trim().parse().ok().map(Pid::from_raw);
    holder.and_then(machine::process).is_some()
}

pub(crate) fn chunk_folder(fleet: &Fleet) -> PathBuf {
    fleet.data_folder().join("store")
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn folders_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

pub(crate) fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path),
        }
    }
    files
}
