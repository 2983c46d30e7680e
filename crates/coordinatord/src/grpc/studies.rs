//! What people and scripts ask: studies, jobs, results, the fleet.

use selffer_core::ids::AttemptNumber;
use selffer_proto::{
    convert::{ConvertError, job_key},
    v1::{self, study_service_server::StudyService},
};
use tonic::{Request, Response, Status};

use super::{
    Service,
    status::{of_store, unconvertible},
    summaries,
    watch::WatchStream,
};
use crate::auth::principal;

/// Keys of one look-up.
const KEYS_MAX: usize = 10_000;

#[tonic::async_trait]
impl StudyService for Service {
    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        let principal = principal(&request)?;
        let message = request.into_inner();
        let service = self.clone();
        self.coordinator
            .act(async move { service.submit_grid(principal, message).await })
            .await
            .map(Response::new)
    }

    async fn look_up_jobs(
        &self,
        request: Request<v1::LookUpJobsRequest>,
    ) -> Result<Response<v1::LookUpJobsResponse>, Status> {
        principal(&request)?;
        let keys = request.into_inner().keys;
        if keys.len() > KEYS_MAX {
            let problem = format!("{} of them; the most is {KEYS_MAX}", keys.len());
            return Err(unconvertible(&ConvertError::new("keys", problem)));
        }
        let keys = keys.iter().map(|key| job_key("keys", key)).collect::<Result<Vec<_>, _>>();
        let keys = keys.map_err(|error| unconvertible(&error))?;
        let known = self.coordinator.store.look_up(&keys).await.map_err(|error| of_store(&error))?;
        let known = known.into_iter().map(|(key, state)| v1::look_up_jobs_response::Known {
            key: key.0.to_vec(),
            state: v1::JobState::from(state).into(),
        });
        Ok(Response::new(v1::LookUpJobsResponse { known: known.collect() }))
    }

    async fn list_studies(
        &self,
        request: Request<v1::ListStudiesRequest>,
    ) -> Result<Response<v1::ListStudiesResponse>, Status> {
        principal(&request)?;
        let store = &self.coordinator.store;
        let mut studies = Vec::new();
        for study in store.studies().await.map_err(|error| of_store(&error))? {
            let pace = summaries::pace(store, &study).await.map_err(|error| of_store(&error))?;
            studies.push(summaries::study(&study, pace));
        }
        Ok(Response::new(v1::ListStudiesResponse { studies }))
    }

    async fn get_study(
        &self,
        request: Request<v1::GetStudyRequest>,
    ) -> Result<Response<v1::GetStudyResponse>, Status> {
        principal(&request)?;
        let name = request.into_inner().study;
        let store = &self.coordinator.store;
        let (study, pace) =
            summaries::study_with_pace(store, &name).await.map_err(|error| of_store(&error))?;
        let grids = store.study_grids(study.study_id).await.map_err(|error| of_store(&error))?;
        let events = store.study_events(study.study_id).await.map_err(|error| of_store(&error))?;
        let grid_yaml = grids.first().map(|grid| grid.grid_yaml.clone()).unwrap_or_default();
        let summary = v1::StudySummary { grid_yaml, ..summaries::study(&study, pace) };
        Ok(Response::new(v1::GetStudyResponse {
            study: Some(summary),
            grids: grids.into_iter().map(summaries::study_grid).collect(),
            events: events.into_iter().map(summaries::study_event).collect(),
        }))
    }

    async fn list_jobs(
        &self,
        request: Request<v1::ListJobsRequest>,
    ) -> Result<Response<v1::ListJobsResponse>, Status> {
        principal(&request)?;
        self.page_of_jobs(request.into_inner()).await.map(Response::new)
    }

    async fn get_job(
        &self,
        request: Request<v1::GetJobRequest>,
    ) -> Result<Response<v1::GetJobResponse>, Status> {
        principal(&request)?;
        let store = &self.coordinator.store;
        let selector = request.into_inner().selector;
        let found = store.find_job(&selector).await.map_err(|error| of_store(&error))?;
        let mut detail = store.job(&found).await.map_err(|error| of_store(&error))?;
        let summary = std::slice::from_mut(&mut detail.summary);
        let explained = self.coordinator.pack_rooms.explain(store, summary).await;
        explained.map_err(|error| of_store(&error))?;
        let (dependants, dependants_count) =
            store.dependants_of(found.job_id).await.map_err(|error| of_store(&error))?;
        let detail = summaries::detail(detail);
        Ok(Response::new(v1::GetJobResponse { dependants, dependants_count, ..detail }))
    }

    async fn get_log(
        &self,
        request: Request<v1::GetLogRequest>,
    ) -> Result<Response<v1::GetLogResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let store = &self.coordinator.store;
        let found = store.find_job(&message.selector).await.map_err(|error| of_store(&error))?;
        let attempt = Some(AttemptNumber(message.attempt)).filter(|attempt| attempt.0 > 0);
        let part =
            store.log(found.job_id, attempt, message.offset).await.map_err(|error| of_store(&error))?;
        Ok(Response::new(v1::GetLogResponse {
            attempt: part.attempt.0,
            text: part.text,
            next_offset: part.next_offset,
            ended: part.ended,
        }))
    }

    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        principal(&request)?;
        let rows = self.coordinator.store.workers().await.map_err(|error| of_store(&error))?;
        let workers = rows.into_iter().map(summaries::worker).collect();
        let freeze = self.coordinator.store.freeze().await.map_err(|error| of_store(&error))?;
        let notice = freeze.map_or_else(String::new, |freeze| summaries::freeze_notice(&freeze));
        Ok(Response::new(v1::ListWorkersResponse { workers, notice }))
    }

    async fn list_device_speeds(
        &self,
        request: Request<v1::ListDeviceSpeedsRequest>,
    ) -> Result<Response<v1::ListDeviceSpeedsResponse>, Status> {
        principal(&request)?;
        self.device_speeds().await.map(Response::new)
    }

    async fn change_interest(
        &self,
        request: Request<v1::ChangeInterestRequest>,
    ) -> Result<Response<v1::ChangeInterestResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.changed_interest(principal, request.into_inner()).await?;
        Ok(Response::new(v1::ChangeInterestResponse { act: Some(act) }))
    }

    async fn prioritize_study(
        &self,
        request: Request<v1::PrioritizeStudyRequest>,
    ) -> Result<Response<v1::PrioritizeStudyResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.prioritized(principal, request.into_inner()).await?;
        Ok(Response::new(v1::PrioritizeStudyResponse { act: Some(act) }))
    }

    async fn retry_study(
        &self,
        request: Request<v1::RetryStudyRequest>,
    ) -> Result<Response<v1::RetryStudyResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.retried_study(principal, request.into_inner()).await?;
        Ok(Response::new(v1::RetryStudyResponse { act: Some(act) }))
    }

    async fn cancel_job(
        &self,
        request: Request<v1::CancelJobRequest>,
    ) -> Result<Response<v1::CancelJobResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.cancelled_job(principal, request.into_inner()).await?;
        Ok(Response::new(v1::CancelJobResponse { act: Some(act) }))
    }

    async fn retry_job(
        &self,
        request: Request<v1::RetryJobRequest>,
    ) -> Result<Response<v1::RetryJobResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.retried_job(principal, request.into_inner()).await?;
        Ok(Response::new(v1::RetryJobResponse { act: Some(act) }))
    }

    async fn hold_study(
        &self,
        request: Request<v1::HoldStudyRequest>,
    ) -> Result<Response<v1::HoldStudyResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.held_study(principal, request.into_inner()).await?;
        Ok(Response::new(v1::HoldStudyResponse { act: Some(act) }))
    }

    async fn hold_job(
        &self,
        request: Request<v1::HoldJobRequest>,
    ) -> Result<Response<v1::HoldJobResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.held_job(principal, request.into_inner()).await?;
        Ok(Response::new(v1::HoldJobResponse { act: Some(act) }))
    }

    async fn limit_study(
        &self,
        request: Request<v1::LimitStudyRequest>,
    ) -> Result<Response<v1::LimitStudyResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.limited_study(principal, request.into_inner()).await?;
        Ok(Response::new(v1::LimitStudyResponse { act: Some(act) }))
    }

    async fn set_deadline(
        &self,
        request: Request<v1::SetDeadlineRequest>,
    ) -> Result<Response<v1::SetDeadlineResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.deadline_set(principal, request.into_inner()).await?;
        Ok(Response::new(v1::SetDeadlineResponse { act: Some(act) }))
    }

    async fn drain_workers(
        &self,
        request: Request<v1::DrainWorkersRequest>,
    ) -> Result<Response<v1::DrainWorkersResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.drained_workers(principal, request.into_inner()).await?;
        Ok(Response::new(v1::DrainWorkersResponse { act: Some(act) }))
    }

    async fn release_workers(
        &self,
        request: Request<v1::ReleaseWorkersRequest>,
    ) -> Result<Response<v1::ReleaseWorkersResponse>, Status> {
        let principal = principal(&request)?;
        let act = self.released_workers(principal, request.into_inner()).await?;
        Ok(Response::new(v1::ReleaseWorkersResponse { act: Some(act) }))
    }

    type WatchStudyStream = WatchStream;

    async fn watch_study(
        &self,
        request: Request<v1::WatchStudyRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        principal(&request)?;
        self.watch(&request.into_inner().study).await.map(Response::new)
    }
}
