//! What a person chooses with a word: a study by name or `last`, a job by `[STUDY:]NAME` or key.

use crate::{
    client::{Client, JobDetail, StudyView},
    exit::{Exit, Failure},
};

/// The shortest form of a key that commands accept.
const KEY_DIGITS_MIN: usize = 8;

/// A study or a job, found.
pub(super) enum Chosen {
    /// A study.
    Study(Box<StudyView>),
    /// A job.
    Job(Box<JobDetail>),
}

/// Finds what the selector chooses.
///
/// # Errors
/// There is no such study or job.
pub(super) async fn choose(client: &Client, selector: &str) -> anyhow::Result<Chosen> {
    if names_a_job(selector) {
        return Ok(Chosen::Job(Box::new(client.job(selector).await?)));
    }
    match client.study(selector).await {
        Ok(study) => Ok(Chosen::Study(Box::new(study))),
        // A word of hex digits may be a study's name; if no study is called so, it is a key.
        Err(error) if is_not_found(&error) && may_be_a_key(selector) => {
            Ok(Chosen::Job(Box::new(client.job(selector).await?)))
        }
        Err(error) => Err(error),
    }
}

/// Networks' names hold a `/`, studies' never; `STUDY:NAME` holds a `:`.
pub(super) fn names_a_job(selector: &str) -> bool {
    selector.contains(['/', ':'])
}

/// Whether the word is digits of a key, as far as can be seen.
fn may_be_a_key(selector: &str) -> bool {
    selector.len() >= KEY_DIGITS_MIN && selector.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether there was nothing of that name.
fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::NotFound)
}
