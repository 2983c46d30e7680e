//! What people do to studies, jobs and workers: pause, resume, stop, cancel, hold, retry,
//! prioritise, limit, drain, release.
//!
//! Each act is one transaction and safe to repeat: a second time finds nothing to change.
//! A study's act withdraws that study's interest only; a job that another study still wants
//! is untouched. A source that a wanted network needs is itself a network of the study that
//! wants it, so it stays too. After a cancellation is acknowledged nothing starts for it
//! again: what no worker has begun has ended, what runs has been withdrawn from its worker.

mod deletion;
mod on_jobs;
mod on_studies;
mod on_workers;
mod terms;

use selffer_core::interest::Interest;

pub use deletion::{Deleted, Deleting, Mode};
pub use on_jobs::Fate;
pub(crate) use on_workers::release_replaced;
pub use on_workers::{Drain, SetAside, WorkersActed};
pub use terms::Deadline;

/// Who does something, and why.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// As the coordinator knows them.
    pub actor: &'a str,
    /// Their words; may be empty.
    pub reason: &'a str,
}

/// What one act changed.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    changed: bool,
    cancelled: u32,
    held: u32,
    reopened: u32,
}

/// What an act came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The study, or the job as `STUDY:NAME`.
    pub name: String,
    /// Whether anything is different now.
    pub changed: bool,
    /// The study's interest now; a job's is the strongest of its studies'.
    pub interest: Interest,
    /// The study's priority now; a job's is the largest of its studies'.
    pub priority: i32,
    /// Jobs that this act cancelled.
    pub cancelled: u32,
    /// Jobs that this act holds, or will once their workers have made a checkpoint.
    pub held: u32,
    /// Jobs whose workers are asked to end them.
    pub ending: u32,
    /// Jobs on workers that go on.
    pub running: u32,
    /// Jobs that this act lets start anew.
    pub reopened: u32,
    /// Other studies that it touches: those that keep a study's jobs, or all that want a job.
    pub others: Vec<OtherStudy>,
}

/// A study that shares jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtherStudy {
    /// Its name.
    pub study: String,
    /// How many it shares, that have not ended.
    pub jobs: u32,
}

impl Act<'_> {
    /// For a job's history: who did it, for which study, and why.
    fn words(&self, study: Option<&str>) -> String {
        let study = study.map(|study| format!(" with study {study}")).unwrap_or_default();
        let reason = if self.reason.is_empty() { String::new() } else { format!(": {}", self.reason) };
        format!("by {}{study}{reason}", self.actor)
    }
}
