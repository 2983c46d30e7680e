//! `jobctl show`: everything about a study or a job.

mod job;

use selffer_core::job::StateKind;
use serde::Serialize;

use self::job::show_job;
use super::records::{JOB_COLUMNS, JobRecord, StudyRecord};
use crate::{
    client::{Client, Results, StudyView, iso},
    exit::{Exit, Failure},
    output::{Screen, human, table},
};

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

/// Networks' names hold a `/`, studies' never; `STUDY:NAME` holds a `:`.
fn names_a_job(selector: &str) -> bool {
    selector.contains(['/', ':'])
}

fn may_be_a_key(selector: &str) -> bool {
    selector.len() >= KEY_DIGITS_MIN && selector.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The shortest form of a key that commands accept.
const KEY_DIGITS_MIN: usize = 8;

fn is_not_found(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit == Exit::NotFound)
}

#[derive(Serialize)]
struct StudyDocument {
    schema: &'static str,
    study: StudyRecord,
    jobs: Vec<JobRecord>,
}

async fn show_study(client: &Client, screen: &Screen, study: StudyView) -> anyhow::Result<()> {
    let jobs = client.jobs(&study.name, Results::Without).await?;
    let records: Vec<JobRecord> = jobs.iter().map(JobRecord::from).collect();
    let text = format!("{}\n{}", study_text(&study), table::render(&JOB_COLUMNS, &records, screen.look));
    let document = StudyDocument { schema: "selffer.study/v1", study: (&study).into(), jobs: records };
    screen.item(&study.name, &document, &text)
}

fn study_text(study: &StudyView) -> String {
    let states = StateKind::ALL.iter().filter(|state| study.count(**state) > 0);
    let states: Vec<String> =
        states.map(|state| format!("{} {}", study.count(*state), state.as_str())).collect();
    let left = study.eta_s.map(|eta_s| format!(", {} left", human::duration(eta_s))).unwrap_or_default();
    human::facts(
        &study.name,
        &[
            ("dataset", format!("{} ({})", study.dataset, study.pack_digest.short())),
            ("network", study.network.clone()),
            ("submitted", iso(study.created_at)),
            ("networks", format!("{}: {}", study.jobs(), states.join(", "))),
            ("work", format!("{}{left}", human::percent(study.share_done()))),
            ("elapsed", human::duration(study.elapsed_s)),
        ],
    )
}
