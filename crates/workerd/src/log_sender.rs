//! Sending an attempt's log while it grows.
//!
//! The coordinator says how much it has, and sending goes on from there: a repeated piece is
//! stored once. Text that was dropped here before it could be sent leaves no gap there. A log
//! that cannot be sent never holds up its attempt.

use std::{sync::Arc, time::Duration};

use selffer_core::ids::Claim;
use selffer_proto::v1;
use tokio::{task::JoinHandle, time::sleep};
use tonic::Status;
use tracing::debug;

use crate::{calls::patiently, logs::AttemptLog, session::Session};

/// Text that comes within this goes out together.
const GATHER: Duration = Duration::from_millis(500);

/// Sends one attempt's log beside the work on it; ends when dropped.
#[derive(Debug)]
pub struct LogSender {
    session: Arc<Session>,
    claim: Claim,
    log: Arc<AttemptLog>,
    sent: Arc<tokio::sync::Mutex<Sent>>,
    task: JoinHandle<()>,
}

/// How far the log is sent.
#[derive(Debug, Default)]
struct Sent {
    // Position within all text there was here.
    here: u64,
    // Bytes that the coordinator has.
    there: u64,
}

impl LogSender {
    /// Starts sending.
    #[must_use]
    pub fn start(session: Arc<Session>, claim: Claim, log: Arc<AttemptLog>) -> Self {
        let sent = Arc::<tokio::sync::Mutex<Sent>>::default();
        let (task_session, task_log, task_sent) = (session.clone(), log.clone(), sent.clone());
        let task = tokio::spawn(async move {
            loop {
                task_log.added().await;
                sleep(GATHER).await;
                let mut sent = task_sent.lock().await;
                if let Err(status) = send(&task_session, claim, &task_log, &mut sent).await {
                    // The heartbeat learns by itself that a lease is gone.
                    return debug!(reason = status.message(), "the log is sent no further");
                }
            }
        });
        Self { session, claim, log, sent, task }
    }

    /// Sends what is left.
    pub async fn finish(self) {
        self.task.abort();
        let mut sent = self.sent.lock().await;
        if let Err(status) = send(&self.session, self.claim, &self.log, &mut sent).await {
            debug!(reason = status.message(), "the end of the log was not sent");
        }
    }
}

impl Drop for LogSender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(session: &Session, claim: Claim, log: &AttemptLog, sent: &mut Sent) -> Result<(), Status> {
    while let Some(piece) = log.piece_from(sent.here) {
        let answer = patiently("AppendLog", || async {
            let request = v1::AppendLogRequest {
                session_id: session.id(),
                claim: Some(claim.into()),
                offset: sent.there,
                text: piece.text.clone(),
            };
            session.workers().append_log(request).await
        });
        let there = answer.await?.into_inner().stored_bytes;
        let taken = there.saturating_sub(sent.there);
        if taken == 0 {
            return Err(Status::failed_precondition("it takes no more"));
        }
        *sent = Sent { here: piece.offset + taken, there };
    }
    Ok(())
}
