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
#[derive(Debug)]
struct Sent {
    // Position within all text there was here.
    here: u64,
    // Bytes that the coordinator has; none if it must be asked.
    there: Option<u64>,
}

impl LogSender {
    /// Starts sending.
    #[must_use]
    pub fn start(session: Arc<Session>, claim: Claim, log: Arc<AttemptLog>) -> Self {
        Self::start_at(Some(0), session, claim, log)
    }

    /// Starts sending, after what an earlier daemon has sent of this attempt's log.
    #[must_use]
    pub fn go_on(session: Arc<Session>, claim: Claim, log: Arc<AttemptLog>) -> Self {
        Self::start_at(None, session, claim, log)
    }

    fn start_at(there: Option<u64>, session: Arc<Session>, claim: Claim, log: Arc<AttemptLog>) -> Self {
        let sent = Arc::new(tokio::sync::Mutex::new(Sent { here: 0, there }));
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
        let Some(before) = sent.there else {
            sent.there = Some(append(session, claim, 0, "").await?);
            continue;
        };
        let there = append(session, claim, before, &piece.text).await?;
        let taken = there.saturating_sub(before);
        if taken == 0 {
            return Err(Status::failed_precondition("it takes no more"));
        }
        *sent = Sent { here: piece.offset + taken, there: Some(there) };
    }
    Ok(())
}

/// Appends to what the coordinator has, and says how many bytes it has now.
async fn append(session: &Session, claim: Claim, offset: u64, text: &str) -> Result<u64, Status> {
    let answer = patiently("AppendLog", || async {
        let request = v1::AppendLogRequest {
            session_id: session.id(),
            claim: Some(claim.into()),
            offset,
            text: text.to_owned(),
        };
        session.workers().append_log(request).await
    });
    Ok(answer.await?.into_inner().stored_bytes)
}
