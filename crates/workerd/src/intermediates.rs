//! Sending a training's checkpoints while it goes on.
//!
//! If they come faster than they can be sent, the newest wins and the others are forgotten.
//! The newest stays on this machine, sent or not, until there is a newer one: a later daemon
//! goes on from it.

use std::{fs, sync::Arc};

use selffer_proto::v1::CheckpointKind;
use tokio::{sync::watch, task::JoinHandle};
use tracing::{debug, info};

use crate::{
    lease::{Lease, Order},
    protocol::Saved,
    session::Session,
    uploads::publish,
};

/// Publishes intermediate checkpoints beside the training; ends when dropped.
#[derive(Debug)]
pub struct Intermediates {
    kept: Arc<watch::Sender<Kept>>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Kept {
    newest: Option<Saved>,
    // The newest was not tried to be sent yet.
    newest_waits: bool,
    // One that is being sent, perhaps overtaken meanwhile.
    sending: Option<Saved>,
}

impl Intermediates {
    /// Ready to take checkpoints of this lease.
    #[must_use]
    pub fn start(session: Arc<Session>, lease: Arc<Lease>) -> Self {
        let kept = Arc::new(watch::Sender::new(Kept::default()));
        let offered = kept.clone();
        let task = tokio::spawn(async move {
            let mut changes = offered.subscribe();
            loop {
                // The sender lives in `offered`, so this cannot end early.
                let _ = changes.wait_for(|kept| kept.newest_waits).await;
                if let Some(saved) = begin(&offered) {
                    send(&session, &lease, &saved).await;
                    end(&offered);
                }
            }
        });
        Self { kept, task }
    }

    /// Offers a newer checkpoint. An older one that still waits is forgotten.
    pub fn offer(&self, saved: Saved) {
        let mut overtaken = None;
        self.kept.send_modify(|kept| {
            overtaken = kept.newest.replace(saved).filter(|older| kept.is_idle(older));
            kept.newest_waits = true;
        });
        overtaken.iter().for_each(remove);
    }

    /// Waits until the newest was sent, or could not be.
    pub async fn settled(&self) {
        let settled = |kept: &Kept| !kept.newest_waits && kept.sending.is_none();
        // The sender lives in self, so this cannot end early.
        let _ = self.kept.subscribe().wait_for(settled).await;
    }
}

impl Drop for Intermediates {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Kept {
    fn is_idle(&self, saved: &Saved) -> bool {
        let in_use = [&self.newest, &self.sending];
        !in_use.into_iter().flatten().any(|used| used.folder == saved.folder)
    }
}

fn begin(kept: &watch::Sender<Kept>) -> Option<Saved> {
    let mut sending = None;
    kept.send_modify(|kept| {
        kept.newest_waits = false;
        kept.sending.clone_from(&kept.newest);
        sending.clone_from(&kept.newest);
    });
    sending
}

fn end(kept: &watch::Sender<Kept>) {
    let mut overtaken = None;
    kept.send_modify(|kept| overtaken = kept.sending.take().filter(|sent| kept.is_idle(sent)));
    overtaken.iter().for_each(remove);
}

async fn send(session: &Session, lease: &Lease, saved: &Saved) {
    let iteration = saved.iteration;
    match publish(session, lease, CheckpointKind::Intermediate, saved).await {
        Ok(_) => {}
        Err(error) if error.is_stale() => lease.order(Order::Drop),
        // The next one comes soon; only the final one has to get through.
        Err(error) => info!(iteration, %error, "checkpoint not published"),
    }
}

fn remove(overtaken: &Saved) {
    debug!(iteration = overtaken.iteration, "a checkpoint was overtaken by a newer one");
    // A folder that stays goes with its attempt's.
    let _ = fs::remove_dir_all(&overtaken.folder);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn saved(folder: &Path, iteration: u32) -> Saved {
        let folder = folder.join(format!("checkpoint-{iteration}"));
        fs::create_dir(&folder).unwrap();
        Saved { folder, files: Vec::new(), iteration, weights: None }
    }

    fn idle() -> Intermediates {
        Intermediates { kept: Arc::default(), task: tokio::spawn(async {}) }
    }

    #[tokio::test]
    async fn the_newest_stays_until_a_newer_one_comes_though_it_was_sent() {
        let folder = tempfile::tempdir().unwrap();
        let there = |iteration| folder.path().join(format!("checkpoint-{iteration}")).is_dir();
        let intermediates = idle();
        intermediates.offer(saved(folder.path(), 1));
        begin(&intermediates.kept).unwrap();
        end(&intermediates.kept);
        intermediates.settled().await;
        assert!(there(1));

        intermediates.offer(saved(folder.path(), 2));

        assert!(!there(1) && there(2));
    }

    #[tokio::test]
    async fn one_that_is_overtaken_while_it_is_sent_stays_as_long_as_that_takes() {
        let folder = tempfile::tempdir().unwrap();
        let there = |iteration| folder.path().join(format!("checkpoint-{iteration}")).is_dir();
        let intermediates = idle();
        intermediates.offer(saved(folder.path(), 1));
        begin(&intermediates.kept).unwrap();

        intermediates.offer(saved(folder.path(), 2));
        intermediates.offer(saved(folder.path(), 3));
        assert!(there(1) && !there(2) && there(3));
        end(&intermediates.kept);

        assert!(!there(1) && there(3));
    }
}
