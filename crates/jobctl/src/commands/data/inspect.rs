//! `jobctl data inspect` and `verify`: what a pack or weights hold, and whether they are whole.

use std::path::Path;

use selffer_core::{
    ids::Digest,
    pack::{ChannelOrder, Encoding, PackManifest, Preparation, Resize},
    spec::Half,
};
use selffer_data::Pack;
use serde::Serialize;

use super::{
    find::{Found, Import, find, local_folder, not_found},
    weights::{self, local_weights, weights_at},
};
use crate::{
    args::{CommonArgs, PackArg},
    exit::Exit,
    output::{
        Screen, human,
        table::{self, Cell, Column, Side},
    },
};

/// Describes a pack or weights, wherever they are.
pub(super) async fn inspect(common: &CommonArgs, args: &PackArg, screen: &Screen) -> anyhow::Result<Exit> {
    if let Some(folder) = local_weights(&args.pack, &args.packs) {
        return weights::describe(screen, &args.pack, &weights_at(&folder)?, &folder.display().to_string());
    }
    let Found { manifest, place } = match find(common, args).await? {
        Import::Pack(found) => found,
        Import::Weights(found) => {
            return weights::describe(screen, &args.pack, &found.manifest, &found.place);
        }
    };
    let document = PackDescription::of(&manifest);
    let text = format!(
        "{}\n{}",
        description(&args.pack, &place, &manifest),
        table::render(&CLASS_COLUMNS, &document.classes, screen.look)
    );
    screen.item(&args.pack, &document, &text)?;
    Ok(Exit::Ok)
}

/// Compares every byte of a local pack or local weights with their digests.
pub(super) fn verify(args: &PackArg, screen: &Screen) -> anyhow::Result<Exit> {
    if let Some(folder) = local_weights(&args.pack, &args.packs) {
        return weights::verify(screen, &args.pack, &folder);
    }
    let Some(folder) = local_folder(&args.pack, &args.packs) else {
        return Err(not_found(&args.pack, "nor a local pack's name").into());
    };
    let pack = Pack::open(&folder)?;
    pack.verify()?;
    let images = human::counted((pack.train().len() + pack.validation().len()) as u64, "image");
    tell_whole(screen, &args.pack, &folder, ("selffer.pack-verified/v1", pack.digest(), &images))
}

#[derive(Serialize)]
struct Verified {
    schema: &'static str,
    digest: String,
    whole: bool,
}

/// Says that what lies in this folder is whole: schema of the answer, digest, and how much.
pub(super) fn tell_whole(
    screen: &Screen,
    name: &str,
    folder: &Path,
    (schema, digest, how_much): (&'static str, Digest, &str),
) -> anyhow::Result<Exit> {
    let text = format!("{} is whole: {how_much}, digest {digest}\n", folder.display());
    screen.item(name, &Verified { schema, digest: digest.to_string(), whole: true }, &text)?;
    Ok(Exit::Ok)
}

/// `selffer.pack-description/v2`.
#[derive(Serialize)]
struct PackDescription {
    schema: &'static str,
    digest: String,
    height: u32,
    width: u32,
    channels: u32,
    preparation: Option<Preparation>,
    encoding: Encoding,
    train_images: u64,
    validation_images: u64,
    groupings: Vec<String>,
    classes: Vec<ClassRecord>,
}

#[derive(Serialize)]
struct ClassRecord {
    index: usize,
    name: String,
    wnid: Option<String>,
    superclass: Option<String>,
    train_images: u64,
    validation_images: u64,
}

impl PackDescription {
    fn of(manifest: &PackManifest) -> Self {
        let record = |(index, class): (usize, &selffer_core::pack::Class)| ClassRecord {
            index,
            name: class.name.clone(),
            wnid: class.wnid.clone(),
            superclass: class.superclass.clone(),
            train_images: manifest.train.images_per_class[index],
            validation_images: manifest.validation.images_per_class[index],
        };
        Self {
            schema: "selffer.pack-description/v2",
            digest: manifest.digest().to_string(),
            height: manifest.image.height,
            width: manifest.image.width,
            channels: manifest.image.channels,
            preparation: manifest.preparation,
            encoding: manifest.encoding,
            train_images: manifest.train.images(),
            validation_images: manifest.validation.images(),
            groupings: manifest.groupings.keys().cloned().collect(),
            classes: manifest.classes.iter().enumerate().map(record).collect(),
        }
    }
}

const CLASS_COLUMNS: [Column<ClassRecord>; 4] = [
    Column { title: "CLASS", side: Side::Right, cell: |class| class.index.to_string().into() },
    Column { title: "NAME", side: Side::Left, cell: |class| Cell::from(class.name.as_str()) },
    Column { title: "TRAIN", side: Side::Right, cell: |class| human::count(class.train_images).into() },
    Column {
        title: "VALIDATION",
        side: Side::Right,
        cell: |class| human::count(class.validation_images).into(),
    },
];

fn description(name: &str, place: &str, manifest: &PackManifest) -> String {
    let image = manifest.image;
    let mut facts = vec![
        ("place", place.to_owned()),
        ("digest", manifest.digest().to_string()),
        (
            "images",
            format!(
                "{}×{} pixels, {}",
                image.height,
                image.width,
                human::counted(image.channels.into(), "channel")
            ),
        ),
        ("train", human::counted(manifest.train.images(), "image")),
        ("validation", human::counted(manifest.validation.images(), "image")),
        ("size", human::bytes(manifest.shards().map(|shard| shard.bytes).sum())),
    ];
    if let Some(preparation) = manifest.preparation {
        facts.push(("pictures", preparation_in_words(preparation)));
    }
    if let Encoding::Jpeg { quality } = manifest.encoding {
        facts.push(("kept as", format!("JPEGs of quality {quality}")));
    }
    for (grouping, halves) in &manifest.groupings {
        let a = halves.iter().filter(|half| **half == Half::A).count();
        facts.push(("grouping", format!("{grouping}: A has {a} classes, B has {}", halves.len() - a)));
    }
    human::facts(name, &facts)
}

fn preparation_in_words(preparation: Preparation) -> String {
    let resize = match preparation.resize {
        Resize::Squash => "squashed",
        Resize::ShortSide => "shorter side fitted, the middle kept",
    };
    let channels = match preparation.channels {
        ChannelOrder::Rgb => "red, green, blue",
        ChannelOrder::Bgr => "blue, green, red",
        ChannelOrder::Grey => "grey",
    };
    format!("{resize}; channels {channels}")
}
