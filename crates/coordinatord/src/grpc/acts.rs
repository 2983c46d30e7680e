//! What people do to studies and jobs, as one act each.

use std::future::Future;

use selffer_core::limits::REASON_BYTES_MAX;
use selffer_proto::{convert, v1};
use selffer_storage::{Act, Acted, OtherStudy, Reopen, Store, StoreError};
use tonic::Status;
use tracing::info;

use super::{
    Service,
    status::{of_store, unconvertible},
};
use crate::auth::Principal;

impl Service {
    pub(super) async fn changed_interest(
        &self,
        principal: Principal,
        message: v1::ChangeInterestRequest,
    ) -> Result<v1::Act, Status> {
        let change = convert::interest_change("change", message.change);
        let change = change.map_err(|error| unconvertible(&error))?;
        let by = By::new(principal, message.reason);
        self.do_act(change.as_str(), principal, move |store| async move {
            store.change_interest(&message.study, change, &by.act()).await
        })
        .await
    }

    pub(super) async fn prioritized(
        &self,
        principal: Principal,
        message: v1::PrioritizeStudyRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        self.do_act("prioritize", principal, move |store| async move {
            store.prioritize(&message.study, message.priority, &by.act()).await
        })
        .await
    }

    pub(super) async fn retried_study(
        &self,
        principal: Principal,
        message: v1::RetryStudyRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        let which = if message.only_failed { Reopen::Failed } else { Reopen::Everything };
        self.do_act("retry", principal, move |store| async move {
            store.retry_study(&message.study, which, &by.act()).await
        })
        .await
    }

    pub(super) async fn cancelled_job(
        &self,
        principal: Principal,
        message: v1::CancelJobRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        self.do_act("cancel", principal, move |store| async move {
            let job = store.find_job(&message.selector).await?;
            store.cancel_job(&job, &by.act()).await
        })
        .await
    }

    pub(super) async fn retried_job(
        &self,
        principal: Principal,
        message: v1::RetryJobRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        self.do_act("retry", principal, move |store| async move {
            let job = store.find_job(&message.selector).await?;
            store.retry_job(&job, &by.act()).await
        })
        .await
    }

    /// Does it to its end, whoever hangs up, and tells those who watch and wait.
    async fn do_act<F, Doing>(
        &self,
        verb: &'static str,
        principal: Principal,
        act: F,
    ) -> Result<v1::Act, Status>
    where
        F: FnOnce(Store) -> Doing + Send + 'static,
        Doing: Future<Output = Result<Acted, StoreError>> + Send,
    {
        let coordinator = self.coordinator.clone();
        let work = async move {
            let acted = act(coordinator.store.clone()).await.map_err(|error| of_store(&error))?;
            coordinator.dispatcher.wake();
            coordinator.changed();
            let Acted { name, changed, cancelled, ending, reopened, .. } = &acted;
            info!(%principal, verb, of = name, changed, cancelled, ending, reopened, "act done");
            Ok(on_the_wire(acted))
        };
        self.coordinator.act(work).await
    }
}

/// Who acts, and why.
struct By {
    actor: String,
    reason: String,
}

impl By {
    fn new(principal: Principal, mut reason: String) -> Self {
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        Self { actor: principal.to_string(), reason }
    }

    fn act(&self) -> Act<'_> {
        Act { actor: &self.actor, reason: &self.reason }
    }
}

fn on_the_wire(acted: Acted) -> v1::Act {
    let other = |other: OtherStudy| v1::OtherStudy { study: other.study, jobs: other.jobs };
    v1::Act {
        name: acted.name,
        changed: acted.changed,
        interest: v1::Interest::from(acted.interest).into(),
        priority: acted.priority,
        cancelled: acted.cancelled,
        ending: acted.ending,
        running: acted.running,
        reopened: acted.reopened,
        others: acted.others.into_iter().map(other).collect(),
    }
}
