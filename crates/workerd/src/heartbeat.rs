//! Keeping the session alive: the inventory goes out, verdicts come back.
//!
//! A worker that cannot renew goes on training. It publishes nothing once its session may
//! have expired. When its jobs may have been handed to others (a tenth later than the coordinator
//! may do so: both sides' clocks run, neither knows the other's), the coordinator is lost: the
//! jobs are parked, with all that was trained on this machine, until it says whose they are.

use std::{pin::pin, sync::Arc, time::Duration};

use selffer_core::{
    ids::Claim,
    lease::{Trust, Verdict},
};
use selffer_proto::{
    convert::{phase_number, required},
    v1,
};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status};
use tracing::{info, warn};

use crate::{
    ambient,
    lease::{Lease, Order, Report},
    lost::{OnLost, Service},
    session::{Session, SessionError},
};

/// Heartbeats that news hurry are at least this far apart.
const SPACING: Duration = Duration::from_secs(1);
/// How long the answer to one may take.
const WITHIN: Duration = Duration::from_secs(10);
/// How soon a heartbeat that got no answer is repeated, and how often silence is judged while
/// there are none because the session is being opened again.
const REPEAT: Duration = Duration::from_secs(2);

impl Session {
    /// Renews the session for ever, and opens it again when the coordinator does not know it.
    ///
    /// # Errors
    /// The coordinator wants no session of this daemon; every lease is then ordered to drop.
    pub async fn keep_alive(&self) -> Result<(), SessionError> {
        loop {
            let pause = match self.beat().await {
                Ok(next) => next,
                Err(status) if is_session_gone(&status) => {
                    info!(reason = status.message(), "the session is gone; opening it again");
                    let reopened = self.reopen_while_judging(status.message()).await;
                    reopened.inspect_err(|_| self.leases.order_all(Order::Drop))?;
                    continue;
                }
                Err(status) => {
                    self.judge_silence(status.message());
                    REPEAT
                }
            };
            let spacing = SPACING.min(pause);
            sleep(spacing).await;
            tokio::select! {
                () = sleep(pause - spacing) => {}
                () = self.news.notified() => {}
            }
        }
    }

    /// Sends one heartbeat and obeys the answer, which says when the next one is due.
    ///
    /// # Errors
    /// As the coordinator answered, or that it did not.
    pub async fn beat(&self) -> Result<Duration, Status> {
        let _one_at_a_time = self.beating.lock().await;
        let standing = self.standing();
        let sent_at = ambient::now();
        let inventory = self.leases.all().iter().map(|lease| inventory(&lease.report(sent_at))).collect();
        let request = v1::HeartbeatRequest { session_id: standing.id.to_string(), inventory };
        let answer = timeout(WITHIN, self.workers().heartbeat(request)).await;
        let answer =
            answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))?.into_inner();

        let interval = match answer.next_heartbeat_ms {
            0 => standing.interval,
            next_ms => Duration::from_millis(next_ms),
        };
        self.standing_mut().renewed_at = sent_at;
        // A process that was stopped meanwhile finds an answer that is true no longer.
        let silence = ambient::now().saturating_duration_since(sent_at);
        let is_fresh = Trust::after(silence, standing.ttl, standing.lost_after) == Trust::Sure;
        if is_fresh {
            self.trusted.send_replace(true);
        }
        self.drain.send_replace(answer.drain);
        answer.verdicts.into_iter().for_each(|verdict| self.obey(verdict));
        Ok(if is_fresh { interval } else { Duration::ZERO })
    }

    /// Sends heartbeats until the coordinator has every point of this lease that it takes, or
    /// the lease is gone.
    pub async fn flush_metrics(&self, lease: &Lease) {
        while lease.owes_metrics() > 0 && lease.ordered() < Order::Drop {
            let owed = lease.owes_metrics();
            match self.beat().await {
                // It answered and stored none of them: it never will.
                Ok(_) if lease.owes_metrics() == owed => return,
                Ok(_) => {}
                Err(_) => sleep(REPEAT).await,
            }
        }
    }

    fn obey(&self, verdict: v1::JobVerdict) {
        let Ok(claim) = required::<_, Claim>("claim", verdict.claim) else { return };
        let Some(lease) = self.leases.get(claim) else { return };
        lease.metrics_stored(verdict.metrics_stored);
        let verdict = match v1::Verdict::try_from(verdict.verdict) {
            Ok(v1::Verdict::Revoked) => Verdict::Revoked,
            Ok(v1::Verdict::Cancel) => Verdict::Cancel,
            // A verdict of a newer program is none of which we know that it ends something.
            Ok(v1::Verdict::Ok | v1::Verdict::Unspecified) | Err(_) => Verdict::Ok,
        };
        lease.order(verdict.order());
        if verdict.affirms() {
            lease.affirm();
        }
    }

    // A coordinator that does not let us in may hand our jobs to others all the same.
    async fn reopen_while_judging(&self, reason: &str) -> Result<(), SessionError> {
        let mut reopened = pin!(self.reopen());
        loop {
            self.judge_silence(reason);
            if let Ok(reopened) = timeout(REPEAT, &mut reopened).await {
                return reopened;
            }
        }
    }

    fn judge_silence(&self, reason: &str) {
        let standing = self.standing();
        let silence = ambient::now().saturating_duration_since(standing.renewed_at);
        let trust = Trust::after(silence, standing.ttl, standing.lost_after);
        if trust > Trust::Sure && self.trusted.send_replace(false) {
            let silence_s = silence.as_secs();
            warn!(silence_s, reason, "no heartbeat gets through; nothing is published until one does");
        }
        if trust == Trust::Gone {
            self.lose(silence);
        }
    }

    fn lose(&self, silence: Duration) {
        let (silence_s, held) = (silence.as_secs(), self.leases.all());
        let is_training = held.iter().any(|lease| lease.is_training());
        let service = match self.on_lost {
            OnLost::Keep => Service::Full,
            OnLost::Finish if is_training => Service::Retiring,
            OnLost::Finish | OnLost::Stop => Service::GivenUp,
        };
        if self.service.send_replace(service) != service {
            warn!(silence_s, ?service, "the coordinator is lost");
        }
        if service == Service::Retiring {
            return;
        }
        // What was parked before waits for its word already.
        let of_use = |lease: &Arc<Lease>| lease.is_affirmed() || service == Service::GivenUp;
        for lease in held.into_iter().filter(of_use).filter(|lease| lease.ordered() < Order::Park) {
            warn!(silence_s, job_id = %lease.claim.job_id, "the lease may be lost; its training is parked here");
            lease.order(Order::Park);
        }
    }
}

fn is_session_gone(status: &Status) -> bool {
    matches!(status.code(), Code::FailedPrecondition | Code::NotFound | Code::Unauthenticated)
}

fn inventory(report: &Report) -> v1::Inventory {
    v1::Inventory {
        claim: Some(report.claim.into()),
        phase: phase_number(Some(report.phase)),
        iteration: report.iteration,
        images_per_s: report.images_per_s,
        progress_age_s: report.age_s,
        phase_done: report.phase_done,
        metrics: report.metrics.iter().map(v1::MetricPoint::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use selffer_core::{
        ids::{ClaimId, JobId},
        job::Phase,
    };
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn leases_are_parked_in_time_while_the_session_cannot_be_opened_again() {
        let session = Session::silent_for(Duration::from_secs(1));
        let claim = Claim { job_id: JobId(Uuid::nil()), claim_id: ClaimId([7; 16]) };
        let lease = Arc::new(Lease::new(claim, ambient::now()));
        session.leases.hold(lease.clone());

        tokio::select! {
            reopened = session.reopen_while_judging("another token") => panic!("{reopened:?}"),
            () = lease.until(Order::Park) => {}
        }

        assert!(!*session.trusted.borrow());
        assert_eq!((lease.ordered(), session.service()), (Order::Park, Service::Full));
    }

    #[tokio::test]
    async fn a_lost_coordinator_leaves_trainings_alone_if_they_are_to_be_finished() {
        let mut session = Session::silent_for(Duration::from_secs(1));
        session.on_lost = OnLost::Finish;
        let claim = Claim { job_id: JobId(Uuid::nil()), claim_id: ClaimId([7; 16]) };
        let lease = Arc::new(Lease::new(claim, ambient::now()));
        lease.enter(Phase::Training, ambient::now());
        session.leases.hold(lease.clone());

        session.judge_silence("away");
        assert_eq!((lease.ordered(), session.service()), (Order::GoOn, Service::Retiring));

        lease.enter(Phase::Uploading, ambient::now());
        session.judge_silence("away");
        assert_eq!((lease.ordered(), session.service()), (Order::Park, Service::GivenUp));
    }

    #[tokio::test]
    async fn what_waits_for_the_coordinators_word_is_not_parked_again() {
        let session = Session::silent_for(Duration::from_secs(1));
        let claim = Claim { job_id: JobId(Uuid::nil()), claim_id: ClaimId([7; 16]) };
        let lease = Arc::new(Lease::left(claim, ambient::now()));
        session.leases.hold(lease.clone());
        session.judge_silence("away");
        assert_eq!(lease.ordered(), Order::GoOn);
    }

    #[tokio::test]
    async fn a_cancelled_job_is_stopped_and_a_revoked_one_dropped() {
        let session = Session::silent_for(Duration::ZERO);
        let verdicts = [
            (v1::Verdict::Ok, Order::GoOn, true),
            (v1::Verdict::Cancel, Order::Stop, true),
            (v1::Verdict::Revoked, Order::Drop, false),
        ];
        for (index, (verdict, order, affirmed)) in verdicts.into_iter().enumerate() {
            let claim = Claim { job_id: JobId(Uuid::nil()), claim_id: ClaimId([index as u8; 16]) };
            let lease = Arc::new(Lease::left(claim, ambient::now()));
            session.leases.hold(lease.clone());

            session.obey(v1::JobVerdict {
                claim: Some(claim.into()),
                verdict: verdict.into(),
                metrics_stored: 0,
            });

            assert_eq!(lease.ordered(), order, "{verdict:?}");
            assert_eq!(lease.is_affirmed(), affirmed, "{verdict:?}");
        }
    }
}
