//! `jobctl data`: image sets.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// What to do with image sets.
#[derive(Debug, Subcommand)]
pub(crate) enum DataCommand {
    /// Turn an image set into a pack, and send it to the coordinator
    #[command(after_help = "\
Examples:
  jobctl data import --format idx /usr/share/datasets/fashion-mnist --name fashion-mnist
  jobctl data import --format idx my-images --name my-images --no-push

An IDX source is a folder with train-images-idx3-ubyte, train-labels-idx1-ubyte,
t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, plain or .gz.")]
    Import(ImportArgs),
    /// Describe a pack: classes, counts, groupings
    #[command(after_help = "\
Example:
  jobctl data inspect fashion-mnist")]
    Inspect(PackArg),
    /// Read all of a local pack and compare it with its digests
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
    /// Send a local pack to the coordinator; what it has already is not sent again
    #[command(after_help = "\
Example:
  jobctl data push selffer-data/packs/fashion-mnist --name fashion-mnist")]
    Push(PushArgs),
    /// List the packs in the store
    List,
}

/// What to import.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Folder with the images
    #[arg(value_name = "SOURCE")]
    pub(crate) source: PathBuf,
    /// How they are stored: `idx`, the MNIST family's four files
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) format: ImportFormat,
    /// Name of the pack
    #[arg(long)]
    pub(crate) name: String,
    /// Only make the local pack
    #[arg(long)]
    pub(crate) no_push: bool,
    /// Where local packs are kept
    #[command(flatten)]
    pub(crate) packs: PacksArg,
}

/// Where local packs are kept.
#[derive(Args, Clone, Debug)]
pub(crate) struct PacksArg {
    /// Folder of local packs; else packs/ in the data folder
    #[arg(long, env = "SELFFER_PACKS_DIR", hide_env_values = true, value_name = "DIR")]
    packs_dir: Option<PathBuf>,
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

impl PacksArg {
    /// The folder of local packs.
    pub(crate) fn folder(&self) -> PathBuf {
        self.packs_dir.clone().unwrap_or_else(|| self.data_dir.join("packs"))
    }
}

/// Forms of image sets that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// The MNIST family's four files
    Idx,
}

/// Which pack.
#[derive(Args, Debug)]
pub(crate) struct PackArg {
    /// Folder of a local pack, or a name
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
    /// Folder of a local pack, or its name in the folder of local packs
    pub(crate) pack: String,
    /// Name in the store; else the folder's own
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Where local packs are kept
    #[command(flatten)]
    pub(crate) packs: PacksArg,
}
