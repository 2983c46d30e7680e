//! `jobctl plan`: what a grid would train, what is there already, and what it costs.

use selffer_core::{
    plan::{Plan, PlannedCell},
    spec::{Half, ImagesPerClass},
};
use selffer_report::results::TreatmentName;
use serde::Serialize;

use super::planning;
use crate::{
    args::{CommonArgs, PlanArgs},
    exit::Exit,
    output::{
        Format, Screen, csv, human, json,
        table::{self, Cell, Column, Side},
    },
};

/// How many networks a table shows; a large grid would scroll the summary away.
const CELLS_SHOWN_MAX: usize = 60;

/// Shows the plan; changes nothing.
pub(crate) async fn run(common: &CommonArgs, args: &PlanArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let plan = planning::with_what_is_at_hand(common, args).await?;
    match screen.format {
        Format::Table => {
            let shown = &plan.cells[..plan.cells.len().min(CELLS_SHOWN_MAX)];
            let hidden = plan.cells.len() - shown.len();
            let mut text = format!("{}\n{}", summary(&plan), table::render(&COLUMNS, shown, screen.look));
            if hidden > 0 {
                text.push_str(&format!(
                    "and {}; all of them: -o csv\n",
                    human::counted(hidden as u64, "more network")
                ));
            }
            screen.print(&text)?;
        }
        Format::Json => screen.print(&json::render(&plan)?)?,
        Format::Csv => {
            let records: Vec<CsvRecord<'_>> = plan.cells.iter().map(CsvRecord::from).collect();
            screen.print(&csv::render(&records)?)?;
        }
        Format::Name => {
            screen.print(&plan.cells.iter().map(|cell| format!("{}\n", cell.name)).collect::<String>())?;
        }
    }
    Ok(Exit::Ok)
}

/// A few lines for people: counts, reuse, cost, what to know.
pub(super) fn summary(plan: &Plan) -> String {
    let counts = treatment_counts(plan);
    let reused = match plan.reused {
        Some(reused) => reused.to_string(),
        None => "only a coordinator knows".to_owned(),
    };
    let mut facts = vec![
        ("networks", format!("{}: {}", plan.jobs, counts)),
        ("reused", reused),
        ("work", human::flops(plan.flops)),
        ("checkpoints", human::bytes(plan.checkpoint_bytes)),
    ];
    if let Some(hours) = plan.gpu_hours {
        facts.push(("gpu time", human::duration(hours * 3_600.0)));
    }
    if let Some(hours) = plan.makespan_hours {
        facts.push(("makespan", human::duration(hours * 3_600.0)));
    }
    let mut text = human::facts(plan.study.as_str(), &facts);
    text.push_str(&warnings(plan));
    text
}

/// `2 base, 6 BnB`, in the paper's order, then what has no name there.
fn treatment_counts(plan: &Plan) -> String {
    let order = |treatment: &str| TreatmentName::ALL.iter().position(|known| known.as_str() == treatment);
    let mut counts: Vec<_> = plan.by_treatment.iter().collect();
    counts.sort_by_key(|(treatment, _)| order(treatment).unwrap_or(usize::MAX));
    let counts: Vec<String> =
        counts.iter().map(|(treatment, count)| format!("{count} {treatment}")).collect();
    counts.join(", ")
}

/// The plan's warnings for people, who see for themselves what is not there.
pub(super) fn warnings(plan: &Plan) -> String {
    let told = plan.warnings.iter().filter(|warning| !warning.code.ends_with("_unknown"));
    told.map(|warning| format!("warning: {}\n", warning.message)).collect()
}

const COLUMNS: [Column<PlannedCell>; 5] = [
    Column { title: "NAME", side: Side::Left, cell: |cell| cell.name.as_str().into() },
    Column { title: "TREATMENT", side: Side::Left, cell: |cell| cell.treatment.to_string().into() },
    Column { title: "WORK", side: Side::Right, cell: |cell| human::flops(cell.flops).into() },
    Column { title: "STATUS", side: Side::Left, cell: |cell| Cell::optional(cell.status.map(str::to_owned)) },
    Column { title: "NEEDS", side: Side::Left, cell: |cell| Cell::from(cell.needs.join(", ")) },
];

/// A cell of the plan's JSON with its list of needs on one line.
#[derive(Serialize)]
struct CsvRecord<'a> {
    name: &'a str,
    split: &'a str,
    treatment: &'a str,
    n: Option<u8>,
    source: Option<Half>,
    target: Half,
    seed: u64,
    images_per_class: ImagesPerClass,
    key: Option<String>,
    needs: String,
    flops: f64,
    status: Option<&'a str>,
}

impl<'a> From<&'a PlannedCell> for CsvRecord<'a> {
    fn from(cell: &'a PlannedCell) -> Self {
        Self {
            name: &cell.name,
            split: &cell.split,
            treatment: cell.treatment,
            n: cell.n,
            source: cell.source,
            target: cell.target,
            seed: cell.seed,
            images_per_class: cell.images_per_class,
            key: cell.key.map(|key| key.to_string()),
            needs: cell.needs.join(";"),
            flops: cell.flops,
            status: cell.status,
        }
    }
}
