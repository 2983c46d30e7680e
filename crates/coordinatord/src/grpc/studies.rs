//! What people and scripts ask: studies, jobs, results, the fleet.

use selffer_core::{
    grid::{self, GridErrors, Study},
    ids::Digest,
    limits::GRID_BYTES_MAX,
    pack::PackFacts,
};
use selffer_proto::{
    convert::{ConvertError, job_key},
    v1::{self, study_service_server::StudyService},
};
use selffer_storage::{PackRow, Store, StoreError, Submission};
use tonic::{Request, Response, Status};
use tracing::info;
use uuid::Uuid;

use super::{
    Service,
    status::{of_store, unconvertible},
    summaries,
    watch::WatchStream,
};
use crate::auth::{Principal, principal};

/// Keys of one look-up.
const KEYS_MAX: usize = 10_000;
/// What is sent of a grid's errors; percent-encoded it must fit the headers that clients take.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

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
        let (study, pace) = summaries::study_with_pace(&self.coordinator.store, &name)
            .await
            .map_err(|error| of_store(&error))?;
        let summary =
            v1::StudySummary { grid_yaml: study.grid_yaml.clone(), ..summaries::study(&study, pace) };
        Ok(Response::new(v1::GetStudyResponse { study: Some(summary) }))
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
        let detail = store.job(&found).await;
        Ok(Response::new(summaries::detail(detail.map_err(|error| of_store(&error))?)))
    }

    async fn get_log(
        &self,
        request: Request<v1::GetLogRequest>,
    ) -> Result<Response<v1::GetLogResponse>, Status> {
        principal(&request)?;
        let message = request.into_inner();
        let store = &self.coordinator.store;
        let found = store.find_job(&message.selector).await.map_err(|error| of_store(&error))?;
        let part = store.log(found.job_id, message.offset).await.map_err(|error| of_store(&error))?;
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
        Ok(Response::new(v1::ListWorkersResponse { workers }))
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

impl Service {
    async fn submit_grid(
        &self,
        principal: Principal,
        message: v1::SubmitRequest,
    ) -> Result<v1::SubmitResponse, Status> {
        let request_id: Uuid =
            message.request_id.parse().map_err(|_| Status::invalid_argument("request_id: is not a UUID"))?;
        if message.grid_yaml.len() > GRID_BYTES_MAX {
            let problem = format!("has {} bytes; the most is {GRID_BYTES_MAX}", message.grid_yaml.len());
            return Err(unconvertible(&ConvertError::new("grid_yaml", problem)));
        }
        let store = &self.coordinator.store;
        let (study, pack) = expand(store, &message.file_name, &message.grid_yaml).await?;
        let submission = Submission { request_id, study: &study, pack, grid_yaml: &message.grid_yaml };
        let submitted = store.submit(&submission).await.map_err(|error| of_store(&error))?;
        self.coordinator.dispatcher.wake();
        self.coordinator.changed();
        let (study, jobs, shared) = (&submitted.study, submitted.jobs, submitted.shared);
        info!(%principal, %study, jobs, shared, existed = submitted.existed, "study submitted");
        Ok(v1::SubmitResponse {
            study: submitted.study.to_string(),
            existed: submitted.existed,
            jobs,
            shared,
            succeeded: submitted.succeeded,
        })
    }
}

/// The study that this text describes, and the digest of its pack. Everything wrong with it
/// is told at once. Reading and expanding take a while for large grids, so each has a thread
/// of its own.
async fn expand(store: &Store, file_name: &str, text: &str) -> Result<(Study, Digest), Status> {
    let (file_name, text) = (short_file_name(file_name), text.to_owned());
    let draft = on_a_thread(move || grid::read(&file_name, &text)).await?;
    let Some(dataset) = draft.dataset() else {
        let errors = draft.errors().unwrap_or_else(|| draft.without_pack(&[]));
        return Err(bad_grid(&errors));
    };
    let Some(row) = pack(store, dataset).await? else {
        let packs = store.packs().await.map_err(|error| of_store(&error))?;
        let known: Vec<String> = packs.into_iter().flat_map(|row| row.names).collect();
        return Err(bad_grid(&draft.without_pack(&known)));
    };
    let facts = PackFacts::from(&row.manifest);
    let expanded = on_a_thread(move || draft.expand(&facts)).await?;
    let study = expanded.map_err(|errors| bad_grid(&errors))?;
    Ok((study, row.digest))
}

fn bad_grid(errors: &GridErrors) -> Status {
    // A message of a status travels in a header, whose length is bounded.
    let mut text = errors.render(false);
    if text.len() > MESSAGE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_BYTES_MAX));
        text.push_str("\n… and more");
    }
    Status::invalid_argument(text)
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| Status::internal("the coordinator has a bug: expanding the grid broke"))
}

/// The published pack of this name or digest.
async fn pack(store: &Store, dataset: &str) -> Result<Option<PackRow>, Status> {
    let found = match dataset.parse::<Digest>() {
        Ok(digest) => store.pack_by_digest(digest).await,
        Err(_) => store.pack_by_name(dataset).await,
    };
    match found {
        Ok(row) => Ok(Some(row).filter(|row| row.published)),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(of_store(&error)),
    }
}

/// Only for messages, so only what fits one.
fn short_file_name(given: &str) -> String {
    let name: String = given.chars().filter(|character| !character.is_control()).take(200).collect();
    if name.is_empty() { "grid.yaml".to_owned() } else { name }
}
