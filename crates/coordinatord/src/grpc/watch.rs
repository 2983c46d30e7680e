//! Watching a study: all of it, then what changed, at most once a second.
//!
//! The stream compares what it reads with what it sent, so it misses nothing and buffers
//! nothing: a slow client gets the newest state when it is ready for it. One that does not read
//! at all is dropped; where it goes on is the state itself, which the first message has whole.

use std::{collections::HashMap, pin::Pin, sync::Arc, time::Duration};

use futures_util::Stream;
use selffer_proto::v1;
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tracing::info;

use super::{Service, jobs::fitting, status::of_store, summaries};
use crate::coordinator::Coordinator;

/// The shortest time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The longest time between two looks while no change is heard of: rates and times left move.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(5);
/// How long a client may leave what was sent unread; then it must watch again.
const READ_WITHIN: Duration = Duration::from_secs(30);

pub(super) type WatchStream = Pin<Box<dyn Stream<Item = Result<v1::WatchStudyResponse, Status>> + Send>>;

impl Service {
    /// The study now, and again when it changes, until it ended.
    pub(super) async fn watch(&self, study: &str) -> Result<WatchStream, Status> {
        let coordinator = Arc::clone(&self.coordinator);
        // Fixes what "last" means, and answers a wrong name before the stream begins.
        let study = coordinator.store.study(study).await.map_err(|error| of_store(&error))?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(async move {
            let mut watcher =
                Watcher { coordinator, study: study.name.to_string(), sent: HashMap::new(), sender };
            if let Err(status) = watcher.run().await {
                // The client may be gone, or not read.
                let _ = timeout(LOOK_EVERY, watcher.sender.send(Err(status))).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(receiver)))
    }
}

struct Watcher {
    coordinator: Arc<Coordinator>,
    study: String,
    /// By position in the grid.
    sent: HashMap<u32, v1::JobSummary>,
    sender: mpsc::Sender<Result<v1::WatchStudyResponse, Status>>,
}

impl Watcher {
    async fn run(&mut self) -> Result<(), Status> {
        let mut changes = self.coordinator.changes();
        let stopping = self.coordinator.stopping.clone();
        loop {
            changes.mark_unchanged();
            let ended = self.look().await?;
            if ended || self.sender.is_closed() {
                return Ok(());
            }
            let pause = async {
                tokio::time::sleep(LOOK_EVERY).await;
                let _ = tokio::time::timeout(LOOK_AT_LEAST_EVERY - LOOK_EVERY, changes.changed()).await;
            };
            tokio::select! {
                () = pause => {}
                () = self.sender.closed() => return Ok(()),
                () = stopping.cancelled() => {
                    return Err(Status::unavailable("the coordinator is stopping"));
                }
            }
        }
    }

    /// Sends what changed. Whether the study has ended.
    async fn look(&mut self) -> Result<bool, Status> {
        let store = self.coordinator.store.clone();
        let (study, pace) =
            summaries::study_with_pace(&store, &self.study).await.map_err(|error| of_store(&error))?;
        let mut rows = store.all_study_jobs(study.name.as_str()).await.map_err(|error| of_store(&error))?;
        let explained = self.coordinator.pack_rooms.explain(&store, &mut rows).await;
        explained.map_err(|error| of_store(&error))?;
        let mut changed = Vec::new();
        for row in rows {
            let job = summaries::job(&row, None);
            if self.sent.get(&row.position) != Some(&job) {
                self.sent.insert(row.position, job.clone());
                changed.push(job);
            }
        }
        let ended = study.has_ended();
        let summary = summaries::study(&study, pace);
        self.send(&summary, changed, ended).await?;
        Ok(ended)
    }

    /// One message, or several where one cannot hold all jobs; only the last says `ended`.
    async fn send(
        &self,
        study: &v1::StudySummary,
        mut jobs: Vec<v1::JobSummary>,
        ended: bool,
    ) -> Result<(), Status> {
        loop {
            let rest = jobs.split_off(fitting(&jobs));
            let is_last = rest.is_empty();
            let message =
                v1::WatchStudyResponse { study: Some(study.clone()), jobs, ended: ended && is_last };
            match timeout(READ_WITHIN, self.sender.send(Ok(message))).await {
                Ok(Ok(())) if !is_last => {}
                // A client that went away is noticed by the caller.
                Ok(_) => return Ok(()),
                Err(_) => {
                    info!(study = self.study, "a client that does not read was dropped; it may watch again");
                    return Err(Status::resource_exhausted("the watch was not read in time; watch again"));
                }
            }
            jobs = rest;
        }
    }
}
