//! Sending an attempt's log while it grows.
//!
//! The coordinator says how much it has, and sending goes on from there: a repeated piece is
//! stored once. Where text was dropped here before it could be sent, a mark says so. A log
//! that cannot be sent never holds up its attempt.

use std::{sync::Arc, time::Duration};

use selffer_core::ids::Claim;
use selffer_proto::v1;
use tokio::{task::JoinHandle, time::sleep};
use tonic::Status;
use tracing::debug;

use crate::{
    calls::patiently,
    folder::AttemptFolder,
    log_file::{self, Sent},
    logs::AttemptLog,
    session::Session,
};

/// Text that comes within this goes out together.
const GATHER: Duration = Duration::from_millis(500);

/// Sends one attempt's log beside the work on it; ends when dropped.
#[derive(Debug)]
pub struct LogSender {
    session: Arc<Session>,
    claim: Claim,
    log: Arc<AttemptLog>,
    sending: Arc<tokio::sync::Mutex<Sending>>,
    task: JoinHandle<()>,
}

/// How far the log is sent.
#[derive(Debug)]
struct Sending {
    at: Sent,
    // The coordinator must say first how much it has: an earlier daemon may have sent more than
    // it could note.
    is_asked: bool,
    // What is here is all that there is, whatever the coordinator has.
    is_anew: bool,
    // Where it is noted how far it is sent.
    folder: AttemptFolder,
}

impl LogSender {
    /// Starts sending the log of the attempt in this folder.
    #[must_use]
    pub fn start(
        session: Arc<Session>,
        claim: Claim,
        (log, folder): (Arc<AttemptLog>, AttemptFolder),
    ) -> Self {
        let sending = Sending { at: Sent::default(), is_asked: true, is_anew: true, folder };
        Self::start_at(sending, session, claim, log)
    }

    /// Starts sending, after what an earlier daemon has sent of this attempt's log, if it kept
    /// any.
    #[must_use]
    pub fn go_on(
        session: Arc<Session>,
        claim: Claim,
        (log, folder): (Arc<AttemptLog>, AttemptFolder),
        sent: Option<Sent>,
    ) -> Self {
        let at = sent.unwrap_or_default();
        Self::start_at(Sending { at, is_asked: false, is_anew: sent.is_none(), folder }, session, claim, log)
    }

    fn start_at(sending: Sending, session: Arc<Session>, claim: Claim, log: Arc<AttemptLog>) -> Self {
        let sending = Arc::new(tokio::sync::Mutex::new(sending));
        let (task_session, task_log, task_sending) = (session.clone(), log.clone(), sending.clone());
        let task = tokio::spawn(async move {
            loop {
                task_log.added().await;
                sleep(GATHER).await;
                let mut sending = task_sending.lock().await;
                if let Err(status) = send(&task_session, claim, &task_log, &mut sending).await {
                    // The heartbeat learns by itself that a lease is gone.
                    return debug!(reason = status.message(), "the log is sent no further");
                }
            }
        });
        Self { session, claim, log, sending, task }
    }

    /// Sends what is left.
    pub async fn finish(self) {
        self.task.abort();
        let mut sending = self.sending.lock().await;
        if let Err(status) = send(&self.session, self.claim, &self.log, &mut sending).await {
            debug!(reason = status.message(), "the end of the log was not sent");
        }
    }
}

impl Drop for LogSender {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(
    session: &Session,
    claim: Claim,
    log: &AttemptLog,
    sending: &mut Sending,
) -> Result<(), Status> {
    while let Some(piece) = log.piece_from(sending.at.here) {
        if !sending.is_asked {
            let there = append(session, claim, 0, "").await?;
            // What was taken and not noted came from here.
            let unnoted = there.saturating_sub(sending.at.there);
            sending.at = Sent { here: sending.at.here + if sending.is_anew { 0 } else { unnoted }, there };
            sending.is_asked = true;
            continue;
        }
        let before = sending.at.there;
        if piece.offset > sending.at.here {
            let there = append(session, claim, before, &cut_mark(piece.offset - sending.at.here)).await?;
            sending.at = Sent { here: piece.offset, there };
            log_file::note_sent(&sending.folder, sending.at);
            continue;
        }
        let there = append(session, claim, before, &piece.text).await?;
        let taken = there.saturating_sub(before);
        if taken == 0 {
            return Err(Status::failed_precondition("it takes no more"));
        }
        sending.at = Sent { here: piece.offset + taken, there };
        log_file::note_sent(&sending.folder, sending.at);
    }
    Ok(())
}

/// Stands where text was dropped before it could be sent.
fn cut_mark(bytes: u64) -> String {
    format!("\n[{bytes} bytes of the log are missing here: they came faster than they could be sent]\n")
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
