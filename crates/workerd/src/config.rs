//! What the user typed, and what the program needs: two types.
//!
//! Settings come from the command line, then the environment, then defaults that work on
//! one machine without configuration. Nothing here talks to anybody.

use std::{
    env,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use selffer_core::ids::Name;

use crate::{
    ambient, bench::BenchArguments, deadline::Until, lost::OnLost, protocol::Device, replay::ReplayArguments,
};

/// What the user typed.
#[derive(Debug, Parser)]
#[command(
    name = "workerd",
    version,
    about = "Trains networks for a coordinator, one at a time on each device",
    after_help = "\
Exit codes:
  0    ended in good order: told to stop, --until or --idle-exit
  1    something went wrong
  2    usage
  75   the coordinator was lost and --on-coordinator-lost said to end; what was trained is kept in
       the scratch folder, and the next workerd of this name hands it in
  130  a second signal ended it at once"
)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    /// Something other than working for a coordinator.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The worker's settings.
    #[command(flatten)]
    pub work: WorkArguments,
}

/// Things to do other than work for a coordinator.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The child that trains: reads one request on standard input.
    #[command(hide = true)]
    Trainer,
    /// Train a recorded job again and print what comes of it as JSON; changes nothing
    #[command(after_help = "\
Examples:
  workerd replay fashion-demo:random-0/A3B --cpu
  workerd replay 5f1c9a02 --iterations 100 --cpu --threads 4

It starts where the job started and is no worker of the coordinator. Progress goes to standard
error, one JSON object (selffer.replay/v1) to standard output. What it fetches is removed at the
end. `jobctl checkpoint verify JOB --replay N` runs it and compares the outcome with what was
recorded.")]
    Replay(ReplayArguments),
    /// Measure how fast this machine trains a network, and where the time goes
    #[command(after_help = "\
Examples:
  workerd bench --network caffenet-32 --cpu
  workerd bench --network caffenet --batch 16 --outputs 1000 --cpu --threads 2 -o json
  workerd bench --batches packs/ilsvrc2012 --crop 227 --batch 256 --cpu --threads 1

Trains random images for some iterations: forward, backward and update. With --batches it trains
nothing, but makes batches of a pack as a training would: in random order, mirrored and cropped at
random, the mean taken off. It talks to no coordinator and writes no file.")]
    Bench(BenchArguments),
}

/// What the user typed about working.
#[derive(Debug, Args)]
pub struct WorkArguments {
    /// Train on the processor
    #[arg(long)]
    cpu: bool,
    /// Threads to train with on the processor [default: all it has]
    #[arg(long, value_name = "N", requires = "cpu", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Train on this GPU, by CUDA index; may be repeated
    #[arg(long, value_name = "INDEX")]
    gpu: Vec<u32>,
    /// Address of the coordinator; several of one fleet with commas between them
    #[arg(long, env = "SELFFER_COORDINATOR", value_name = "URL", default_value = "http://127.0.0.1:7070")]
    coordinator: String,
    /// Name of this node; its workers are NAME/cpu0, NAME/gpu0 [default: the host's name]
    #[arg(long, env = "SELFFER_NODE", value_name = "NAME")]
    name: Option<Name>,
    /// Folder for packs, checkpoints and running attempts [default: worker-NAME in the user's cache]
    #[arg(long, env = "SELFFER_SCRATCH_DIR", value_name = "DIR")]
    scratch_dir: Option<PathBuf>,
    /// Most that cached packs and checkpoints may take, in GiB
    #[arg(long, value_name = "GIB", default_value_t = 20)]
    cache_gib: u64,
    /// Folder with packs to read where they lie, or a pack itself; may be repeated
    #[arg(long, env = "SELFFER_DATA_DIRS", value_name = "DIR", value_delimiter = ':')]
    data_dir: Vec<PathBuf>,
    /// Time between the checkpoints of a training, as 90s or 5min; 0 takes only the last
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = humantime::parse_duration)]
    checkpoint_every: Duration,
    /// File with the token [default: the one that coordinatord wrote for this user]
    #[arg(long, env = "SELFFER_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// What to do when no heartbeat has got through for the coordinator's --lost-after and a tenth
    #[arg(long, value_name = "POLICY", default_value = "keep")]
    on_coordinator_lost: OnLost,
    /// Be gone by then: a duration as 90min, a UTC time as 2026-03-01T17:30:00Z, or @SECONDS since
    /// 1970; stops 30 s before as at SIGTERM, and claims no job that could not reach a checkpoint
    #[arg(long, value_name = "TIME|DURATION")]
    until: Option<Until>,
    /// End when no device has had a job for so long, as 10min or in seconds
    #[arg(long, value_name = "DURATION", value_parser = seconds_or_duration)]
    idle_exit: Option<Duration>,
    /// A training that gets no further in ten of its iterations and this is ended as stalled; other
    /// phases may take a multiple
    #[arg(long, value_name = "DURATION", default_value = "5min", value_parser = humantime::parse_duration)]
    stall_grace: Duration,
    /// How log lines look; RUST_LOG filters them
    #[arg(long, env = "SELFFER_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
}

/// The one device that a command trains on.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("device").required(true).args(["cpu", "gpu"])))]
pub struct OneDevice {
    /// Train on the processor
    #[arg(long)]
    cpu: bool,
    /// Threads to train with on the processor [default: all it has]
    #[arg(long, value_name = "N", conflicts_with = "gpu", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Train on this GPU, by CUDA index
    #[arg(long, value_name = "INDEX")]
    gpu: Option<u32>,
}

impl OneDevice {
    /// What to train on.
    pub(crate) fn device(&self) -> Device {
        let cpu = || Device::Cpu { threads: threads(self.threads) };
        self.gpu.map_or_else(cpu, |index| Device::Gpu { index })
    }
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the daemon needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// This node.
    pub node: Name,
    /// Each with the name of its worker, `NODE/cpu0`.
    pub devices: Vec<(String, Device)>,
    /// Address of the coordinator.
    pub coordinator: String,
    /// Where the token lies, if the user said so.
    pub token_file: Option<PathBuf>,
    /// This daemon's own folder.
    pub scratch: PathBuf,
    /// Most that the cache may take.
    pub cache_bytes_max: u64,
    /// Where an administrator has placed packs.
    pub data_folders: Vec<PathBuf>,
    /// Between the checkpoints of a training; none takes only the last.
    pub checkpoint_every: Option<Duration>,
    /// What to do with the jobs in hand when the coordinator is lost.
    pub on_lost: OnLost,
    /// How long from now on it may work.
    pub time_left: Option<Duration>,
    /// How long a training may get no further, beyond ten iterations.
    pub stall_grace: Duration,
    /// End after so long without work.
    pub idle_exit: Option<Duration>,
    /// How log lines look.
    pub log_format: LogFormat,
}

impl Config {
    /// What the arguments and this machine amount to.
    ///
    /// # Errors
    /// No device was named, or there is no folder to work in.
    pub fn from_arguments(arguments: WorkArguments) -> anyhow::Result<Self> {
        let node = arguments.name.clone().unwrap_or_else(ambient::node_name);
        let devices = devices(&arguments, &node)?;
        let scratch = match arguments.scratch_dir {
            Some(folder) => folder,
            None => cache_folder()?.join(format!("worker-{node}")),
        };
        // The trainer may be started from elsewhere, so its paths must not depend on the place.
        let scratch = absolute(&scratch)?;
        let data_folders = arguments.data_dir.iter().map(|folder| absolute(folder));
        let data_folders = data_folders.collect::<Result<_, _>>()?;
        Ok(Self {
            node,
            devices,
            coordinator: arguments.coordinator,
            token_file: arguments.token_file,
            scratch,
            cache_bytes_max: arguments.cache_gib << 30,
            data_folders,
            checkpoint_every: Some(arguments.checkpoint_every).filter(|every| !every.is_zero()),
            on_lost: arguments.on_coordinator_lost,
            time_left: arguments.until.map(time_left).transpose()?,
            stall_grace: arguments.stall_grace,
            idle_exit: arguments.idle_exit,
            log_format: arguments.log_format,
        })
    }
}

fn time_left(until: Until) -> anyhow::Result<Duration> {
    until.left(ambient::wall_clock()).context("--until names a time that is over")
}

fn seconds_or_duration(text: &str) -> Result<Duration, humantime::DurationError> {
    text.parse().map(Duration::from_secs).or_else(|_| humantime::parse_duration(text))
}

fn absolute(folder: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(folder).with_context(|| format!("cannot tell where {} is", folder.display()))
}

fn devices(arguments: &WorkArguments, node: &Name) -> anyhow::Result<Vec<(String, Device)>> {
    let mut devices = Vec::new();
    if arguments.cpu {
        let threads = threads(arguments.threads);
        devices.push((format!("{node}/cpu0"), Device::Cpu { threads }));
    }
    let mut indices = arguments.gpu.clone();
    indices.sort_unstable();
    indices.dedup();
    devices.extend(indices.into_iter().map(|index| (format!("{node}/gpu{index}"), Device::Gpu { index })));
    if devices.is_empty() {
        bail!("no device was named; say --cpu to train on the processor, or --gpu 0 for the first GPU");
    }
    if devices.len() > selffer_core::limits::WORKERS_PER_SESSION_MAX {
        bail!("{} devices are more than one daemon holds; start a second one", devices.len());
    }
    Ok(devices)
}

/// The threads that the user asked for, or all that the processor has.
fn threads(asked: Option<u32>) -> usize {
    asked.map_or_else(
        || std::thread::available_parallelism().map_or(1, usize::from),
        |threads| threads as usize,
    )
}

/// The folder of ours in the user's cache.
pub(crate) fn cache_folder() -> anyhow::Result<PathBuf> {
    let given = |key: &str| env::var_os(key).map(PathBuf::from).filter(|path| path.is_absolute());
    given("XDG_CACHE_HOME")
        .or_else(|| given("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("selffer"))
        .context("neither HOME nor XDG_CACHE_HOME names a folder; say --scratch-dir DIR")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(line: &str) -> anyhow::Result<Config> {
        let arguments = Arguments::try_parse_from(line.split_whitespace())?;
        Config::from_arguments(arguments.work)
    }

    #[test]
    fn two_daemons_with_distinct_names_have_distinct_folders() {
        let one = config("workerd --cpu --name one").unwrap();
        let two = config("workerd --cpu --name two").unwrap();
        assert_ne!(one.scratch, two.scratch);
        assert_eq!(one.devices[0].0, "one/cpu0");
    }

    #[test]
    fn a_daemon_without_a_device_is_told_what_to_say() {
        let problem = config("workerd").unwrap_err().to_string();
        assert!(problem.contains("--cpu"), "{problem}");
        assert!(config("workerd --threads 2").is_err());
        assert!(config("workerd --cpu --threads 0").is_err());
        assert!(config("workerd --cpu --name ../x").is_err());
    }

    #[test]
    fn threads_are_those_asked_for_and_a_zero_interval_takes_no_checkpoints() {
        let config = config("workerd --cpu --threads 3 --checkpoint-every 0 --scratch-dir s").unwrap();
        assert_eq!(config.devices[0].1, Device::Cpu { threads: 3 });
        assert_eq!(config.checkpoint_every, None);
        assert!(config.scratch.is_absolute());
    }

    #[test]
    fn data_folders_may_be_several_and_do_not_depend_on_the_place() {
        let folders = |arguments: &str| config(&format!("workerd --cpu {arguments}")).unwrap().data_folders;
        assert_eq!(folders(""), Vec::<PathBuf>::new());
        let given = folders("--data-dir /srv/packs --data-dir packs");
        assert_eq!(given[0], Path::new("/srv/packs"));
        assert!(given[1].is_absolute() && given[1].ends_with("packs"));
    }

    #[test]
    fn when_it_ends_is_told_by_times_and_durations() {
        let read = |arguments: &str| config(&format!("workerd --cpu {arguments}"));
        let config = read("--idle-exit 90 --until 2h --on-coordinator-lost finish").unwrap();
        assert_eq!(config.idle_exit, Some(Duration::from_secs(90)));
        assert_eq!(config.time_left, Some(Duration::from_secs(7_200)));
        assert_eq!(config.on_lost, OnLost::Finish);
        assert_eq!(read("--idle-exit 5min").unwrap().idle_exit, Some(Duration::from_secs(300)));
        assert_eq!(read("").unwrap().on_lost, OnLost::Keep);
        let refusal = |arguments: &str| read(arguments).unwrap_err().to_string();
        assert!(refusal("--until @1").contains("--until names a time that is over"));
        assert!(refusal("--until noon").contains("neither a duration as 90min"));
        assert!(refusal("--idle-exit soon").contains("--idle-exit"));
        assert!(refusal("--on-coordinator-lost panic").contains("[possible values: keep, finish, stop]"));
    }

    #[test]
    fn checkpoints_are_a_minute_apart_unless_told_otherwise() {
        let every = |arguments: &str| config(&format!("workerd --cpu {arguments}")).unwrap().checkpoint_every;
        assert_eq!(every(""), Some(Duration::from_secs(60)));
        assert_eq!(every("--checkpoint-every 500ms"), Some(Duration::from_millis(500)));
        assert!(config("workerd --cpu --checkpoint-every 60").is_err());
    }
}
