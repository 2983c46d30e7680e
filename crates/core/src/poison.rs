//! Poison: when a job, not the workers that were lost with it, is to blame.
//!
//! A worker that is lost says nothing about its job; two in a row that were lost with one job
//! do, unless others were lost at the same time: then it was the network, or the power.
//! Pure; storage says which workers were lost.

use std::collections::BTreeSet;

use crate::{job::HoldReason, limits::POISON_WORKERS};

/// A worker that was lost with the job, since the job last got further or was re-opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// `NODE/cpu0`, `NODE/gpu0`.
    pub worker: String,
    /// Whether workers of other machines were lost at the same time.
    pub with_others: bool,
}

/// Why the job is to be held, if these losses are its doing.
#[must_use]
pub fn judge(losses: &[Loss]) -> Option<HoldReason> {
    let alone = losses.iter().filter(|loss| !loss.with_others);
    let workers: BTreeSet<&str> = alone.map(|loss| loss.worker.as_str()).collect();
    if workers.len() < POISON_WORKERS {
        return None;
    }
    let names = workers.into_iter().collect::<Vec<_>>().join(" and ");
    Some(HoldReason::Poison { reason: format!("its workers were lost while they ran it: {names}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(worker: &str) -> Loss {
        Loss { worker: worker.to_owned(), with_others: false }
    }

    #[test]
    fn two_different_workers_that_were_lost_alone_are_the_jobs_doing() {
        let held = judge(&[loss("b/cpu0"), loss("a/cpu0")]).unwrap();
        assert_eq!(held.to_string(), "its workers were lost while they ran it: a/cpu0 and b/cpu0");
        assert_eq!(judge(&[loss("a/cpu0"), loss("a/cpu0")]), None, "one worker twice");
    }

    #[test]
    fn a_power_cut_is_not_a_jobs_doing() {
        let cut = Loss { with_others: true, ..loss("b/cpu0") };
        assert_eq!(judge(&[loss("a/cpu0"), cut]), None);
    }
}
