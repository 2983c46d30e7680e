//! An attempt's folder: what lies where, so that a later daemon can go on with the attempt.
//!
//! - `task.json`: what is to be done; there before a trainer starts
//! - `lock`: see [`crate::trainer_lock`]
//! - `checkpoint-N`: the state after N updates; the newest stays until a newer one is whole
//! - `final` and `outcome.json`: the trained network, and then its result
//! - `metrics.jsonl`: see [`crate::points`]
//! - `log`, `log-sent.json`: see [`crate::log_file`]
//!
//! Everything gets its name when it is whole and on disk; what ends in `.part` is neither.
//! Whether a checkpoint can be used is [`crate::soundness`]'s business.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use selffer_core::{
    identity::job_key,
    ids::{CheckpointId, Claim, ClaimId, Digest, JobId, JobKey},
    outcome::JobResult,
    spec::JobSpec,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{assignment::Task, planted, protocol::Saved};

const TASK_FILE: &str = "task.json";
const TASK_SCHEMA: &str = "selffer.task/v1";
const OUTCOME_FILE: &str = "outcome.json";
const OUTCOME_SCHEMA: &str = "selffer.outcome/v1";
const CHECKPOINT_PREFIX: &str = "checkpoint-";
const FINAL_FOLDER: &str = "final";
const PART_SUFFIX: &str = ".part";

/// The folder of one attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptFolder(PathBuf);

/// Why something in the folder is not what was put there.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It is no JSON of ours.
    #[error("{path} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// It says other things than it must.
    #[error("{path} is not what belongs there: {problem}")]
    Other {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

#[derive(Serialize, Deserialize)]
struct TaskFile {
    schema: String,
    worker: String,
    job_id: JobId,
    claim_id: ClaimId,
    attempt: u32,
    name: String,
    key: JobKey,
    spec_json: String,
    source: Option<CheckpointId>,
    resume: Vec<CheckpointId>,
}

#[derive(Serialize, Deserialize)]
struct OutcomeFile {
    schema: String,
    result: JobResult,
    iteration: u32,
    files: Vec<String>,
    weights: Digest,
}

impl AttemptFolder {
    /// The folder at this path.
    #[must_use]
    pub fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder of this task, which the worker of this name works on.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn create(&self, worker: &str, task: &Task) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let file = TaskFile {
            schema: TASK_SCHEMA.to_owned(),
            worker: worker.to_owned(),
            job_id: task.claim.job_id,
            claim_id: task.claim.claim_id,
            attempt: task.attempt,
            name: task.name.clone(),
            key: task.key,
            spec_json: task.spec_json.clone(),
            source: task.source,
            resume: task.resume.clone(),
        };
        self.write(TASK_FILE, &file)
    }

    /// The task, and the name of the worker that worked on it.
    ///
    /// # Errors
    /// It cannot be read, or is not this folder's.
    pub fn task(&self) -> Result<(String, Task), FolderError> {
        let file: TaskFile = self.read(TASK_FILE)?;
        let other = |problem: String| FolderError::Other { path: self.0.join(TASK_FILE), problem };
        if file.schema != TASK_SCHEMA {
            return Err(other(format!("schema is {:?}, not {TASK_SCHEMA:?}", file.schema)));
        }
        if self.0.file_name().is_none_or(|name| name != file.claim_id.to_string().as_str()) {
            return Err(other(format!("claim is {}", file.claim_id)));
        }
        let spec: Result<JobSpec, _> = serde_json::from_str(&file.spec_json);
        if !spec.is_ok_and(|spec| job_key(&spec) == file.key) {
            return Err(other(format!("the spec is not that of job {}", file.key)));
        }
        let task = Task {
            claim: Claim { job_id: file.job_id, claim_id: file.claim_id },
            attempt: file.attempt,
            name: file.name,
            key: file.key,
            spec_json: file.spec_json,
            source: file.source,
            resume: file.resume,
        };
        Ok((file.worker, task))
    }

    /// Where the checkpoint after so many updates lies, if there is one.
    #[must_use]
    pub fn checkpoint(&self, iteration: u32) -> PathBuf {
        self.0.join(format!("{CHECKPOINT_PREFIX}{iteration}"))
    }

    /// Where the trained network lies, if there is one.
    #[must_use]
    pub fn final_checkpoint(&self) -> PathBuf {
        self.0.join(FINAL_FOLDER)
    }

    /// Where something is put together that will lie at this path.
    #[must_use]
    pub fn part(path: &Path) -> PathBuf {
        let mut part = path.as_os_str().to_owned();
        part.push(PART_SUFFIX);
        part.into()
    }

    /// Gives what was put together its name; what had that name goes.
    ///
    /// # Errors
    /// It cannot be renamed.
    pub fn appear(&self, path: &Path) -> io::Result<()> {
        planted::unlink(path)?;
        if path.is_dir() {
            fs::remove_dir_all(path)?;
        }
        fs::rename(Self::part(path), path)?;
        File::open(&self.0)?.sync_all()
    }

    /// The whole checkpoints, newest first, by the number of updates in their names.
    #[must_use]
    pub fn checkpoints(&self) -> Vec<(u32, PathBuf)> {
        let entries = fs::read_dir(&self.0).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let iteration: u32 = name.strip_prefix(CHECKPOINT_PREFIX)?.parse().ok()?;
                Some((iteration, entry.path()))
            })
            .collect();
        found.sort_by_key(|(iteration, _)| std::cmp::Reverse(*iteration));
        found
    }

    /// Removes what a process that was killed had not put together yet.
    pub fn remove_parts(&self) {
        for entry in fs::read_dir(&self.0).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().ends_with(PART_SUFFIX) {
                // What stays only takes room.
                let _ = fs::remove_dir_all(entry.path()).or_else(|_| fs::remove_file(entry.path()));
            }
        }
    }

    /// Keeps the result of a training whose final checkpoint is saved.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn keep_outcome(&self, result: &JobResult, saved: &Saved) -> io::Result<()> {
        let file = OutcomeFile {
            schema: OUTCOME_SCHEMA.to_owned(),
            result: result.clone(),
            iteration: saved.iteration,
            files: saved.files.clone(),
            weights: result.weights_digest,
        };
        self.write(OUTCOME_FILE, &file)
    }

    /// The kept result and the final checkpoint; none if the training has not ended.
    ///
    /// # Errors
    /// There is a result, but not what was kept.
    pub fn outcome(&self) -> Result<Option<(JobResult, Saved)>, FolderError> {
        let file: OutcomeFile = match self.read(OUTCOME_FILE) {
            Ok(file) => file,
            Err(FolderError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if file.schema != OUTCOME_SCHEMA || file.result.weights_digest != file.weights {
            let problem = format!("schema is {:?}, weights are {}", file.schema, file.weights);
            return Err(FolderError::Other { path: self.0.join(OUTCOME_FILE), problem });
        }
        let folder = self.final_checkpoint();
        let (files, iteration) = (file.files, file.iteration);
        Ok(Some((file.result, Saved { folder, files, iteration, weights: Some(file.weights) })))
    }

    /// Forgets a result that turned out to be of no use.
    pub fn discard_outcome(&self) {
        let _ = fs::remove_file(self.0.join(OUTCOME_FILE));
        let _ = fs::remove_dir_all(self.final_checkpoint());
    }

    /// Removes all of it.
    pub fn remove(&self) {
        // What stays goes when the next daemon starts here.
        let _ = fs::remove_dir_all(&self.0).or_else(|_| fs::remove_file(&self.0));
    }

    fn write<T: Serialize>(&self, name: &str, content: &T) -> io::Result<()> {
        let path = self.0.join(name);
        let mut file = planted::create(&Self::part(&path))?;
        file.write_all(&serde_json::to_vec(content)?)?;
        file.sync_all()?;
        self.appear(&path)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<T, FolderError> {
        let path = self.0.join(name);
        let bytes = fs::read(&path).map_err(|source| FolderError::Read { path: path.clone(), source })?;
        serde_json::from_slice(&bytes).map_err(|source| FolderError::Damaged { path, source })
    }
}
