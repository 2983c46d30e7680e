//! `jobctl show`: everything about a study or a job.

mod job;
mod proof;
mod study;
#[cfg(test)]
mod tests;

use self::{job::show_job, study::show_study};
use super::selector::{is_not_found, may_be_a_key, names_a_job};
use crate::{client::Client, exit::Exit, output::Screen};

/// Shows what the selector chooses: a study by name or `last`, else a job.
pub(crate) async fn run(client: &Client, screen: &Screen, selector: &str) -> anyhow::Result<Exit> {
    if names_a_job(selector) {
        show_job(client, screen, selector).await?;
        return Ok(Exit::Ok);
    }
    match client.study(selector).await {
        Ok(study) => show_study(client, screen, study).await?,
        // A word of hex digits may be a study's name; if no study is called so, it is a key.
        Err(error) if is_not_found(&error) && may_be_a_key(selector) => {
            show_job(client, screen, selector).await?;
        }
        Err(error) => return Err(error),
    }
    Ok(Exit::Ok)
}
