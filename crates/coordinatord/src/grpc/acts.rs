//! What people do to studies and jobs, as one act each.

use std::{future::Future, time::Duration};

use chrono::{DateTime, Datelike};
use selffer_core::limits::{PARALLEL_MAX, REASON_BYTES_MAX};
use selffer_proto::{
    convert::{self, ConvertError},
    v1,
};
use selffer_storage::{Act, Acted, Deadline, Fate, OtherStudy, Reopen, Store, StoreError};
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
        let fate = convert::fate("dependants", message.dependants);
        let fate = fate.map_err(|error| unconvertible(&error))?.map(fate_in_the_store);
        self.do_act("cancel", principal, move |store| async move {
            let job = store.find_job(&message.selector).await?;
            store.cancel_job_and(&job, fate, &by.act()).await
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

    pub(super) async fn held_study(
        &self,
        principal: Principal,
        message: v1::HoldStudyRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        self.do_act("hold", principal, move |store| async move {
            store.hold_study(&message.study, &by.act()).await
        })
        .await
    }

    pub(super) async fn held_job(
        &self,
        principal: Principal,
        message: v1::HoldJobRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        self.do_act("hold", principal, move |store| async move {
            let job = store.find_job(&message.selector).await?;
            store.hold_job(&job, &by.act()).await
        })
        .await
    }

    pub(super) async fn limited_study(
        &self,
        principal: Principal,
        message: v1::LimitStudyRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        if message.parallel_max.is_some_and(|most| most == 0 || most > PARALLEL_MAX) {
            let problem = format!("is not in 1..={PARALLEL_MAX}; `pause` hands out nothing");
            return Err(unconvertible(&ConvertError::new("parallel_max", problem)));
        }
        self.do_act("limit", principal, move |store| async move {
            store.limit(&message.study, message.parallel_max, &by.act()).await
        })
        .await
    }

    pub(super) async fn deadline_set(
        &self,
        principal: Principal,
        message: v1::SetDeadlineRequest,
    ) -> Result<v1::Act, Status> {
        let by = By::new(principal, message.reason);
        let deadline = deadline(message.when).map_err(|error| unconvertible(&error))?;
        self.do_act("deadline", principal, move |store| async move {
            store.set_deadline(&message.study, deadline, &by.act()).await
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

/// The longest that a deadline may lie ahead.
const DEADLINE_WITHIN: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

fn deadline(when: Option<v1::set_deadline_request::When>) -> Result<Deadline, ConvertError> {
    use v1::set_deadline_request::When;
    match when {
        None => Ok(Deadline::None),
        Some(When::InMs(ms)) if ms <= DEADLINE_WITHIN.as_millis() as u64 => {
            Ok(Deadline::In(Duration::from_millis(ms)))
        }
        Some(When::InMs(ms)) => Err(ConvertError::new("in_ms", format!("{ms} is over a hundred years"))),
        Some(When::AtUnixMs(ms)) => match DateTime::from_timestamp_millis(ms) {
            Some(at) if (1970..10_000).contains(&at.year()) => Ok(Deadline::At(at)),
            _ => Err(ConvertError::new("at_unix_ms", format!("{ms} is no time"))),
        },
    }
}

fn fate_in_the_store(fate: v1::Fate) -> Fate {
    match fate {
        v1::Fate::Cancel => Fate::Cancel,
        v1::Fate::Hold => Fate::Hold,
        v1::Fate::Keep | v1::Fate::Unspecified => Fate::Keep,
    }
}

/// Who acts, and why.
pub(super) struct By {
    actor: String,
    reason: String,
}

impl By {
    pub(super) fn new(principal: Principal, mut reason: String) -> Self {
        reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
        Self { actor: principal.to_string(), reason }
    }

    pub(super) fn act(&self) -> Act<'_> {
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
        held: acted.held,
        others: acted.others.into_iter().map(other).collect(),
    }
}
