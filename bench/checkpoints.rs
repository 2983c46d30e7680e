//! What checkpoints cost the training, and how soon a training that was killed goes on.
//!
//! The same job but for its seed is trained alternately without intermediate checkpoints and
//! with many, on one CPU worker. The difference in training time, divided by their number, is
//! what one checkpoint costs; divided by the default interval it is the share of training
//! speed. Coordinator, database and store run on the same machine, so a checkpoint's copying,
//! writing, sending and storing all count. Then a trainer is killed after a checkpoint, and
//! it is told when the job goes on. Prints one JSON object; the aim is a share under 2 %.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use selffer_tests::{fleet::Fleet, images, schedule::Victim, uploads, wait};
use serde_json::{Value, json};

/// The default of `--checkpoint-every`, in seconds.
const DEFAULT_INTERVAL_S: f64 = 60.0;
/// Most of the training speed that checkpoints may cost at that interval.
const AIM: f64 = 0.02;
/// How long anything here may take.
const PATIENCE: Duration = Duration::from_secs(180);

/// A job to train again and again.
struct Case {
    network: &'static str,
    /// Pixels.
    side: usize,
    train_per_class: usize,
    batch: u32,
    iterations: u32,
    learning_rate: f64,
    /// Between checkpoints, where there are any.
    every: &'static str,
    rounds: u64,
}

const CASES: [Case; 2] = [
    Case {
        network: "caffenet-28",
        side: 28,
        train_per_class: 200,
        batch: 64,
        iterations: 500,
        learning_rate: 0.003,
        every: "1s",
        rounds: 3,
    },
    // 60 million parameters: 490 MB with momentum.
    Case {
        network: "caffenet",
        side: 227,
        train_per_class: 8,
        batch: 8,
        iterations: 60,
        learning_rate: 0.0001,
        every: "6s",
        rounds: 2,
    },
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut networks = Vec::new();
    let mut about = Value::Null;
    for case in &CASES {
        let mut fleet = Fleet::start_with(&["--heartbeat-interval=200ms"]);
        import(&fleet, case)?;
        let rounds: Vec<Round> = (0..case.rounds).map(|round| alternate(&mut fleet, case, round)).collect();
        let resume = kill_and_see(&mut fleet, case);
        about = rounds.last().map(|round| round.about.clone()).unwrap_or_default();
        networks.push(told(case, &rounds, &resume));
    }
    let cores = std::thread::available_parallelism()?;
    let device = about["device"].as_str().unwrap_or_default();
    let report = json!({
        "schema": "selffer.bench.checkpoints/v1",
        "what": "what a checkpoint costs the training beside it, and how soon a killed training goes on",
        "machine": format!("{cores} cores, {device} with all of them; coordinator and database beside"),
        "date": about["date"],
        "program_version": about["program_version"],
        "default_interval_s": DEFAULT_INTERVAL_S,
        "aim": AIM,
        "networks": networks,
    });
    std::io::Write::write_all(&mut std::io::stdout(), format!("{report:#}\n").as_bytes())?;
    Ok(())
}

fn import(fleet: &Fleet, case: &Case) -> Result<(), Box<dyn Error>> {
    let folder = fleet.path("bars-idx");
    images::write_idx_of_side(&folder, case.side, case.train_per_class, 2)?;
    let folder = folder.to_str().ok_or("a temporary path that is no text")?;
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
    Ok(())
}

/// The same training without and with checkpoints.
struct Round {
    without_s: f64,
    with_s: f64,
    checkpoints: usize,
    /// Device, date, version.
    about: Value,
}

impl Round {
    /// Seconds of training that one checkpoint cost.
    fn cost_s(&self) -> f64 {
        (self.with_s - self.without_s) / self.checkpoints.max(1) as f64
    }
}

fn alternate(fleet: &mut Fleet, case: &Case, round: u64) -> Round {
    let mut train = |seed, every| {
        let study = format!("{}-{seed}", case.network);
        start_worker(fleet, "alternating", every);
        let grid = fleet.write("grid.yaml", &grid(case, &study, seed, case.iterations));
        let _ = fleet.jobctl_ok(&["submit", &grid, "--yes", "--follow"]);
        let name = job_name(&study, seed);
        let shown = fleet.jobctl_json(&["show", &name]);
        let log = fleet.jobctl_ok(&["logs", &name]);
        fleet.workers.clear();
        let seconds = |key: &str| shown["result"][key].as_f64().expect("a job that succeeded");
        let checkpoints = log.lines().filter(|line| line.ends_with(": checkpoint")).count();
        let about = json!({
            "device": shown["result"]["device"],
            "program_version": shown["proof"]["trained_by"]["program_version"],
            "date": shown["events"][0]["at"].as_str().and_then(|at| at.get(..10)),
        });
        (seconds("training_s") - seconds("testing_s"), checkpoints, about)
    };
    // Who goes first changes, so that a machine that slows down favours nobody.
    let (without, with) = if round.is_multiple_of(2) {
        let without = train(2 * round, "0s");
        (without, train(2 * round + 1, case.every))
    } else {
        let with = train(2 * round + 1, case.every);
        (train(2 * round, "0s"), with)
    };
    Round { without_s: without.0, with_s: with.0, checkpoints: with.1, about: with.2 }
}

fn start_worker(fleet: &mut Fleet, name: &str, every: &str) {
    fleet.worker_arguments = vec!["--checkpoint-every".to_owned(), every.to_owned()];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    fleet.start_worker(name, threads);
}

fn grid(case: &Case, study: &str, seed: u64, iterations: u32) -> String {
    let Case { network, batch, learning_rate, .. } = case;
    format!(
        "study: {study}\ndataset: bars\nnetwork: {network}\n\
         recipe: {{preset: quick-28, iterations: {iterations}, batch: {batch}, test_every: {iterations}, \
         learning_rate: {learning_rate}}}\n\
         split: random-0\ntreatment: base\ndirection: AtoB\nseed: {seed}\n"
    )
}

fn job_name(study: &str, seed: u64) -> String {
    match seed {
        0 => format!("{study}:random-0/baseB"),
        seed => format!("{study}:random-0/baseB#seed={seed}"),
    }
}

/// What happened after a trainer was killed, in seconds.
struct Resume {
    /// Until the next trainer ran.
    started_s: f64,
    /// Of that, from the failure's record until a worker had the job again: the pause of the
    /// retry rules.
    waited_s: f64,
    /// From the next trainer's start until the first iteration beyond the checkpoint was seen;
    /// progress is told four times a second and asked for as often.
    going_on_s: f64,
    checkpoint_bytes: u64,
}

fn kill_and_see(fleet: &mut Fleet, case: &Case) -> Resume {
    let (study, seed) = (format!("{}-killed", case.network), 1_000);
    start_worker(fleet, "killed", case.every);
    let grid = fleet.write("grid.yaml", &grid(case, &study, seed, 1_000_000));
    let _ = fleet.jobctl_ok(&["submit", &grid, "--yes"]);
    let name = job_name(&study, seed);
    let mut published = None;
    wait::until("a published checkpoint", PATIENCE, || {
        published = uploads::published(&fleet.printed(Victim::Worker(0))).pop();
        published.is_some()
    });
    let checkpoint = published.expect("waited for");
    let first = fleet.trainer(0).expect("a training that goes on");
    assert_eq!(fleet.kill(&[Victim::Trainer(0)]), [Victim::Trainer(0)]);
    let killed = Instant::now();
    wait::until("another trainer", PATIENCE, || fleet.trainer(0).is_some_and(|now| now != first));
    let started = killed.elapsed().as_secs_f64();
    let mut shown = Value::Null;
    wait::until("an iteration beyond the checkpoint", PATIENCE, || {
        shown = fleet.jobctl_json(&["show", &name]);
        let iteration = shown["job"]["iteration"].as_u64().unwrap_or(0);
        shown["job"]["attempt"] == 2 && iteration > checkpoint.iteration
    });
    let going_on = killed.elapsed().as_secs_f64();
    let failed = event_at(&shown, "attempt failed", 0);
    let confirmed = event_at(&shown, "confirmed", 1);
    let waited = (confirmed - failed).as_seconds_f64();
    fleet.workers.clear();
    Resume {
        started_s: started,
        waited_s: waited,
        going_on_s: going_on - started,
        checkpoint_bytes: checkpoint.bytes_total,
    }
}

fn event_at(shown: &Value, what: &str, index: usize) -> DateTime<Utc> {
    let events = shown["events"].as_array().cloned().unwrap_or_default();
    let event = events.iter().filter(|event| event["what"] == what).nth(index).expect("it happened");
    event["at"].as_str().and_then(|at| at.parse().ok()).expect("times are ISO 8601")
}

fn told(case: &Case, rounds: &[Round], resume: &Resume) -> Value {
    let images = f64::from(case.batch) * f64::from(case.iterations);
    let hundredths = |value: f64| (value * 100.0).round() / 100.0;
    let thousandths = |value: f64| (value * 1_000.0).round() / 1_000.0;
    let mut costs: Vec<f64> = rounds.iter().map(Round::cost_s).collect();
    costs.sort_by(f64::total_cmp);
    let cost_s = (costs[(costs.len() - 1) / 2] + costs[costs.len() / 2]) / 2.0;
    let share = cost_s / DEFAULT_INTERVAL_S;
    let round = |round: &Round| {
        json!({
            "images_per_s": {
                "without": hundredths(images / round.without_s),
                "with": hundredths(images / round.with_s),
            },
            "ratio": thousandths(round.without_s / round.with_s),
            "checkpoints": round.checkpoints,
            "seconds_per_checkpoint": thousandths(round.cost_s()),
        })
    };
    json!({
        "network": case.network,
        "batch": case.batch,
        "checkpoint_every": case.every,
        "checkpoint_bytes": resume.checkpoint_bytes,
        "rounds": rounds.iter().map(round).collect::<Vec<_>>(),
        "seconds_per_checkpoint": thousandths(cost_s),
        "share_at_default_interval": (share * 1e5).round() / 1e5,
        "within_aim": share < AIM,
        "resume_s": {
            "killed_to_next_trainer": hundredths(resume.started_s),
            "of_that_pause_before_the_next_attempt": hundredths(resume.waited_s),
            "trainer_start_to_first_new_iteration": hundredths(resume.going_on_s),
            "killed_to_going_on": hundredths(resume.started_s + resume.going_on_s),
        },
    })
}
