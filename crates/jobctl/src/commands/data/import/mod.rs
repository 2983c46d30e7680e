//! `jobctl data import`: images as others publish them become a local pack, which is then
//! sent to the coordinator.
//!
//! Importing the same images again changes nothing and ends well; where the report beside the
//! pack shows that files and options are those of the first time, nothing is decoded again.

mod set;
mod told;

use std::{fs, path::Path};

use selffer_core::ids::{Digest, Name};
use selffer_data::import::report::{ImportReport, Imported};

use self::set::Set;
use super::{
    find::manifest_at,
    push::{self, PackDocument},
};
use crate::{
    args::{CommonArgs, ImportArgs},
    client::Client,
    exit::{Exit, Failure},
    output::Screen,
};

/// Imports, and sends unless told not to.
pub(super) async fn run(common: &CommonArgs, args: &ImportArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let name: Name =
        args.name.parse().map_err(|error| Failure::new(Exit::Usage, format!("--name: {error}")))?;
    // Whoever must be told that nobody listens should not have to wait for the import.
    let client = if args.no_push { None } else { Some(Client::connect(common).await?) };
    let folder = args.packs.folder().join(name.as_str());
    let Imported { manifest, report } = import(args, &folder, screen)?;
    let mut document = PackDocument::new("selffer.pack-imported/v2", &name, &manifest, Some(&folder));
    document.report = Some(report);
    let Some(client) = client else {
        screen.item(name.as_str(), &document, &format!("imported {name} into {}\n", folder.display()))?;
        return Ok(Exit::Ok);
    };
    push::push(&client, screen, &folder, (&name, document)).await
}

fn import(args: &ImportArgs, folder: &Path, screen: &Screen) -> anyhow::Result<Imported> {
    let set = Set::open(args, screen)?;
    if !folder.exists() {
        fs::create_dir_all(args.packs.folder())?;
        return import_into(set, folder, screen);
    }
    let before = manifest_at(folder)?;
    if let Some(report) = ImportReport::beside(folder)
        && report.key == set.key()?
        && set.allows(&report)
    {
        screen.note(&format!("{} was made of these files in this way", folder.display()))?;
        let imported = Imported { manifest: before, report };
        screen.note(&told::summary(&imported))?;
        return Ok(imported);
    }
    let again = folder.with_file_name(format!(".{}.again", args.name));
    // What an import that was killed at its very end left.
    if again.exists() {
        fs::remove_dir_all(&again)?;
    }
    let imported = import_into(set, &again, screen);
    if again.exists() {
        fs::remove_dir_all(&again)?;
    }
    let imported = imported?;
    if imported.manifest.digest() != before.digest() {
        return Err(another_pack(folder, before.digest(), imported.manifest.digest()).into());
    }
    screen.note(&format!("{} holds the same images already", folder.display()))?;
    Ok(imported)
}

fn import_into(set: Set, folder: &Path, screen: &Screen) -> anyhow::Result<Imported> {
    let mut shown = told::Shown::new(screen);
    let imported = set.import(folder, &mut |now| shown.tell(now));
    shown.finish();
    let imported = imported.map_err(told::failure)?;
    screen.note(&told::summary(&imported))?;
    Ok(imported)
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
