//! A folder of weights as people and programs see it: described, verified, sent.

use std::path::{Path, PathBuf};

use selffer_core::{
    ids::Name,
    import::ImportManifest,
    weights::{MANIFEST_FILE, WeightsLayer, WeightsManifest},
};
use selffer_data::weights::{Weights, read_weights_manifest};
use serde::Serialize;

use super::{
    inspect::tell_whole,
    push::{Sending, how_much, send},
};
use crate::{
    args::PacksArg,
    client::Client,
    exit::Exit,
    output::{
        Screen, human,
        table::{self, Cell, Column, Side, Tone},
    },
};

/// The folder of local weights, given as a path or by its name.
pub(super) fn local_weights(weights: &str, folders: &PacksArg) -> Option<PathBuf> {
    let candidates = [PathBuf::from(weights), folders.data.weights_folder().join(weights)];
    candidates.into_iter().find(|folder| folder.join(MANIFEST_FILE).is_file())
}

/// The manifest of the weights in this folder.
pub(super) fn weights_at(folder: &Path) -> anyhow::Result<WeightsManifest> {
    Ok(read_weights_manifest(&folder.join(MANIFEST_FILE))?)
}

/// What commands answer to programs about weights.
#[derive(Serialize)]
pub(super) struct WeightsDocument {
    schema: &'static str,
    name: String,
    digest: String,
    folder: Option<String>,
    channels: u32,
    layers: Vec<LayerRecord>,
    bytes_sent: Option<u64>,
}

/// One layer.
#[derive(Serialize)]
struct LayerRecord {
    name: String,
    weight_shape: Vec<u64>,
    bias_shape: Vec<u64>,
    /// Of the layer's file.
    digest: String,
    /// Of weight and bias, as a job's result has it for each of its layers.
    values: String,
    bytes: u64,
}

impl From<&WeightsLayer> for LayerRecord {
    fn from(layer: &WeightsLayer) -> Self {
        Self {
            name: layer.name.clone(),
            weight_shape: layer.weight_shape.clone(),
            bias_shape: layer.bias_shape.clone(),
            digest: layer.digest.to_string(),
            values: layer.values.to_string(),
            bytes: layer.bytes,
        }
    }
}

impl WeightsDocument {
    /// About these weights; nothing sent yet.
    pub(super) fn new(
        schema: &'static str,
        name: &str,
        manifest: &WeightsManifest,
        folder: Option<&Path>,
    ) -> Self {
        Self {
            schema,
            name: name.to_owned(),
            digest: manifest.digest().to_string(),
            folder: folder.map(|folder| folder.display().to_string()),
            channels: manifest.channels,
            layers: manifest.layers.iter().map(Into::into).collect(),
            bytes_sent: None,
        }
    }

    /// Facts and layers, for people.
    pub(super) fn text(&self, screen: &Screen, place: &str) -> String {
        let facts = [
            ("place", place.to_owned()),
            ("digest", self.digest.clone()),
            ("images", human::counted(self.channels.into(), "channel")),
            ("size", human::bytes(self.layers.iter().map(|layer| layer.bytes).sum())),
        ];
        let layers = table::render(&LAYER_COLUMNS, &self.layers, screen.look);
        format!("{}\n{layers}", human::facts(&self.name, &facts))
    }
}

const LAYER_COLUMNS: [Column<LayerRecord>; 4] = [
    Column { title: "LAYER", side: Side::Left, cell: |layer| layer.name.as_str().into() },
    Column { title: "WEIGHTS", side: Side::Left, cell: |layer| shape(&layer.weight_shape).into() },
    Column { title: "BIASES", side: Side::Left, cell: |layer| shape(&layer.bias_shape).into() },
    Column { title: "DIGEST", side: Side::Left, cell: |layer| Cell::toned(&layer.digest[..8], Tone::Faint) },
];

fn shape(lengths: &[u64]) -> String {
    lengths.iter().map(u64::to_string).collect::<Vec<_>>().join("×")
}

/// Describes weights, wherever they are.
pub(super) fn describe(
    screen: &Screen,
    name: &str,
    manifest: &WeightsManifest,
    place: &str,
) -> anyhow::Result<Exit> {
    let document = WeightsDocument::new("selffer.weights-description/v1", name, manifest, None);
    screen.item(name, &document, &document.text(screen, place))?;
    Ok(Exit::Ok)
}

/// Compares every layer in this folder with its digests.
pub(super) fn verify(screen: &Screen, name: &str, folder: &Path) -> anyhow::Result<Exit> {
    let weights = Weights::open(folder)?;
    weights.verify()?;
    let layers = human::counted(weights.manifest().layers.len() as u64, "layer");
    tell_whole(screen, name, folder, ("selffer.weights-verified/v1", weights.digest(), &layers))
}

/// Sends the weights in this folder and registers them under a name.
pub(super) async fn push(
    client: &Client,
    screen: &Screen,
    folder: &Path,
    name: &Name,
) -> anyhow::Result<Exit> {
    let weights = Weights::open(folder)?;
    // What is damaged here must not become what many networks start from.
    weights.verify()?;
    let import = ImportManifest::Weights(weights.manifest().clone());
    let sent = send(&Sending { client, screen, folder }, &import, name).await?;
    let schema = "selffer.weights-pushed/v1";
    let mut document = WeightsDocument::new(schema, name.as_str(), weights.manifest(), Some(folder));
    document.bytes_sent = Some(sent);
    let text = document.text(screen, &folder.display().to_string());
    let text = format!("{text}\n{name} is in the store ({})\n", how_much(sent));
    screen.item(name.as_str(), &document, &text)?;
    Ok(Exit::Ok)
}
