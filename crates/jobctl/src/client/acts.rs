//! What is done to studies and jobs. Every act may be repeated.

use selffer_core::interest::InterestChange;
use selffer_proto::v1;

use super::{
    ActView, Client, convert,
    studies::{JOB_HINT, STUDY_HINT},
};

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

    /// Cancels a job for all studies that want it.
    pub(crate) async fn cancel_job(&self, selector: &str, reason: &str) -> anyhow::Result<ActView> {
        let request = v1::CancelJobRequest { selector: selector.to_owned(), reason: reason.to_owned() };
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

/// Which of a study's jobs start anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// What failed.
    Failed,
    /// Also what was cancelled or is held.
    Everything,
}
