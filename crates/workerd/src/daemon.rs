//! The daemon: one session, and for each device a loop of claim and attempt ([`crate::worker`]).
//!
//! It first goes on with what an earlier daemon on its scratch folder left.
//! It ends when it is told to, when its time is over or it has been idle for long enough, when
//! the coordinator is lost and that is to end it, or when the coordinator wants none of it. Told
//! to stop, it publishes a checkpoint of what runs, gives the leases back and closes its session,
//! all within half a minute; while the coordinator is away, all stays for the next daemon.

use std::{future, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use selffer_core::{limits::LOST_AFTER_S, stall::StallRule};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::{
    ambient,
    cache::Cache,
    config::Config,
    data_folders::DataFolders,
    deadline::Deadline,
    device::Place,
    group::Occupied,
    idle::Idle,
    lease::Order,
    lost::{OnLost, Service},
    reclaim::{self, Left},
    scratch::Scratch,
    session::{Session, SessionError},
    worker::Worker,
};

/// How long everything may take once the daemon is told to stop. Machines that are taken away
/// often give half a minute.
const STOP_WITHIN: Duration = Duration::from_secs(25);

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
    /// How long a job may get no further.
    pub stall_rule: StallRule,
    /// When it must be gone.
    pub deadline: Option<Deadline>,
    /// Since when no device has a job.
    pub idle: Idle,
    /// Devices that are not free though they have no job.
    pub occupied: Occupied,
}

/// How a daemon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As it was told, or because there was nothing more to do.
    Done,
    /// The coordinator is lost; what was trained is kept.
    CoordinatorLost,
}

/// Works for the coordinator until the token is cancelled or its own time has come.
///
/// # Errors
/// A device is not there, the scratch folder is not ours, or the coordinator wants no session.
pub async fn run(config: Config, stop: CancellationToken) -> anyhow::Result<Ending> {
    let deadline = config.time_left.map(|left| Deadline::new(left, config.checkpoint_every, ambient::now()));
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
        () = stop.cancelled() => return Ok(Ending::Done),
        () = until_passed(deadline) => return Ok(Ending::Done),
        () = never_there(config.on_lost) => {
            warn!("no coordinator has answered");
            return Ok(Ending::CoordinatorLost);
        }
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
        stall_rule: StallRule { grace: config.stall_grace },
        deadline,
        idle: Idle::new(config.idle_exit, ambient::now()),
        occupied: Occupied::default(),
    });
    let left = reclaim::find(&daemon.attempts, &places).await;
    // All of them before the first heartbeat: what that does not list is lost.
    left.iter().for_each(|left| session.leases.hold(left.lease.clone()));
    let workers =
        places.into_iter().map(|place| Worker { daemon: daemon.clone(), place, stop: stop.clone() });
    daemon.serve(workers.collect(), left, &stop).await?;
    if session.service() == Service::GivenUp {
        warn!("the coordinator is lost; what was trained is kept in {}", daemon.attempts.display());
        return Ok(Ending::CoordinatorLost);
    }
    // Closing gives back what is held; while nobody hears it, that is left to the next daemon.
    if session.is_trusted() {
        session.close().await;
    }
    Ok(Ending::Done)
}

async fn until_passed(deadline: Option<Deadline>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.stop_at.into()).await,
        None => future::pending().await,
    }
}

// A coordinator that was never there is waited for as long as one that goes.
async fn never_there(on_lost: OnLost) {
    match on_lost {
        OnLost::Keep => future::pending().await,
        OnLost::Finish | OnLost::Stop => sleep(Duration::from_secs(LOST_AFTER_S + LOST_AFTER_S / 10)).await,
    }
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
        tokio::select! {
            () = all_ended => Ok(()),
            () = self.told_to_stop(stop) => {
                warn!("not everything ended in time; what is left is dropped");
                Ok(())
            }
            () = self.given_up() => Ok(()),
            lost = self.session.keep_alive() => lost,
        }
    }

    async fn told_to_stop(&self, stop: &CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = until_passed(self.deadline) => {
                info!("stopping: the time is nearly over; checkpoints are published and leases given back");
                stop.cancel();
            }
        }
        let (leases, session) = (&self.session.leases, &self.session);
        leases.order_all(if session.is_trusted() { Order::Stop } else { Order::Park });
        sleep(STOP_WITHIN).await;
    }

    async fn given_up(&self) {
        self.session.until_service(Service::GivenUp).await;
        sleep(STOP_WITHIN).await;
    }
}
