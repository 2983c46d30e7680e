//! Telling the coordinator how an attempt ended: completed, failed or given back.
//!
//! Each is said once and repeated until it is answered, unless the lease goes meanwhile.

use std::future::Future;

use selffer_core::{
    ids::CheckpointId,
    job::{Failure, FailureClass},
    outcome::JobResult,
};
use selffer_proto::v1;
use tonic::Status;

use crate::{
    assignment::End,
    calls::{is_stale, patiently},
    lease::{Lease, Order},
    session::Session,
};

/// Speaks for one attempt.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    /// The way to the coordinator.
    pub session: &'a Session,
    /// Whose attempt it is.
    pub lease: &'a Lease,
}

impl Telling<'_> {
    /// Trained and tested, under this final checkpoint.
    ///
    /// # Errors
    /// The lease is gone, or the coordinator does not take the result.
    pub async fn complete(&self, id: CheckpointId, result: &JobResult) -> Result<(), End> {
        let session = self.session;
        let completed = patiently("CompleteAttempt", || async {
            let request = v1::CompleteAttemptRequest {
                session_id: session.id(),
                claim: Some(self.lease.claim.into()),
                result: Some(result.into()),
                checkpoint_id: id.to_string(),
            };
            session.workers().complete_attempt(request).await
        });
        completed.await.map(|_| ()).map_err(|status| match is_stale(&status) {
            true => End::Dropped,
            false => End::failed(
                FailureClass::Infrastructure,
                format!("the coordinator does not take the result: {}", status.message()),
            ),
        })
    }

    /// Ended badly.
    ///
    /// # Errors
    /// As the coordinator answered.
    pub async fn fail(&self, failure: &Failure) -> Result<(), Status> {
        let session = self.session;
        let told = patiently("FailAttempt", || async {
            let request = v1::FailAttemptRequest {
                session_id: session.id(),
                claim: Some(self.lease.claim.into()),
                failure: Some(failure.into()),
                iteration: self.lease.iteration(),
            };
            session.workers().fail_attempt(request).await
        });
        self.unless_dropped(told).await
    }

    /// Not finished, and nobody's fault; `started` says whether anything was trained.
    ///
    /// # Errors
    /// As the coordinator answered.
    pub async fn give_back(&self, started: bool) -> Result<(), Status> {
        let session = self.session;
        let reason = match started {
            true => v1::GiveBackReason::WorkerStopping,
            false => v1::GiveBackReason::NotStarted,
        };
        let told = patiently("GiveBack", || async {
            let request = v1::GiveBackRequest {
                session_id: session.id(),
                claim: Some(self.lease.claim.into()),
                reason: reason.into(),
            };
            session.workers().give_back(request).await
        });
        self.unless_dropped(told).await
    }

    async fn unless_dropped<T>(&self, told: impl Future<Output = Result<T, Status>>) -> Result<(), Status> {
        tokio::select! {
            () = self.lease.until(Order::Drop) => Err(Status::aborted("the lease is gone")),
            told = told => told.map(|_| ()),
        }
    }
}
