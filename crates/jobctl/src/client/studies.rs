//! Questions about studies, jobs and workers.

use std::collections::BTreeMap;

use futures_util::{Stream, StreamExt};
use selffer_core::{ids::JobKey, job::StateKind, plan::MeasuredSpeed};
use selffer_proto::{convert::ConvertError, v1};
use uuid::Uuid;

use super::{
    Client, EventView, JobDetail, JobView, LogView, StudyView, Submitted, WatchView, WorkerView, convert,
};

/// What to do when no study is called so.
pub(super) const STUDY_HINT: &str = "`jobctl list studies` shows what there is";
/// What to do when no job is called so.
pub(super) const JOB_HINT: &str =
    "a job is [STUDY:]NAME or at least 8 digits of its key; `jobctl list jobs STUDY` shows what there is";
/// How many keys one look-up may hold.
const KEYS_MAX: usize = 10_000;

/// The changes of a watched study.
pub(crate) type WatchStream = std::pin::Pin<Box<dyn Stream<Item = anyhow::Result<WatchView>> + Send>>;

impl Client {
    /// Submits a grid; repeating it with the same id answers the same.
    pub(crate) async fn submit(&self, request_id: Uuid, study: NewStudy) -> anyhow::Result<Submitted> {
        let file = |(path, text)| v1::GridFile { path, text };
        let request = v1::SubmitRequest {
            request_id: request_id.to_string(),
            grid_yaml: study.grid_yaml,
            file_name: study.file_name,
            files: study.files.into_iter().map(file).collect(),
            as_name: study.as_name.unwrap_or_default(),
            extend: study.extend,
            priority: study.priority,
        };
        let answer = self.connection.studies().submit(self.request(request)).await;
        Ok(convert::submitted(self.answer(answer)?))
    }

    /// Which of these networks exist, and where they stand.
    pub(crate) async fn look_up_jobs(&self, keys: &[JobKey]) -> anyhow::Result<BTreeMap<JobKey, StateKind>> {
        let mut known = BTreeMap::new();
        for page in keys.chunks(KEYS_MAX) {
            let request = v1::LookUpJobsRequest { keys: page.iter().map(|key| key.0.to_vec()).collect() };
            let answer = self.connection.studies().look_up_jobs(self.request(request)).await;
            for job in &self.answer(answer)?.known {
                let (key, state) = convert::known(job)?;
                known.insert(key, state);
            }
        }
        Ok(known)
    }

    /// All studies, newest first.
    pub(crate) async fn studies(&self) -> anyhow::Result<Vec<StudyView>> {
        let answer = self.connection.studies().list_studies(self.request(v1::ListStudiesRequest {})).await;
        collected(self.answer(answer)?.studies, convert::study)
    }

    /// One study, by name or `last`.
    pub(crate) async fn study(&self, study: &str) -> anyhow::Result<StudyView> {
        let request = v1::GetStudyRequest { study: study.to_owned() };
        let answer = self.connection.studies().get_study(self.request(request)).await;
        Ok(convert::study(self.answer_or(answer, STUDY_HINT)?.study.unwrap_or_default())?)
    }

    /// What was done to a study, with who did it, oldest first.
    pub(crate) async fn study_events(&self, study: &str) -> anyhow::Result<Vec<EventView>> {
        let request = v1::GetStudyRequest { study: study.to_owned() };
        let answer = self.connection.studies().get_study(self.request(request)).await;
        collected(self.answer_or(answer, STUDY_HINT)?.events, convert::study_event)
    }

    /// The jobs of a study in its order; with results, if a report needs them.
    pub(crate) async fn jobs(&self, study: &str, results: Results) -> anyhow::Result<Vec<JobView>> {
        let with_results = results == Results::With;
        let mut jobs = Vec::new();
        let mut page_token = String::new();
        loop {
            let request =
                v1::ListJobsRequest { study: study.to_owned(), page_rows: 0, page_token, with_results };
            let answer = self.connection.studies().list_jobs(self.request(request)).await;
            let page = self.answer_or(answer, STUDY_HINT)?;
            for job in page.jobs {
                jobs.push(convert::job(job)?);
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok(jobs);
            }
        }
    }

    /// Everything about a job, by `[STUDY:]NAME` or key.
    pub(crate) async fn job(&self, selector: &str) -> anyhow::Result<JobDetail> {
        let request = v1::GetJobRequest { selector: selector.to_owned() };
        let answer = self.connection.studies().get_job(self.request(request)).await;
        Ok(convert::job_detail(self.answer_or(answer, JOB_HINT)?)?)
    }

    /// The log of a job's newest attempt, from this byte on.
    pub(crate) async fn log(
        &self,
        selector: &str,
        attempt: Option<u32>,
        offset: u64,
    ) -> anyhow::Result<LogView> {
        let attempt = attempt.unwrap_or(0);
        let request = v1::GetLogRequest { selector: selector.to_owned(), offset, attempt };
        let answer = self.connection.studies().get_log(self.request(request)).await;
        Ok(convert::log(self.answer_or(answer, JOB_HINT)?))
    }

    /// All workers, and what concerns all of them; empty if nothing does.
    pub(crate) async fn workers(&self) -> anyhow::Result<(Vec<WorkerView>, String)> {
        let answer = self.connection.studies().list_workers(self.request(v1::ListWorkersRequest {})).await;
        let answer = self.answer(answer)?;
        Ok((collected(answer.workers, convert::worker)?, answer.notice))
    }

    /// How fast each kind of device has trained each network.
    pub(crate) async fn device_speeds(&self) -> anyhow::Result<Vec<MeasuredSpeed>> {
        let request = self.request(v1::ListDeviceSpeedsRequest {});
        let answer = self.connection.studies().list_device_speeds(request).await;
        Ok(self.answer(answer)?.speeds.into_iter().map(convert::speed).collect())
    }

    /// The study now, and again whenever it changes.
    pub(crate) async fn watch(&self, study: &str) -> anyhow::Result<WatchStream> {
        let request = v1::WatchStudyRequest { study: study.to_owned() };
        let answer = self.connection.studies().watch_study(tonic::Request::new(request)).await;
        let client = self.clone();
        let updates = self.answer_or(answer, STUDY_HINT)?.map(move |update| match update {
            Ok(update) => Ok(convert::watch(update)?),
            Err(status) => Err(client.failure(&status).into()),
        });
        Ok(Box::pin(updates))
    }
}

/// A grid to submit, and how.
#[derive(Clone, Debug)]
pub(crate) struct NewStudy {
    pub(crate) grid_yaml: String,
    /// For messages.
    pub(crate) file_name: String,
    /// What the grid names beside itself, by path as written.
    pub(crate) files: BTreeMap<String, String>,
    /// Instead of the grid's own name.
    pub(crate) as_name: Option<String>,
    /// Onto a study that is there.
    pub(crate) extend: bool,
    pub(crate) priority: Option<i32>,
}

fn collected<Wire, View>(
    messages: Vec<Wire>,
    view: fn(Wire) -> Result<View, ConvertError>,
) -> anyhow::Result<Vec<View>> {
    Ok(messages.into_iter().map(view).collect::<Result<_, _>>()?)
}

/// Whether jobs are listed with their results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Results {
    /// For reports.
    With,
    /// For lists.
    Without,
}
