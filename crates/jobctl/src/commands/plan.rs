//! `jobctl plan`: what a grid would train, what is there already, and what it costs.

use selffer_core::{
    job::StateKind,
    plan::{K20M, Plan, PlannedCell, TreatmentCost},
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
    let plan = planning::with_what_is_at_hand(common, &args.grid, &args.fleet).await?;
    match screen.format {
        Format::Table => {
            let shown = &plan.cells[..plan.cells.len().min(CELLS_SHOWN_MAX)];
            let hidden = plan.cells.len() - shown.len();
            let costs = table::render(&COST_COLUMNS, &costs(&plan), screen.look);
            let mut text =
                format!("{}\n{costs}\n{}", summary(&plan), table::render(&COLUMNS, shown, screen.look));
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
    let mut facts = vec![
        ("networks", format!("{}: {}", plan.jobs, treatment_counts(plan))),
        ("there already", there_already(plan)),
        ("work", format!("{} to do", human::flops(plan.flops))),
        ("device time", device_time(plan)),
    ];
    if let Some(makespan) = fleet_time(plan) {
        facts.push(("fleet time", makespan));
    }
    let bytes = human::bytes(plan.checkpoint_bytes);
    facts.push((
        "checkpoints",
        format!("{bytes} of final weights, frozen layers once; up to two more of each running job"),
    ));
    let mut text = human::facts(plan.study.as_str(), &facts);
    text.push_str(&warnings(plan));
    text
}

/// `12 of 32: 10 succeeded, 2 running`; the rest is new.
fn there_already(plan: &Plan) -> String {
    let (Some(reused), Some(by_status)) = (plan.reused, &plan.by_status) else {
        return "only a coordinator knows".to_owned();
    };
    let states = StateKind::ALL.iter().map(|state| state.as_str());
    let counts = states.filter_map(|state| by_status.get(state).map(|count| format!("{count} {state}")));
    let counts: Vec<String> = counts.collect();
    match counts.is_empty() {
        true => format!("none of {}", plan.jobs),
        false => format!("{reused} of {}: {}", plan.jobs, counts.join(", ")),
    }
}

/// `3 h 20 min on one cpu x86-64-v4, as measured on 12 networks`.
fn device_time(plan: &Plan) -> String {
    let (Some(hours), Some(device)) = (plan.gpu_hours, &plan.device) else {
        return format!("unknown; --gpu-model {K20M} counts with the paper's GPU");
    };
    let from = match device.measured_jobs {
        Some(jobs) => format!("as it trained {}", human::counted(jobs, "network")),
        None => "the paper's, as its logs show".to_owned(),
    };
    format!("{} of one {}, {from}", human::duration(hours * 3_600.0), device.kind)
}

/// `1 h 40 min on 2 of them; at least 50 min on any number`.
fn fleet_time(plan: &Plan) -> Option<String> {
    let critical_path = human::duration(plan.critical_path_hours? * 3_600.0);
    let devices = plan.device.as_ref()?.devices;
    Some(match (plan.makespan_hours, devices) {
        (Some(hours), Some(devices)) => format!(
            "{} on {devices} of them; at least {critical_path} on any number",
            human::duration(hours * 3_600.0)
        ),
        _ => format!("at least {critical_path}; --gpus N says how many there are"),
    })
}

/// What each treatment still costs, in the paper's order.
fn costs(plan: &Plan) -> Vec<(&'static str, TreatmentCost)> {
    let mut costs: Vec<_> = plan.cost_by_treatment.iter().map(|(name, cost)| (*name, *cost)).collect();
    costs.sort_by_key(|(treatment, _)| order(treatment));
    costs
}

const COST_COLUMNS: [Column<(&'static str, TreatmentCost)>; 5] = [
    Column { title: "TREATMENT", side: Side::Left, cell: |(name, _)| (*name).into() },
    Column { title: "NETWORKS", side: Side::Right, cell: |(_, cost)| cost.networks.to_string().into() },
    Column { title: "TO TRAIN", side: Side::Right, cell: |(_, cost)| cost.to_train.to_string().into() },
    Column { title: "WORK", side: Side::Right, cell: |(_, cost)| human::flops(cost.flops).into() },
    Column {
        title: "DEVICE TIME",
        side: Side::Right,
        cell: |(_, cost)| Cell::optional(cost.gpu_hours.map(|hours| human::duration(hours * 3_600.0))),
    },
];

/// A treatment's place in the paper; what has no name there stands last.
fn order(treatment: &str) -> usize {
    let place = TreatmentName::ALL.iter().position(|known| known.as_str() == treatment);
    place.unwrap_or(usize::MAX)
}

/// `2 base, 6 BnB`, in the paper's order, then what has no name there.
fn treatment_counts(plan: &Plan) -> String {
    let mut counts: Vec<_> = plan.by_treatment.iter().collect();
    counts.sort_by_key(|(treatment, _)| order(treatment));
    let counts: Vec<String> =
        counts.iter().map(|(treatment, count)| format!("{count} {treatment}")).collect();
    counts.join(", ")
}

/// The plan's warnings for people, who see for themselves what is not there.
pub(super) fn warnings(plan: &Plan) -> String {
    let told = plan.warnings.iter().filter(|warning| !warning.code.ends_with("_unknown"));
    told.map(|warning| format!("warning: {}\n", warning.message)).collect()
}

const COLUMNS: [Column<PlannedCell>; 6] = [
    Column { title: "NAME", side: Side::Left, cell: |cell| cell.name.as_str().into() },
    Column { title: "TREATMENT", side: Side::Left, cell: |cell| cell.treatment.to_string().into() },
    Column { title: "WORK", side: Side::Right, cell: |cell| human::flops(cell.flops).into() },
    Column {
        title: "DEVICE TIME",
        side: Side::Right,
        cell: |cell| Cell::optional(cell.gpu_hours.map(|hours| human::duration(hours * 3_600.0))),
    },
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
    gpu_hours: Option<f64>,
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
            gpu_hours: cell.gpu_hours,
            status: cell.status,
        }
    }
}
