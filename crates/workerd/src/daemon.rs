//! The daemon: one session, and for each device a loop of claim and attempt.
//!
//! It first goes on with what an earlier daemon on its scratch folder left.
//! It ends when it is told to, when it has been idle for long enough, or when the coordinator
//! wants none of it. Told to stop, it publishes a checkpoint of what runs, gives the leases
//! back and closes its session, all within half a minute.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use selffer_core::{ids::Digest, limits::CLAIM_WAIT_MAX_S};
use selffer_proto::v1;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{info, warn};

use crate::{
    ambient,
    assignment::Task,
    at_hand::AtHand,
    attempt,
    cache::Cache,
    calls::{CALL_WITHIN, is_stale},
    config::Config,
    data_folders::DataFolders,
    device::Place,
    lease::Order,
    reclaim::{self, Left},
    scratch::Scratch,
    session::{Session, SessionError},
};

/// How long everything may take once the daemon is told to stop. Machines that are taken away
/// often give half a minute.
const STOP_WITHIN: Duration = Duration::from_secs(25);
/// Pause after a claim that the coordinator did not take.
const CLAIM_PAUSE: Duration = Duration::from_secs(2);

/// What every attempt of this daemon works with.
#[derive(Debug)]
pub struct Daemon {
    /// The way to the coordinator.
    pub session: Arc<Session>,
    /// Packs and checkpoints at hand.
    pub cache: Cache,
    /// Packs that an administrator has placed.
    pub data: DataFolders,
    /// Folder of the mean images that trainers keep.
    pub means: PathBuf,
    /// Folder of the running attempts.
    pub attempts: PathBuf,
    /// This program, to start trainers.
    pub executable: PathBuf,
    /// Between the checkpoints of a training; none takes only the last.
    pub checkpoint_every: Option<Duration>,
}

/// Works for the coordinator until the token is cancelled or an idle time has passed.
///
/// # Errors
/// A device is not there, the scratch folder is not ours, or the coordinator wants no session.
pub async fn run(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let places = config.devices.iter().map(|(worker, device)| Place::find(worker, *device));
    let places = places.collect::<Result<Vec<_>, _>>()?;
    let scratch = Scratch::take(&config.scratch)?;
    let cache = Cache::open(scratch.cache(), config.cache_bytes_max)
        .with_context(|| format!("cannot make {}", scratch.cache().display()))?;
    let data = DataFolders::new(config.data_folders.clone(), scratch.verified());
    data.announce();
    let executable = ambient::executable().context("cannot tell which program this is")?;

    let devices = places.iter().map(Place::described).collect();
    let session = tokio::select! {
        session = Session::open(&config, devices) => Arc::new(session?),
        () = stop.cancelled() => return Ok(()),
    };
    info!(node = %config.node, coordinator = config.coordinator, "ready for work");
    let daemon = Arc::new(Daemon {
        session: session.clone(),
        cache,
        data,
        means: scratch.means(),
        attempts: scratch.attempts(),
        executable,
        checkpoint_every: config.checkpoint_every,
    });
    let left = reclaim::find(&daemon.attempts, &places).await;
    // All of them before the first heartbeat: what that does not list is lost.
    left.iter().for_each(|left| session.leases.hold(left.lease.clone()));
    let workers = places.into_iter().map(|place| Worker {
        daemon: daemon.clone(),
        place,
        idle_exit: config.idle_exit,
        stop: stop.clone(),
    });
    let ended = daemon.serve(workers.collect(), left, &stop).await;
    session.close().await;
    Ok(ended?)
}

impl Daemon {
    async fn serve(
        &self,
        workers: Vec<Worker>,
        mut left: Vec<Left>,
        stop: &CancellationToken,
    ) -> Result<(), SessionError> {
        let mut working = JoinSet::new();
        for worker in workers {
            let of_worker = left.extract_if(.., |left| left.worker == worker.place.worker);
            let of_worker = of_worker.collect();
            working.spawn(worker.work(of_worker));
        }
        let all_ended = async { while working.join_next().await.is_some() {} };
        let told_to_stop = async {
            stop.cancelled().await;
            self.session.leases.order_all(Order::Stop);
            sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            () = all_ended => Ok(()),
            () = told_to_stop => {
                warn!("not everything ended in time; what is left is dropped");
                Ok(())
            }
            lost = self.session.keep_alive() => lost,
        }
    }
}

/// One device, and its loop.
struct Worker {
    daemon: Arc<Daemon>,
    place: Place,
    idle_exit: Option<Duration>,
    stop: CancellationToken,
}

impl Worker {
    // Never cancelled in an attempt: an attempt ends by its lease's orders.
    async fn work(self, left: Vec<Left>) {
        for left in left {
            attempt::go_on(&self.daemon, &self.place, left).await;
        }
        let mut claim_id = ambient::claim_id();
        let mut idle_since = ambient::now();
        let mut told = String::new();
        while !self.stop.is_cancelled() && !self.is_idle_for_long(idle_since) {
            let claimed = tokio::select! {
                () = self.stop.cancelled() => return,
                claimed = self.claim(claim_id.0.to_vec()) => claimed,
            };
            let is_used_up = uses_up(&claimed);
            match claimed {
                Ok(Some(assignment)) => {
                    self.attempt(assignment).await;
                    idle_since = ambient::now();
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

    fn is_idle_for_long(&self, idle_since: Instant) -> bool {
        self.idle_exit.is_some_and(|idle| ambient::now().saturating_duration_since(idle_since) >= idle)
    }

    async fn claim(&self, claim_id: Vec<u8>) -> Result<Option<v1::Assignment>, Status> {
        let session = &self.daemon.session;
        let longest = Duration::from_secs(CLAIM_WAIT_MAX_S);
        let wait = self.idle_exit.map_or(longest, |idle| longest.min(idle));
        let draining = timeout(wait, session.until_claiming()).await.is_err();
        if draining {
            return Ok(None);
        }
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
            Ok(task) => attempt::run(&self.daemon, &self.place, task, &self.stop).await,
            // Unconfirmed, the lease returns by itself.
            Err(error) => warn!(%error, "an assignment cannot be read"),
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
