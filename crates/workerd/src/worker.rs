//! One device of a daemon, and its loop: claim, attempt, and again.
//!
//! An attempt that is parked keeps the device until the coordinator has said whose it is. The
//! loop ends when the daemon is told to stop or retires, when its time is nearly over, and when
//! no device has had a job for long enough.

use std::{sync::Arc, time::Duration};

use selffer_core::{ids::Digest, limits::CLAIM_WAIT_MAX_S};
use selffer_proto::v1;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{info, warn};

use crate::{
    ambient,
    assignment::Task,
    at_hand::AtHand,
    attempt::{self, Parked},
    calls::{CALL_WITHIN, is_stale},
    daemon::Daemon,
    device::Place,
    lease::Order,
    lost::Service,
    reclaim::{self, Left},
};

/// Pause after a claim that the coordinator did not take.
const CLAIM_PAUSE: Duration = Duration::from_secs(2);

/// One device, and its loop.
pub(crate) struct Worker {
    pub(crate) daemon: Arc<Daemon>,
    pub(crate) place: Place,
    pub(crate) stop: CancellationToken,
}

impl Worker {
    /// Works until there is nothing more to do for this device.
    // Never cancelled in an attempt: an attempt ends by its lease's orders.
    pub(crate) async fn work(self, left: Vec<Left>) {
        for left in left {
            self.see_through(attempt::go_on(&self.daemon, &self.place, left)).await;
        }
        let mut claim_id = ambient::claim_id();
        let mut told = String::new();
        while self.may_claim() {
            let claimed = tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.daemon.session.until_service(Service::Retiring) => return,
                claimed = self.claim(claim_id.0.to_vec()) => claimed,
            };
            let is_used_up = uses_up(&claimed);
            match claimed {
                Ok(Some(assignment)) => {
                    self.attempt(assignment).await;
                    told.clear();
                }
                // The same claim again: if the answer that brought a job was lost, it comes now.
                Ok(None) => {}
                Err(status) => {
                    if told != status.message() {
                        info!(worker = self.place.worker, code = ?status.code(), reason = status.message(), "no claim taken");
                        told = status.message().to_owned();
                    }
                    // The heartbeat finds out if the session is gone.
                    self.daemon.session.news.notify_one();
                    tokio::select! { () = self.stop.cancelled() => {} () = sleep(CLAIM_PAUSE) => {} }
                }
            }
            if is_used_up {
                claim_id = ambient::claim_id();
            }
        }
    }

    fn may_claim(&self) -> bool {
        let now = ambient::now();
        let has_time = self.daemon.deadline.is_none_or(|deadline| now < deadline.claims_end);
        has_time
            && !self.stop.is_cancelled()
            && !self.daemon.idle.is_over(now)
            && self.daemon.session.service() == Service::Full
    }

    /// How long to wait for a job before looking again whether one is still wanted.
    fn patience(&self) -> Duration {
        let time_left = self.daemon.deadline.map(|deadline| {
            deadline.claims_end.saturating_duration_since(ambient::now()).max(Duration::from_millis(100))
        });
        let bounds = [self.daemon.idle.look_again_within(), time_left];
        bounds.into_iter().flatten().fold(Duration::from_secs(CLAIM_WAIT_MAX_S), Duration::min)
    }

    async fn claim(&self, claim_id: Vec<u8>) -> Result<Option<v1::Assignment>, Status> {
        let session = &self.daemon.session;
        let wait = self.patience();
        let draining = timeout(wait, session.until_claiming()).await.is_err();
        if draining {
            return Ok(None);
        }
        self.daemon.occupied.freed(&self.place.worker).await;
        let at_hand = AtHand::of(&self.daemon).await;
        let request = v1::ClaimRequest {
            session_id: session.id(),
            worker: self.place.worker.clone(),
            claim_id,
            wait_ms: wait.as_millis() as u64,
            cached_checkpoints: on_the_wire(&at_hand.weights),
            packs_at_hand: on_the_wire(&at_hand.packs),
            pack_bytes_max: at_hand.pack_bytes_max,
        };
        let answer = timeout(wait + CALL_WITHIN, session.workers().claim(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))?;
        Ok(answer.into_inner().assignment)
    }

    async fn attempt(&self, assignment: v1::Assignment) {
        match Task::try_from(assignment) {
            Ok(task) => self.see_through(attempt::run(&self.daemon, &self.place, task, &self.stop)).await,
            // Unconfirmed, the lease returns by itself.
            Err(error) => warn!(%error, "an assignment cannot be read"),
        }
    }

    /// Sees an attempt to its end, through as many absences of the coordinator as there are.
    async fn see_through(&self, attempt: impl Future<Output = Option<Parked>>) {
        let idle = &self.daemon.idle;
        idle.begin();
        let mut parked = attempt.await;
        while let Some(left) = parked.and_then(|parked| self.again(&parked)) {
            parked = attempt::go_on(&self.daemon, &self.place, left).await;
        }
        idle.end(ambient::now());
    }

    // A daemon that ends leaves it to the next one.
    fn again(&self, parked: &Parked) -> Option<Left> {
        let session = &self.daemon.session;
        if self.stop.is_cancelled() || session.service() == Service::GivenUp {
            return None;
        }
        match reclaim::again(&parked.folder, &self.place) {
            Ok(left) => {
                session.leases.replace(left.lease.clone());
                // Told so while the one lease took the place of the other.
                if self.stop.is_cancelled() || session.service() == Service::GivenUp {
                    left.lease.order(Order::Park);
                }
                Some(left)
            }
            Err(reason) => {
                warn!(job_id = %parked.claim.job_id, reason, "a parked attempt cannot be gone on with");
                session.leases.release(parked.claim);
                parked.folder.remove();
                None
            }
        }
    }
}

fn on_the_wire(digests: &[Digest]) -> Vec<Vec<u8>> {
    digests.iter().map(|digest| digest.0.to_vec()).collect()
}

/// Whether no job can come any more by the id that was claimed with.
fn uses_up(claimed: &Result<Option<v1::Assignment>, Status>) -> bool {
    match claimed {
        Ok(assignment) => assignment.is_some(),
        // The answer that brought a job was lost for so long that its lease is over.
        Err(status) => is_stale(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_whose_lease_was_granted_and_lost_is_not_repeated() {
        assert!(uses_up(&Err(Status::aborted("claim 0a of job 1 has ended"))));
        assert!(uses_up(&Ok(Some(v1::Assignment::default()))));
        assert!(!uses_up(&Ok(None)));
        assert!(!uses_up(&Err(Status::unavailable("away"))), "its answer may still bring a job");
        assert!(!uses_up(&Err(Status::deadline_exceeded("no answer in time"))));
    }
}
