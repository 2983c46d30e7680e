//! What workers last said of the packs that they have or could take in, to say why a job waits.
//!
//! Kept in memory only, by the coordinator that heard it. A worker that has said nothing here
//! (the coordinator has just started, or the worker asks another one) could be just the one that
//! holds a pack: while there is such a worker, no job is said to wait for want of room. Who gets a
//! job does not depend on it.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use selffer_core::{
    job::StateKind,
    placement::{PackRoom, WaitReason, fits_nobody},
};
use selffer_storage::{JobSummary, Store, StoreError};

/// Workers that are remembered; more are forgotten together, and say it again when they ask.
const WORKERS_MAX: usize = 16_384;

/// What each worker said when it last asked for a job, by its name.
#[derive(Debug, Default)]
pub(crate) struct PackRooms {
    said: Mutex<BTreeMap<String, PackRoom>>,
}

impl PackRooms {
    /// Notes what a worker says.
    pub(crate) fn note(&self, worker: &str, room: &PackRoom) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= WORKERS_MAX && !said.contains_key(worker) {
            said.clear();
        }
        said.insert(worker.to_owned(), room.clone());
    }

    /// Fills in which of these jobs wait because no living worker may take their pack, or because
    /// all are set aside.
    ///
    /// # Errors
    /// The database.
    pub(crate) async fn explain(&self, store: &Store, jobs: &mut [JobSummary]) -> Result<(), StoreError> {
        if jobs.iter().all(|job| job.state != StateKind::Ready) {
            return Ok(());
        }
        let living: Vec<_> = store.workers().await?.into_iter().filter(|row| row.alive).collect();
        if !living.is_empty() && living.iter().all(|row| row.set_aside.is_some()) {
            let workers = living.len() as u64;
            let ready = jobs.iter_mut().filter(|job| job.state == StateKind::Ready);
            ready.for_each(|job| job.fits_nobody = Some(WaitReason::AllSetAside { workers }));
            return Ok(());
        }
        let Some(rooms) = self.of(living.into_iter().map(|row| row.worker)) else { return Ok(()) };
        for job in jobs.iter_mut().filter(|job| job.state == StateKind::Ready) {
            job.fits_nobody = fits_nobody(&job.pack, &rooms);
        }
        Ok(())
    }

    /// What these workers said; none if one of them has said nothing.
    fn of(&self, workers: impl Iterator<Item = String>) -> Option<Vec<PackRoom>> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        workers.map(|worker| said.get(&worker).cloned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_has_said_nothing_leaves_everything_open() {
        let rooms = PackRooms::default();
        let holds = |bytes| PackRoom { bytes_max: Some(bytes), ..PackRoom::default() };
        rooms.note("one/cpu0", &holds(1));
        rooms.note("one/cpu0", &holds(2));
        rooms.note("gone/cpu0", &holds(9));

        let of = |workers: &[&str]| rooms.of(workers.iter().map(ToString::to_string));
        assert_eq!(of(&["one/cpu0"]), Some(vec![holds(2)]));
        assert_eq!(of(&["one/cpu0", "two/cpu0"]), None);
    }
}
