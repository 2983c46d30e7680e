//! `jobctl data push`: a local pack or local weights into the store.
//!
//! Only chunks that the store lacks are sent, so an interrupted push goes on where it was
//! when it is repeated.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_util::{StreamExt, TryStreamExt, stream};
use selffer_artifacts::{cut_file, read_chunk_of_file};
use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    ids::{Digest, Name},
    import::{ImportKind, ImportManifest},
    pack::PackManifest,
};
use selffer_data::{Pack, import::report::ImportReport};
use serde::Serialize;

use super::{
    find::{local_folder, manifest_at, not_found},
    weights::{self, local_weights},
};
use crate::{
    args::{CommonArgs, PushArgs},
    client::Client,
    exit::{Exit, Failure},
    output::{
        Screen, human,
        progress::{Progress, Unit},
    },
};

/// How many chunks are on their way at a time; 8 MiB each.
const CHUNKS_AT_A_TIME: usize = 4;

/// Sends a local pack or local weights.
pub(super) async fn run(common: &CommonArgs, args: &PushArgs, screen: &Screen) -> anyhow::Result<Exit> {
    let weights = local_weights(&args.pack, &args.packs);
    let is_weights = weights.is_some();
    let Some(folder) = weights.or_else(|| local_folder(&args.pack, &args.packs)) else {
        return Err(not_found(&args.pack, "nor a local pack's name").into());
    };
    let own_name = folder.canonicalize()?.file_name().map(|name| name.to_string_lossy().into_owned());
    let name = args.name.clone().or(own_name).unwrap_or_default();
    let name: Name = name.parse().map_err(|error| Failure::new(Exit::Usage, format!("--name: {error}")))?;
    let client = Client::connect(common).await?;
    match is_weights {
        true => weights::push(&client, screen, &folder, &name).await,
        false => {
            let manifest = manifest_at(&folder)?;
            let document = PackDocument::new("selffer.pack-pushed/v2", &name, &manifest, Some(&folder));
            push(&client, screen, &folder, (&name, document)).await
        }
    }
}

/// Sends the pack in this folder and registers it under a name.
pub(super) async fn push(
    client: &Client,
    screen: &Screen,
    folder: &Path,
    (name, document): (&Name, PackDocument),
) -> anyhow::Result<Exit> {
    let pack = Pack::open(folder)?;
    let import = ImportManifest::Pack(pack.manifest().clone());
    let sent = send(&Sending { client, screen, folder }, &import, name).await?;
    let document = PackDocument { schema: "selffer.pack-pushed/v2", bytes_sent: Some(sent), ..document };
    screen.item(name.as_str(), &document, &format!("{name} is in the store ({})\n", how_much(sent)))?;
    Ok(Exit::Ok)
}

/// Where an import goes and where it is.
#[derive(Clone, Copy)]
pub(super) struct Sending<'a> {
    pub(super) client: &'a Client,
    pub(super) screen: &'a Screen,
    /// With all files that the import lists.
    pub(super) folder: &'a Path,
}

/// Sends what the store lacks of an import and registers it under a name; answers how many
/// bytes went.
pub(super) async fn send(sending: &Sending<'_>, import: &ImportManifest, name: &Name) -> anyhow::Result<u64> {
    let objects = cut(sending, import)?;
    let (digest, missing) = sending.client.begin_import(import, &objects).await?;
    let identity = (import.kind(), digest);
    let sent = send_missing(sending, identity, &objects, &missing).await?;
    sending.client.publish_import(identity, name.as_str()).await?;
    Ok(sent)
}

/// How much went, in words.
pub(super) fn how_much(sent: u64) -> String {
    match sent {
        0 => "all of it was there already".to_owned(),
        sent => format!("{} sent", human::bytes(sent)),
    }
}

/// What import and push answer to programs.
#[derive(Serialize)]
pub(super) struct PackDocument {
    schema: &'static str,
    name: String,
    digest: String,
    folder: Option<String>,
    classes: usize,
    train_images: u64,
    validation_images: u64,
    bytes_sent: Option<u64>,
    /// What an import told.
    pub(super) report: Option<ImportReport>,
}

impl PackDocument {
    /// About this pack; nothing sent yet.
    pub(super) fn new(
        schema: &'static str,
        name: &Name,
        manifest: &PackManifest,
        folder: Option<&Path>,
    ) -> Self {
        Self {
            schema,
            name: name.to_string(),
            digest: manifest.digest().to_string(),
            folder: folder.map(|folder| folder.display().to_string()),
            classes: manifest.classes.len(),
            train_images: manifest.train.images(),
            validation_images: manifest.validation.images(),
            bytes_sent: None,
            report: None,
        }
    }
}

/// Reads every file once and cuts it into chunks.
fn cut(sending: &Sending<'_>, import: &ImportManifest) -> anyhow::Result<Manifest> {
    let files = import.files();
    let total = files.iter().map(|(_, bytes)| bytes).sum();
    let what = format!("reading the {}", import.kind());
    let mut progress = Progress::start(sending.screen, &what, Unit::Bytes, total);
    let (mut objects, mut done) = (Vec::new(), 0);
    for (file, bytes) in files {
        objects.push(cut_file(&file, &sending.folder.join(&file))?);
        done += bytes;
        progress.set(done);
    }
    progress.finish();
    Ok(Manifest { objects })
}

/// Sends each missing chunk once; answers how many bytes that were.
async fn send_missing(
    sending: &Sending<'_>,
    identity: (ImportKind, Digest),
    objects: &Manifest,
    missing: &[Digest],
) -> anyhow::Result<u64> {
    let Sending { client, screen, folder } = *sending;
    let pieces = pieces(folder, objects, missing);
    let total = pieces.iter().map(|piece| piece.chunk().bytes).sum();
    let mut progress = Progress::start(screen, "sending", Unit::Bytes, total);
    let mut sent = 0;
    let mut sending = stream::iter(pieces)
        .map(|piece| send_piece(client.clone(), identity, piece))
        .buffer_unordered(CHUNKS_AT_A_TIME);
    while let Some(bytes) = sending.try_next().await? {
        sent += bytes;
        progress.set(sent);
    }
    progress.finish();
    Ok(sent)
}

/// One chunk, and where its bytes are.
#[derive(Clone)]
struct Piece {
    path: PathBuf,
    object: Arc<Object>,
    index: usize,
}

impl Piece {
    fn chunk(&self) -> &Chunk {
        &self.object.chunks[self.index]
    }
}

fn pieces(folder: &Path, manifest: &Manifest, missing: &[Digest]) -> Vec<Piece> {
    let missing: HashSet<Digest> = missing.iter().copied().collect();
    let mut first_of = BTreeMap::new();
    for object in &manifest.objects {
        let (path, object) = (folder.join(&object.name), Arc::new(object.clone()));
        for (index, chunk) in object.chunks.iter().enumerate() {
            if missing.contains(&chunk.digest) {
                let piece = Piece { path: path.clone(), object: object.clone(), index };
                first_of.entry(chunk.digest).or_insert(piece);
            }
        }
    }
    first_of.into_values().collect()
}

async fn send_piece(client: Client, identity: (ImportKind, Digest), piece: Piece) -> anyhow::Result<u64> {
    let chunk = piece.chunk().clone();
    let read = move || read_chunk_of_file(&piece.path, &piece.object, piece.index);
    let bytes = tokio::task::spawn_blocking(read).await??;
    client.put_import_chunk(identity, &chunk, &bytes).await?;
    Ok(chunk.bytes)
}

#[cfg(test)]
mod tests {
    use selffer_artifacts::cut_bytes;
    use selffer_core::limits::CHUNK_BYTES_MAX;

    use super::*;

    #[test]
    fn a_chunk_that_occurs_twice_is_sent_once() {
        let zeros = vec![0; 2 * CHUNK_BYTES_MAX as usize];
        let manifest = Manifest { objects: vec![cut_bytes("a", &zeros), cut_bytes("b", b"other")] };
        let missing: Vec<Digest> = manifest.chunks().map(|chunk| chunk.digest).collect();

        let pieces = pieces(Path::new("folder"), &manifest, &missing);

        assert_eq!(missing.len(), 3);
        assert_eq!(pieces.len(), 2);
    }
}
