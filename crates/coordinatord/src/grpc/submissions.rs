//! Submissions: a grid and its files checked, expanded and stored.
//!
//! Everything wrong with them is told at once, with its place. Reading and expanding take a
//! while for large grids, so each has a thread of its own.

use std::collections::BTreeMap;

use selffer_core::{
    grid::{self, Draft, GridErrors, Known, Study},
    ids::{Digest, Name},
    import::ImportKind,
    limits::{GRID_BYTES_MAX, GRID_FILES_BYTES_MAX, GRID_FILES_MAX},
    pack::PackFacts,
    weights::WeightsFacts,
};
use selffer_proto::{convert::ConvertError, v1};
use selffer_storage::{Onto, Store, Submission};
use tonic::Status;
use tracing::info;
use uuid::Uuid;

use super::{
    Service,
    status::{of_store, unconvertible},
};
use crate::auth::Principal;

/// What is sent of a grid's errors; percent-encoded it must fit the headers that clients take.
const MESSAGE_BYTES_MAX: usize = 4 << 10;

impl Service {
    pub(super) async fn submit_grid(
        &self,
        principal: Principal,
        message: v1::SubmitRequest,
    ) -> Result<v1::SubmitResponse, Status> {
        let request_id: Uuid =
            message.request_id.parse().map_err(|_| Status::invalid_argument("request_id: is not a UUID"))?;
        check_sizes(&message).map_err(|error| unconvertible(&error))?;
        let as_name = as_name(&message.as_name).map_err(|error| unconvertible(&error))?;
        let files = message.files.into_iter().map(|file| (file.path, file.text)).collect();
        let store = &self.coordinator.store;
        let (mut study, pack) = expand(store, &message.file_name, &message.grid_yaml, &files).await?;
        study.name = as_name.unwrap_or(study.name);
        let submission = Submission {
            request_id,
            study: &study,
            pack,
            grid_yaml: &message.grid_yaml,
            files: &files,
            onto: if message.extend { Onto::Extended } else { Onto::Same },
            priority: message.priority,
            actor: &principal.to_string(),
        };
        let submitted = store.submit(&submission).await.map_err(|error| of_store(&error))?;
        self.coordinator.dispatcher.wake();
        self.coordinator.changed();
        let (study, jobs, shared) = (&submitted.study, submitted.jobs, submitted.shared);
        let (added, reopened) = (submitted.added, submitted.reopened);
        info!(%principal, %study, jobs, shared, added, reopened, existed = submitted.existed, "study submitted");
        Ok(v1::SubmitResponse {
            study: submitted.study.clone(),
            existed: submitted.existed,
            jobs,
            shared,
            succeeded: submitted.succeeded,
            reopened,
            added,
        })
    }
}

fn check_sizes(message: &v1::SubmitRequest) -> Result<(), ConvertError> {
    let bytes = message.grid_yaml.len();
    if bytes > GRID_BYTES_MAX {
        let problem = format!("has {bytes} bytes; the most is {GRID_BYTES_MAX}");
        return Err(ConvertError::new("grid_yaml", problem));
    }
    let (count, bytes) =
        (message.files.len(), message.files.iter().map(|f| f.path.len() + f.text.len()).sum());
    if count > GRID_FILES_MAX {
        return Err(ConvertError::new("files", format!("{count} of them; the most is {GRID_FILES_MAX}")));
    }
    let bytes: usize = bytes;
    if bytes > GRID_FILES_BYTES_MAX {
        let problem = format!("have {bytes} bytes; the most is {GRID_FILES_BYTES_MAX}");
        return Err(ConvertError::new("files", problem));
    }
    Ok(())
}

fn as_name(given: &str) -> Result<Option<Name>, ConvertError> {
    if given.is_empty() {
        return Ok(None);
    }
    let shown: String = given.chars().take(100).collect();
    let problem = || format!("{shown:?} is not a study's name: 1 to 64 of a-z 0-9 -");
    Name::of_study(given).map(Some).ok_or_else(|| ConvertError::new("as_name", problem()))
}

/// The study that this text describes, and the digest of its pack.
async fn expand(
    store: &Store,
    file_name: &str,
    text: &str,
    files: &BTreeMap<String, String>,
) -> Result<(Study, Digest), Status> {
    let (file_name, text, files) = (short_file_name(file_name), text.to_owned(), files.clone());
    let draft = on_a_thread(move || grid::read(&file_name, &text, &files)).await?;
    let Some(dataset) = draft.dataset() else {
        let errors = draft.errors().unwrap_or_else(|| draft.without_pack(&[]));
        return Err(bad_grid(&errors));
    };
    let Some(row) = store.pack(dataset).await.map_err(|error| of_store(&error))? else {
        let packs = store.packs().await.map_err(|error| of_store(&error))?;
        let known: Vec<String> = packs.into_iter().flat_map(|row| row.names).collect();
        return Err(bad_grid(&draft.without_pack(&known)));
    };
    let (facts, weights) = (PackFacts::from(&row.manifest), weights_of(store, &draft).await?);
    let expanded = on_a_thread(move || draft.expand(Known { pack: &facts, weights: &weights })).await?;
    let study = expanded.map_err(|errors| bad_grid(&errors))?;
    Ok((study, row.digest))
}

/// The imported weights that a grid names; if one is not there, also the names of all that
/// are, for a did-you-mean.
async fn weights_of(store: &Store, draft: &Draft) -> Result<BTreeMap<String, WeightsFacts>, Status> {
    let mut known = BTreeMap::new();
    let mut is_missing = false;
    for name in draft.weights() {
        match store.weights(name).await.map_err(|error| of_store(&error))? {
            Some(row) => {
                known.insert(name.to_owned(), WeightsFacts::from(&row.manifest));
            }
            None => is_missing = true,
        }
    }
    if is_missing {
        let all = store.imports(ImportKind::Weights).await.map_err(|error| of_store(&error))?;
        for name in all.into_iter().flat_map(|row| row.names) {
            known.entry(name).or_insert(WeightsFacts { digest: None, layers: Vec::new() });
        }
    }
    Ok(known)
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

/// Only for messages, so only what fits one.
fn short_file_name(given: &str) -> String {
    let name: String = given.chars().filter(|character| !character.is_control()).take(200).collect();
    if name.is_empty() { "grid.yaml".to_owned() } else { name }
}
