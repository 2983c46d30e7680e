//! `jobctl data`: image sets, and weights that were trained elsewhere.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::import::{IMPORT_HELP, ImportArgs};

/// What to do with image sets and weights.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Turn an image set into a pack, and send it to the coordinator
    #[command(after_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Turn layers that were trained elsewhere into weights for studies, and send them
    #[command(after_help = "\
Examples:
  jobctl data import-weights mine.safetensors --network caffenet-32 --channels 3 --name mine
  jobctl data import-weights alexnet.safetensors --network my-net.yaml --channels 3 --name mine \\
    --map features.0=conv1 --map features.3=conv2

FILE holds LAYER.weight and LAYER.bias of the network's first layers, from one to all, or
PREFIX.weight and PREFIX.bias of those that --map names. Only safetensors are read.
A grid uses them as `treatment: [{source: mine, copy: [1, 3]}]`.")]
    ImportWeights(ImportWeightsArgs),
    /// Describe a pack (classes, counts, groupings) or weights (layers, shapes)
    #[command(after_help = "\
Example:
  jobctl data inspect fashion-mnist")]
    Inspect(PackArg),
    /// Read all of a local pack or local weights and compare them with their digests
    #[command(after_help = "\
Example:
  jobctl data verify selffer-data/packs/fashion-mnist")]
    Verify(PackArg),
    /// Show how a split divides the classes
    #[command(
        allow_missing_positional = true,
        after_help = "\
Examples:
  jobctl data split fashion-mnist random-0
  jobctl data split --classes 1000 random-3 -o csv"
    )]
    Split(SplitArgs),
    /// Send a local pack or local weights to the coordinator; what it has already is not sent again
    #[command(after_help = "\
Example:
  jobctl data push selffer-data/packs/fashion-mnist --name fashion-mnist")]
    Push(PushArgs),
    /// List the packs in the store
    List,
}

/// Where local packs are kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct PacksArg {
    /// Folder of local packs; else packs/ in the data folder
    #[arg(long, env = "SELFFER_PACKS_DIR", hide_env_values = true, value_name = "DIR")]
    packs_dir: Option<PathBuf>,
    /// Data folder
    #[command(flatten)]
    pub(crate) data: DataDirArg,
}

impl PacksArg {
    /// The folder of local packs.
    pub(crate) fn folder(&self) -> PathBuf {
        self.packs_dir.clone().unwrap_or_else(|| self.data.data_dir.join("packs"))
    }
}

/// Where local imports are kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct DataDirArg {
    /// Data folder
    #[arg(
        long,
        env = "SELFFER_DATA_DIR",
        hide_env_values = true,
        value_name = "DIR",
        default_value = "selffer-data"
    )]
    data_dir: PathBuf,
}

impl DataDirArg {
    /// The folder of local weights.
    pub(crate) fn weights_folder(&self) -> PathBuf {
        self.data_dir.join("weights")
    }
}

/// Which weights to import.
#[derive(Args, Debug)]
pub(crate) struct ImportWeightsArgs {
    /// A safetensors file
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The network whose layers they are: a preset, or a network file (.yaml)
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) network: String,
    /// Channels of the images that it was trained on: 1 or 3
    #[arg(long, value_name = "1|3", value_parser = channels)]
    pub(crate) channels: u32,
    /// Outputs of its last layer; else whatever the file has
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) outputs: Option<u32>,
    /// Tensors PREFIX.weight and PREFIX.bias are the layer's; may be given for each layer
    #[arg(long, value_name = "PREFIX=LAYER", value_delimiter = ',')]
    pub(crate) map: Vec<String>,
    /// Name of the weights
    #[arg(long)]
    pub(crate) name: String,
    /// Only make the local folder
    #[arg(long)]
    pub(crate) no_push: bool,
    /// Folder to make; else weights/NAME in the data folder
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Where local imports are kept
    #[command(flatten)]
    pub(crate) data: DataDirArg,
}

fn channels(given: &str) -> Result<u32, String> {
    match given {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("images have 1 or 3 channels".to_owned()),
    }
}

/// Which pack.
#[derive(Args, Debug)]
pub(crate) struct PackArg {
    /// Folder of a local pack or of local weights, or a name
    pub(crate) pack: String,
    /// Where local packs are kept
    #[command(flatten)]
    pub(crate) packs: PacksArg,
}

/// Which classes to split, and how.
#[derive(Args, Debug)]
pub(crate) struct SplitArgs {
    /// Folder of a local pack, or a name
    #[arg(required_unless_present = "classes")]
    pub(crate) pack: Option<String>,
    /// random-K, a grouping, similar-GROUPING-K or whole
    #[arg(required = true)]
    pub(crate) split: String,
    /// Split this many classes instead of a pack's
    #[arg(long, value_name = "N", conflicts_with = "pack", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) classes: Option<u32>,
    /// Where local packs are kept
    #[command(flatten)]
    pub(crate) packs: PacksArg,
}

/// What to send.
#[derive(Args, Debug)]
pub(crate) struct PushArgs {
    /// Folder of a local pack or of local weights, or its name among them
    pub(crate) pack: String,
    /// Name in the store; else the folder's own
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where local packs are kept
    #[command(flatten)]
    pub(crate) packs: PacksArg,
}
