//! `jobctl lint`: whether a grid is right, and what its design lacks.

use selffer_core::grid::Warning;
use serde::Serialize;

use super::{plan, planning};
use crate::{
    args::{CommonArgs, FleetArgs, GridArgs},
    exit::Exit,
    output::{Screen, human},
};

#[derive(Serialize)]
struct LintDocument<'a> {
    schema: &'static str,
    study: &'a str,
    jobs: usize,
    warnings: &'a [Warning],
}

/// Checks a grid; changes nothing.
pub(crate) async fn run(common: &CommonArgs, args: &GridArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let plan = planning::with_what_is_at_hand(common, args, &FleetArgs::default()).await?;
    let study = plan.study.as_str();
    let networks = human::counted(plan.jobs as u64, "network");
    let text = format!("{study}: {networks}, nothing wrong\n{}", plan::warnings(&plan));
    let document =
        LintDocument { schema: "selffer.lint/v1", study, jobs: plan.jobs, warnings: &plan.warnings };
    screen.item(study, &document, &text)?;
    Ok(Exit::Ok)
}
