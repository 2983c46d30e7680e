//! `jobctl show`: everything about a study or a job.

mod job;
mod proof;
mod study;
#[cfg(test)]
mod tests;

#[cfg(test)]
pub(crate) use self::tests::detail as detail_for_tests;
use self::{job::show_job, study::show_study};
use super::selector::{Chosen, choose};
use crate::{client::Client, exit::Exit, output::Screen};

/// Shows what the selector chooses: a study by name or `last`, else a job.
pub(crate) async fn run(client: &Client, screen: &Screen, selector: &str) -> anyhow::Result<Exit> {
    match choose(client, selector).await? {
        Chosen::Study(study) => show_study(client, screen, *study).await?,
        Chosen::Job(job) => show_job(screen, &job)?,
    }
    Ok(Exit::Ok)
}
