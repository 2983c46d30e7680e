//! What is done to studies, jobs and workers. Every act may be repeated.

use selffer_core::interest::InterestChange;
use selffer_proto::v1;

use super::{
    ActView, Client, WorkersActView, convert,
    studies::{JOB_HINT, STUDY_HINT},
};
use crate::args::{Deadline, FateArg, Parallel};

impl Client {
    /// Pauses, resumes, stops or cancels a study.
    pub(crate) async fn change_interest(
        &self,
        study: &str,
        change: InterestChange,
        reason: &str,
    ) -> anyhow::Result<ActView> {
        let (study, reason) = (study.to_owned(), reason.to_owned());
        let request =
            v1::ChangeInterestRequest { study, change: v1::InterestChange::from(change).into(), reason };
        let answer = self.connection.studies().change_interest(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, STUDY_HINT)?.act)?)
    }

    /// Gives a study another priority.
    pub(crate) async fn prioritize(
        &self,
        study: &str,
        priority: i32,
        reason: &str,
    ) -> anyhow::Result<ActView> {
        let (study, reason) = (study.to_owned(), reason.to_owned());
        let request = v1::PrioritizeStudyRequest { study, priority, reason };
        let answer = self.connection.studies().prioritize_study(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, STUDY_HINT)?.act)?)
    }

    /// Lets a study's jobs that ended without success start anew.
    pub(crate) async fn retry_study(
        &self,
        study: &str,
        which: Retry,
        reason: &str,
    ) -> anyhow::Result<ActView> {
        let (study, reason) = (study.to_owned(), reason.to_owned());
        let request = v1::RetryStudyRequest { study, only_failed: which == Retry::Failed, reason };
        let answer = self.connection.studies().retry_study(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, STUDY_HINT)?.act)?)
    }

    /// Cancels a job for all studies that want it, and says what becomes of those that copy from it.
    pub(crate) async fn cancel_job(
        &self,
        selector: &str,
        dependants: Option<FateArg>,
        reason: &str,
    ) -> anyhow::Result<ActView> {
        let fate = match dependants {
            None => v1::Fate::Unspecified,
            Some(FateArg::Cancel) => v1::Fate::Cancel,
            Some(FateArg::Hold) => v1::Fate::Hold,
            Some(FateArg::Keep) => v1::Fate::Keep,
        };
        let (selector, reason) = (selector.to_owned(), reason.to_owned());
        let request = v1::CancelJobRequest { selector, reason, dependants: fate.into() };
        let answer = self.connection.studies().cancel_job(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, JOB_HINT)?.act)?)
    }

    /// Lets a job start anew.
    pub(crate) async fn retry_job(&self, selector: &str, reason: &str) -> anyhow::Result<ActView> {
        let request = v1::RetryJobRequest { selector: selector.to_owned(), reason: reason.to_owned() };
        let answer = self.connection.studies().retry_job(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, JOB_HINT)?.act)?)
    }
}

impl Client {
    /// Holds a study's jobs that have not ended.
    pub(crate) async fn hold_study(&self, study: &str, reason: &str) -> anyhow::Result<ActView> {
        let request = v1::HoldStudyRequest { study: study.to_owned(), reason: reason.to_owned() };
        let answer = self.connection.studies().hold_study(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, STUDY_HINT)?.act)?)
    }

    /// Holds a job.
    pub(crate) async fn hold_job(&self, selector: &str, reason: &str) -> anyhow::Result<ActView> {
        let request = v1::HoldJobRequest { selector: selector.to_owned(), reason: reason.to_owned() };
        let answer = self.connection.studies().hold_job(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, JOB_HINT)?.act)?)
    }

    /// Limits how many of a study's jobs are at work at once.
    pub(crate) async fn limit(
        &self,
        study: &str,
        Parallel(parallel_max): Parallel,
        reason: &str,
    ) -> anyhow::Result<ActView> {
        let (study, reason) = (study.to_owned(), reason.to_owned());
        let request = v1::LimitStudyRequest { study, parallel_max, reason };
        let answer = self.connection.studies().limit_study(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, STUDY_HINT)?.act)?)
    }

    /// Says when a study is stopped.
    pub(crate) async fn set_deadline(
        &self,
        study: &str,
        deadline: Deadline,
        reason: &str,
    ) -> anyhow::Result<ActView> {
        use v1::set_deadline_request::When;
        let when = match deadline {
            Deadline::None => None,
            Deadline::At(at) => Some(When::AtUnixMs(at.timestamp_millis())),
            Deadline::In(after) => Some(When::InMs(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))),
        };
        let (study, reason) = (study.to_owned(), reason.to_owned());
        let request = v1::SetDeadlineRequest { study, reason, when };
        let answer = self.connection.studies().set_deadline(self.request(request)).await;
        Ok(convert::act(self.answer_or(answer, STUDY_HINT)?.act)?)
    }

    /// Hands workers nothing new; with `now`, what they run is stopped too.
    pub(crate) async fn drain(
        &self,
        name: &str,
        haste: Haste,
        reason: &str,
    ) -> anyhow::Result<WorkersActView> {
        let (name, reason) = (name.to_owned(), reason.to_owned());
        let request = v1::DrainWorkersRequest { name, now: haste == Haste::Now, reason };
        let answer = self.connection.studies().drain_workers(self.request(request)).await;
        Ok(convert::workers_act(self.answer_or(answer, WORKER_HINT)?.act)?)
    }

    /// Hands workers jobs again.
    pub(crate) async fn release(&self, name: &str, reason: &str) -> anyhow::Result<WorkersActView> {
        let request = v1::ReleaseWorkersRequest { name: name.to_owned(), reason: reason.to_owned() };
        let answer = self.connection.studies().release_workers(self.request(request)).await;
        Ok(convert::workers_act(self.answer_or(answer, WORKER_HINT)?.act)?)
    }
}

/// What to do when no worker is called so.
const WORKER_HINT: &str =
    "`jobctl list workers` shows what there is; held networks go on with `jobctl retry`";

/// What becomes of the jobs of workers that are drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Haste {
    /// They are stopped after a checkpoint.
    Now,
    /// They finish.
    None,
}

/// Which of a study's jobs start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// What failed.
    Failed,
    /// Also what was cancelled or is held.
    Everything,
}
