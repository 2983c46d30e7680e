//! One study: what it is, how far it is, what was done to it.

use selffer_core::job::StateKind;
use serde::Serialize;

use super::job::{EVENT_COLUMNS, EventRecord};
use crate::{
    client::{Client, Results, StudyView, iso},
    commands::records::{JOB_COLUMNS, JobRecord, StudyRecord},
    output::{Screen, human, table},
};

#[derive(Serialize)]
struct StudyDocument {
    schema: &'static str,
    study: StudyRecord,
    jobs: Vec<JobRecord>,
    events: Vec<EventRecord>,
}

/// Shows a study with its networks.
pub(super) async fn show_study(client: &Client, screen: &Screen, study: StudyView) -> anyhow::Result<()> {
    let jobs = client.jobs(&study.name, Results::Without).await?;
    let events = client.study_events(&study.name).await?;
    let records: Vec<JobRecord> = jobs.iter().map(JobRecord::from).collect();
    let jobs = table::render(&JOB_COLUMNS, &records, screen.look);
    let told = table::render(&EVENT_COLUMNS, &events, screen.look);
    let text = format!("{}\n{jobs}\nevents\n{told}", study_text(&study));
    let document = StudyDocument {
        schema: "selffer.study/v1",
        study: (&study).into(),
        jobs: records,
        events: events.iter().map(Into::into).collect(),
    };
    screen.item(&study.name, &document, &text)
}

fn study_text(study: &StudyView) -> String {
    let states = StateKind::ALL.iter().filter(|state| study.count(**state) > 0);
    let states: Vec<String> =
        states.map(|state| format!("{} {}", study.count(*state), state.as_str())).collect();
    let left = study.eta_s.map(|eta_s| format!(", {} left", human::duration(eta_s))).unwrap_or_default();
    let interest = match &study.interest_reason {
        Some(reason) => format!("{} since {} ({reason})", study.interest, iso(study.interest_since)),
        None => format!("{} since {}", study.interest, iso(study.interest_since)),
    };
    let limit = study.parallel_max.map_or_else(|| "none".to_owned(), |most| format!("{most} at once"));
    human::facts(
        &study.name,
        &[
            ("interest", interest),
            ("priority", study.priority.to_string()),
            ("limit", limit),
            ("deadline", study.deadline.map_or_else(|| "none".to_owned(), iso)),
            ("dataset", format!("{} ({})", study.dataset, study.pack_digest.short())),
            ("network", study.network.clone()),
            ("submitted", iso(study.created_at)),
            ("networks", format!("{}: {}", study.jobs(), states.join(", "))),
            ("work", format!("{}{left}", human::percent(study.share_done()))),
            ("elapsed", human::duration(study.elapsed_s)),
        ],
    )
}
