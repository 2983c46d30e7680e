//! Finding the pack that a person means: a folder, a local pack's name, or a name or
//! digest that the coordinator knows.

use std::path::{Path, PathBuf};

use selffer_core::{
    pack::{MANIFEST_FILE, PackManifest},
    weights::WeightsManifest,
};
use selffer_data::read_manifest;

use crate::{
    args::{CommonArgs, PackArg, PacksArg},
    client::{Client, ImportSelector},
    exit::{Exit, Failure},
};

/// What a name or digest stands for.
pub(super) enum Import {
    /// An image set.
    Pack(Found),
    /// Weights, where no pack is called so.
    Weights(Found<WeightsManifest>),
}

/// A manifest, and where it was found.
pub(super) struct Found<M = PackManifest> {
    /// Everything about the import but its bytes.
    pub(super) manifest: M,
    /// Its folder or the coordinator's address, for people.
    pub(super) place: String,
}

/// Finds a pack; see [`find`].
///
/// # Errors
/// Nobody knows it.
pub(super) async fn find_pack(common: &CommonArgs, args: &PackArg) -> anyhow::Result<Found> {
    match find(common, args).await? {
        Import::Pack(found) => Ok(found),
        Import::Weights(_) => Err(not_found(&args.pack, "only weights are called so").into()),
    }
}

/// Finds a pack: a folder first, then the local packs, then the coordinator, and there also
/// weights.
///
/// # Errors
/// Nobody knows it.
pub(super) async fn find(common: &CommonArgs, args: &PackArg) -> anyhow::Result<Import> {
    if let Some(folder) = local_folder(&args.pack, &args.packs) {
        let manifest = manifest_at(&folder)?;
        return Ok(Import::Pack(Found { manifest, place: folder.display().to_string() }));
    }
    let Some(client) = Client::connect_if_there(common).await else {
        return Err(not_found(&args.pack, "and no coordinator answers that might know it").into());
    };
    let (selector, place) = (ImportSelector::parse(&args.pack), client.address().to_owned());
    if let Some(manifest) = client.pack(&selector).await? {
        return Ok(Import::Pack(Found { manifest, place }));
    }
    match client.weights(&selector).await? {
        Some(manifest) => Ok(Import::Weights(Found { manifest, place })),
        None => Err(not_found(&args.pack, "and the coordinator has no pack of that name").into()),
    }
}

/// The folder of a local pack, given as a path or by its name.
pub(super) fn local_folder(pack: &str, packs: &PacksArg) -> Option<PathBuf> {
    let candidates = [PathBuf::from(pack), packs.folder().join(pack)];
    candidates.into_iter().find(|folder| folder.join(MANIFEST_FILE).is_file())
}

/// The manifest in this folder, or in this file itself.
pub(in crate::commands) fn manifest_at(path: &Path) -> anyhow::Result<PackManifest> {
    let file = if path.is_dir() { path.join(MANIFEST_FILE) } else { path.to_owned() };
    if !file.is_file() {
        return Err(Failure::new(Exit::NotFound, format!("{} is not there", file.display())).into());
    }
    Ok(read_manifest(&file)?)
}

/// No such pack, and where else it was looked for.
pub(super) fn not_found(pack: &str, elsewhere: &str) -> Failure {
    Failure::new(Exit::NotFound, format!("{pack} is no folder of a pack, {elsewhere}"))
        .hint(format!("import it: jobctl data import --format FORMAT SOURCE --name {pack}"))
}
