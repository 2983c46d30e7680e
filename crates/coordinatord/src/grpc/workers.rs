//! What worker daemons say: sessions, claims, heartbeats, outcomes.

use std::{
    sync::Arc,
    time::{Duration, Instant as StdInstant},
};

use selffer_core::{job::Failure, outcome::JobResult};
use selffer_proto::{
    convert::{self, checkpoint_id, give_back_reason, required},
    v1::{self, worker_service_server::WorkerService},
};
use selffer_storage::{Completion, StoreError};
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use tracing::info;

use super::{
    Service,
    proofs::complete_each,
    status::{of_store, unconvertible},
    worker_messages::{assignment_on_the_wire, holder, inventory, milliseconds, session, verdicts, wish},
};
use crate::auth::principal;

/// How often it is looked whether a worker that asks for a job was released.
const RELEASE_SCAN: Duration = Duration::from_secs(1);

impl Service {
    /// A worker that is set aside waits here instead of asking again and again; when it has been
    /// released, or has waited as long as it wished, it asks anew.
    async fn wait_for_release(&self, worker: &str, until: Instant) -> Result<(), StoreError> {
        while Instant::now() < until && !self.coordinator.stopping.is_cancelled() {
            tokio::time::sleep_until(until.min(Instant::now() + RELEASE_SCAN)).await;
            if !self.coordinator.store.is_set_aside(worker).await? {
                return Ok(());
            }
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl WorkerService for Service {
    async fn open_session(
        &self,
        request: Request<v1::OpenSessionRequest>,
    ) -> Result<Response<v1::OpenSessionResponse>, Status> {
        let principal = principal(&request)?;
        let session = session(request.into_inner())?;
        let coordinator = self.coordinator.clone();
        let open = async move {
            coordinator.store.open_session(&session).await.map_err(|error| of_store(&error))?;
            let workers = session.devices.len();
            info!(%principal, node = %session.node, session_id = %session.session_id, workers, "worker session opened");
            coordinator.changed();
            Ok(())
        };
        self.coordinator.act(open).await?;
        let timing = &self.coordinator.timing;
        Ok(Response::new(v1::OpenSessionResponse {
            heartbeat_interval_ms: milliseconds(timing.heartbeat_interval),
            session_ttl_ms: milliseconds(timing.session_ttl),
            lost_after_ms: milliseconds(timing.lost_after),
        }))
    }

    async fn claim(&self, request: Request<v1::ClaimRequest>) -> Result<Response<v1::ClaimResponse>, Status> {
        principal(&request)?;
        let wish = wish(request.into_inner()).map_err(|error| unconvertible(&error))?;
        self.coordinator.pack_rooms.note(&wish.worker, &wish.room);
        let (worker, until) = (wish.worker.clone(), Instant::now() + wish.wait);
        let assignment = match self.coordinator.dispatcher.claim(wish).await {
            Err(StoreError::SetAside { .. }) => {
                self.wait_for_release(&worker, until).await.map_err(|error| of_store(&error))?;
                None
            }
            granted => granted.map_err(|error| of_store(&error))?,
        };
        if let Some(assignment) = &assignment {
            let attempt = assignment.attempt.0;
            info!(job = assignment.name, job_id = %assignment.claim.job_id, attempt, "job handed out");
            self.coordinator.changed();
        }
        Ok(Response::new(v1::ClaimResponse { assignment: assignment.map(assignment_on_the_wire) }))
    }

    async fn confirm(
        &self,
        request: Request<v1::ConfirmRequest>,
    ) -> Result<Response<v1::ConfirmResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let coordinator = self.coordinator.clone();
        let confirm = async move {
            coordinator.store.confirm(&holder).await.map_err(|error| of_store(&error))?;
            coordinator.changed();
            Ok(())
        };
        self.coordinator.act(confirm).await?;
        Ok(Response::new(v1::ConfirmResponse {}))
    }

    async fn heartbeat(
        &self,
        request: Request<v1::HeartbeatRequest>,
    ) -> Result<Response<v1::HeartbeatResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let session_id =
            convert::session_id("session_id", &message.session_id).map_err(|error| unconvertible(&error))?;
        let inventory = inventory(message.inventory).map_err(|error| unconvertible(&error))?;
        let coordinator = self.coordinator.clone();
        let heartbeat = async move {
            let answer = coordinator.store.heartbeat(session_id, &inventory).await;
            let answer = answer.map_err(|error| of_store(&error))?;
            if answer.made_ready > 0 {
                coordinator.dispatcher.wake();
            }
            coordinator.changed();
            Ok(answer)
        };
        let answer = self.coordinator.act(heartbeat).await?;
        let longest = self.coordinator.timing.heartbeat_interval;
        let next = self.coordinator.heartbeat_pace.next_after(session_id, longest, StdInstant::now());
        Ok(Response::new(v1::HeartbeatResponse {
            verdicts: verdicts(&answer),
            drain: answer.drain,
            next_heartbeat_ms: milliseconds(next),
        }))
    }

    async fn append_log(
        &self,
        request: Request<v1::AppendLogRequest>,
    ) -> Result<Response<v1::AppendLogResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let store = self.coordinator.store.clone();
        let append = async move {
            let stored = store.append_log(&holder, message.offset, &message.text).await;
            stored.map_err(|error| of_store(&error))
        };
        let stored_bytes = self.coordinator.act(append).await?;
        Ok(Response::new(v1::AppendLogResponse { stored_bytes }))
    }

    async fn complete_attempt(
        &self,
        request: Request<v1::CompleteAttemptRequest>,
    ) -> Result<Response<v1::CompleteAttemptResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let result: JobResult = required("result", message.result).map_err(|error| unconvertible(&error))?;
        let checkpoint =
            checkpoint_id("checkpoint_id", &message.checkpoint_id).map_err(|error| unconvertible(&error))?;
        let coordinator = self.coordinator.clone();
        let complete = async move {
            let (job_id, top1) = (holder.claim.job_id, result.test.top1());
            let completion = Completion { holder, result, checkpoint_id: checkpoint };
            let make = |completions| complete_each(Arc::clone(&coordinator), completions);
            let released = coordinator.completer.complete(completion, make).await?.released;
            if released > 0 {
                coordinator.dispatcher.wake();
            } else {
                coordinator.dispatcher.wake_for_room();
            }
            coordinator.changed();
            info!(%job_id, top1, released, "attempt succeeded");
            Ok(())
        };
        self.coordinator.act(complete).await?;
        Ok(Response::new(v1::CompleteAttemptResponse {}))
    }

    async fn fail_attempt(
        &self,
        request: Request<v1::FailAttemptRequest>,
    ) -> Result<Response<v1::FailAttemptResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let failure: Failure = required("failure", message.failure).map_err(|error| unconvertible(&error))?;
        let iteration = message.iteration;
        let coordinator = self.coordinator.clone();
        let fail = async move {
            coordinator.store.fail(&holder, &failure, iteration).await.map_err(|error| of_store(&error))?;
            coordinator.dispatcher.wake();
            coordinator.changed();
            let job_id = holder.claim.job_id;
            info!(%job_id, class = ?failure.class, message = failure.message, iteration, "attempt failed");
            Ok(())
        };
        self.coordinator.act(fail).await?;
        Ok(Response::new(v1::FailAttemptResponse {}))
    }

    async fn give_back(
        &self,
        request: Request<v1::GiveBackRequest>,
    ) -> Result<Response<v1::GiveBackResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let holder = holder(&message.session_id, message.claim)?;
        let reason = give_back_reason("reason", message.reason).map_err(|error| unconvertible(&error))?;
        let coordinator = self.coordinator.clone();
        let give_back = async move {
            coordinator.store.give_back(&holder, reason).await.map_err(|error| of_store(&error))?;
            coordinator.dispatcher.wake();
            coordinator.changed();
            info!(job_id = %holder.claim.job_id, ?reason, "lease given back");
            Ok(())
        };
        self.coordinator.act(give_back).await?;
        Ok(Response::new(v1::GiveBackResponse {}))
    }

    async fn close_session(
        &self,
        request: Request<v1::CloseSessionRequest>,
    ) -> Result<Response<v1::CloseSessionResponse>, Status> {
        principal(&request)?;
        let session_id = convert::session_id("session_id", &request.into_inner().session_id)
            .map_err(|error| unconvertible(&error))?;
        let coordinator = self.coordinator.clone();
        let close = async move {
            coordinator.store.close_session(session_id).await.map_err(|error| of_store(&error))?;
            coordinator.dispatcher.wake();
            coordinator.changed();
            info!(%session_id, "worker session closed");
            Ok(())
        };
        self.coordinator.act(close).await?;
        Ok(Response::new(v1::CloseSessionResponse {}))
    }
}
