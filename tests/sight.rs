//! Watching a study from outside while its fleet is under fire.
//!
//! In a thread of its own, because an answer may take seconds while programs die. Notes how
//! much of the work is done, and what must never be seen: a network that had succeeded and
//! has not any more, attempts that count backwards (I2).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{person::Person, wait};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(150);
/// No test runs longer.
const LONGEST: Duration = Duration::from_secs(3_600);

/// What was seen of a study so far.
#[derive(Debug, Default)]
pub struct Sight {
    // Iterations done, of all; they never count back, though an attempt may.
    done: AtomicU64,
    all: AtomicU64,
    finished: AtomicBool,
    over: AtomicBool,
    last: Mutex<BTreeMap<String, (String, u64)>>,
    wrong: Mutex<Vec<String>>,
}

impl Sight {
    /// Watches until [`Self::stop`].
    pub fn watch(&self, person: &Person, study: &str) {
        wait::until("the end of watching", LONGEST, || {
            if let Some(jobs) = person.jobs_if_answered(study) {
                self.note(&jobs);
            }
            wait::closely(PAUSE, || self.over.load(Ordering::Relaxed));
            self.over.load(Ordering::Relaxed)
        });
    }

    /// Ends the watching.
    pub fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Whether the watching was ended.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// The share of all iterations that were done at best.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.done.load(Ordering::Relaxed) as f64 / self.all.load(Ordering::Relaxed).max(1) as f64
    }

    /// Whether every network was seen to have succeeded.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.finished.load(Ordering::Relaxed)
    }

    /// What must never be seen, and was.
    #[must_use]
    pub fn wrong(&self) -> Vec<String> {
        locked(&self.wrong).clone()
    }

    fn note(&self, jobs: &[Value]) {
        let number = |job: &Value, field: &str| job[field].as_u64().unwrap_or_default();
        let has_succeeded = |job: &&Value| job["state"] == "succeeded";
        let all: u64 = jobs.iter().map(|job| number(job, "iterations")).sum();
        let done = jobs.iter().map(|job| match has_succeeded(&job) {
            true => number(job, "iterations"),
            false => number(job, "iteration"),
        });
        self.all.store(all, Ordering::Relaxed);
        self.done.fetch_max(done.sum(), Ordering::Relaxed);
        self.finished
            .store(!jobs.is_empty() && jobs.iter().all(|job| has_succeeded(&job)), Ordering::Relaxed);
        jobs.iter().for_each(|job| self.compare(job, number(job, "attempt")));
    }

    fn compare(&self, job: &Value, attempt: u64) {
        let text = |field: &str| job[field].as_str().unwrap_or_default().to_owned();
        let (name, state) = (text("name"), text("state"));
        let mut last = locked(&self.last);
        if let Some((before, attempt_before)) = last.insert(name.clone(), (state.clone(), attempt))
            && ((before == "succeeded" && state != before) || attempt < attempt_before)
        {
            let seen =
                format!("{name} went from {before}, attempt {attempt_before}, to {state}, attempt {attempt}");
            locked(&self.wrong).push(seen);
        }
    }
}

fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
