//! `jobctl list`: studies, jobs, workers, packs, weights.

use selffer_core::job::StateKind;

use super::records::{
    JOB_COLUMNS, JobRecord, PackRecord, StudyRecord, WeightsRecord, WorkerRecord, interest_cell,
};
use crate::{
    args::{ListCommand, StateArg},
    client::{Client, JobView, Results},
    exit::Exit,
    output::{
        Listing, Screen, human,
        table::{Cell, Column, Side, Tone},
    },
};

/// Lists what was asked for.
pub(crate) async fn run(client: &Client, screen: &Screen, what: &ListCommand) -> anyhow::Result<Exit> {
    match what {
        ListCommand::Studies => studies(client, screen).await?,
        ListCommand::Jobs(args) => {
            let jobs = client.jobs(&args.study, Results::Without).await?;
            let wanted: Vec<StateKind> = args.state.iter().map(|state| StateKind::from(*state)).collect();
            let shown = jobs.iter().filter(|job| wanted.is_empty() || wanted.contains(&job.state));
            print_jobs(screen, &shown.collect::<Vec<_>>())?;
        }
        ListCommand::Workers => workers(client, screen).await?,
        ListCommand::Packs => packs(client, screen).await?,
        ListCommand::Weights => weights(client, screen).await?,
    }
    Ok(Exit::Ok)
}

fn print_jobs(screen: &Screen, jobs: &[&JobView]) -> anyhow::Result<()> {
    let records: Vec<JobRecord> = jobs.iter().map(|job| JobRecord::from(*job)).collect();
    screen.list(&Listing {
        schema: "selffer.jobs/v1",
        key: "jobs",
        records: &records,
        columns: &JOB_COLUMNS,
        name: |job| &job.name,
        when_empty: "no jobs",
    })
}

async fn studies(client: &Client, screen: &Screen) -> anyhow::Result<()> {
    let records: Vec<StudyRecord> = client.studies().await?.iter().map(Into::into).collect();
    screen.list(&Listing {
        schema: "selffer.studies/v1",
        key: "studies",
        records: &records,
        columns: &[
            Column { title: "NAME", side: Side::Left, cell: |study| study.name.as_str().into() },
            Column { title: "DATASET", side: Side::Left, cell: |study| study.dataset.as_str().into() },
            Column { title: "NETWORK", side: Side::Left, cell: |study| study.network.as_str().into() },
            Column { title: "INTEREST", side: Side::Left, cell: interest_cell },
            Column {
                title: "TRAINED",
                side: Side::Right,
                cell: |study| format!("{}/{}", study.succeeded, study.jobs).into(),
            },
            Column {
                title: "RUNNING",
                side: Side::Right,
                cell: |study| (study.leased + study.running + study.suspect).to_string().into(),
            },
            Column {
                title: "FAILED",
                side: Side::Right,
                cell: |study| trouble_cell(study.failed + study.held),
            },
            Column {
                title: "WORK",
                side: Side::Right,
                cell: |study| human::percent(study.share_done).into(),
            },
            Column {
                title: "LEFT",
                side: Side::Right,
                cell: |study| Cell::optional(study.eta_s.map(human::duration)),
            },
            Column { title: "SUBMITTED", side: Side::Left, cell: |study| study.created.as_str().into() },
        ],
        name: |study| &study.name,
        when_empty: "no studies yet; submit one with `jobctl submit GRID.YAML`",
    })
}

fn trouble_cell(count: u32) -> Cell {
    Cell::toned(count.to_string(), if count == 0 { Tone::Faint } else { Tone::Bad })
}

async fn workers(client: &Client, screen: &Screen) -> anyhow::Result<()> {
    let (workers, notice) = client.workers().await?;
    if !notice.is_empty() {
        screen.note(&notice)?;
    }
    let records: Vec<WorkerRecord> = workers.into_iter().map(Into::into).collect();
    screen.list(&Listing {
        schema: "selffer.workers/v1",
        key: "workers",
        records: &records,
        columns: &[
            Column { title: "NAME", side: Side::Left, cell: |worker| worker.name.as_str().into() },
            Column { title: "DEVICE", side: Side::Left, cell: |worker| worker.device.as_str().into() },
            Column {
                title: "THREADS",
                side: Side::Right,
                cell: |worker| Cell::optional((worker.threads > 0).then(|| worker.threads.to_string())),
            },
            Column { title: "STATE", side: Side::Left, cell: worker_state_cell },
            Column {
                title: "IMAGES/S",
                side: Side::Right,
                cell: |worker| {
                    Cell::optional(
                        (worker.images_per_s > 0.0).then(|| human::count(worker.images_per_s as u64)),
                    )
                },
            },
            Column { title: "VERSION", side: Side::Left, cell: |worker| worker.version.as_str().into() },
            Column { title: "JOB", side: Side::Left, cell: |worker| Cell::optional(worker.job.clone()) },
            Column { title: "SET ASIDE", side: Side::Left, cell: set_aside_cell },
        ],
        name: |worker| &worker.name,
        when_empty: "no workers yet; start one with `workerd --cpu` or `workerd --gpu 0`",
    })
}

fn set_aside_cell(worker: &WorkerRecord) -> Cell {
    let Some(kind) = &worker.set_aside else { return Cell::optional(None) };
    let by = worker.set_aside_by.as_deref().unwrap_or_default();
    let text = match &worker.set_aside_reason {
        Some(reason) => format!("{kind} by {by}: {reason}"),
        None => format!("{kind} by {by}"),
    };
    Cell::toned(text, Tone::Warning)
}

fn worker_state_cell(worker: &WorkerRecord) -> Cell {
    match (worker.alive, worker.phase) {
        (false, _) => Cell::toned(format!("silent for {}", human::duration(worker.silent_s)), Tone::Warning),
        (true, Some(phase)) => Cell::toned(phase, Tone::Busy),
        (true, None) if worker.job.is_some() => Cell::toned("starting", Tone::Busy),
        (true, None) => Cell::toned("idle", Tone::Faint),
    }
}

/// Lists the packs in the store.
pub(crate) async fn packs(client: &Client, screen: &Screen) -> anyhow::Result<()> {
    let records: Vec<PackRecord> = client.packs().await?.into_iter().map(Into::into).collect();
    screen.list(&Listing {
        schema: "selffer.packs/v1",
        key: "packs",
        records: &records,
        columns: &[
            Column { title: "NAME", side: Side::Left, cell: |pack| pack.name.as_str().into() },
            Column {
                title: "DIGEST",
                side: Side::Left,
                cell: |pack| Cell::toned(&pack.digest[..8], Tone::Faint),
            },
            Column { title: "CLASSES", side: Side::Right, cell: |pack| pack.classes.to_string().into() },
            Column { title: "TRAIN", side: Side::Right, cell: |pack| human::count(pack.train_images).into() },
            Column {
                title: "VALIDATION",
                side: Side::Right,
                cell: |pack| human::count(pack.validation_images).into(),
            },
            Column { title: "SIZE", side: Side::Right, cell: |pack| human::bytes(pack.bytes).into() },
        ],
        name: |pack| &pack.name,
        when_empty: "no packs yet; import one with `jobctl data import`",
    })
}

async fn weights(client: &Client, screen: &Screen) -> anyhow::Result<()> {
    let records: Vec<WeightsRecord> = client.all_weights().await?.into_iter().map(Into::into).collect();
    screen.list(&Listing {
        schema: "selffer.weights-list/v1",
        key: "weights",
        records: &records,
        columns: &[
            Column { title: "NAME", side: Side::Left, cell: |weights| weights.name.as_str().into() },
            Column {
                title: "DIGEST",
                side: Side::Left,
                cell: |weights| Cell::toned(&weights.digest[..8], Tone::Faint),
            },
            Column {
                title: "CHANNELS",
                side: Side::Right,
                cell: |weights| weights.channels.to_string().into(),
            },
            Column { title: "LAYERS", side: Side::Left, cell: |weights| weights.layers.join(" ").into() },
            Column { title: "SIZE", side: Side::Right, cell: |weights| human::bytes(weights.bytes).into() },
        ],
        name: |weights| &weights.name,
        when_empty: "no weights yet; import some with `jobctl data import-weights`",
    })
}

impl From<StateArg> for StateKind {
    fn from(state: StateArg) -> Self {
        match state {
            StateArg::Waiting => Self::Waiting,
            StateArg::Ready => Self::Ready,
            StateArg::Leased => Self::Leased,
            StateArg::Running => Self::Running,
            StateArg::Suspect => Self::Suspect,
            StateArg::Held => Self::Held,
            StateArg::Succeeded => Self::Succeeded,
            StateArg::Failed => Self::Failed,
            StateArg::Cancelled => Self::Cancelled,
        }
    }
}
