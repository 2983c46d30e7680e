//! `jobctl data import-weights`: layers of a network that was trained elsewhere become
//! weights that networks start with.
//!
//! Importing the same file again changes nothing and ends well.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::Path,
};

use selffer_core::{
    ids::Name,
    limits::GRID_BYTES_MAX,
    nearest::nearest,
    network::{Network, PRESETS, file},
    weights::WeightsManifest,
};
use selffer_data::weights::{ImportWeightsError, WeightsSource, import_weights, parse_mapping};

use super::weights::{WeightsDocument, push, weights_at};
use crate::{
    args::{CommonArgs, ImportWeightsArgs},
    client::Client,
    exit::{Exit, Failure},
    output::Screen,
};

/// Imports, and sends unless told not to.
pub(super) async fn run(
    common: &CommonArgs,
    args: &ImportWeightsArgs,
    screen: &Screen,
) -> anyhow::Result<Exit> {
    let usage = |message: String| Failure::new(Exit::Usage, message);
    let name: Name = args.name.parse().map_err(|error| usage(format!("--name: {error}")))?;
    let prefixes = parse_mapping(args.map.iter().map(String::as_str));
    let prefixes = prefixes.map_err(|error| usage(format!("--map: {error}")))?;
    let network = network(&args.network, args.channels, args.outputs)?;
    // Whoever must be told that nobody listens should not have to wait for the import.
    let client = if args.no_push { None } else { Some(Client::connect(common).await?) };
    let folder = args.out.clone().unwrap_or_else(|| args.data.weights_folder().join(name.as_str()));
    let manifest = import(args, &network, &prefixes, &folder, screen)?;
    if let Some(client) = client {
        return push(&client, screen, &folder, &name).await;
    }
    let schema = "selffer.weights-imported/v1";
    let document = WeightsDocument::new(schema, name.as_str(), &manifest, Some(&folder));
    let text = document.text(screen, &folder.display().to_string());
    screen.item(name.as_str(), &document, &text)?;
    Ok(Exit::Ok)
}

fn import(
    args: &ImportWeightsArgs,
    network: &Network,
    prefixes: &BTreeMap<String, String>,
    folder: &Path,
    screen: &Screen,
) -> anyhow::Result<WeightsManifest> {
    let source =
        WeightsSource { file: &args.file, network, channels: args.channels, outputs: args.outputs, prefixes };
    if !folder.exists() {
        let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.map_or(Ok(()), fs::create_dir_all)?;
        return import_weights(&source, folder).map_err(told);
    }
    let before = weights_at(folder)?;
    let again = folder.with_file_name(format!(".{}.again", args.name));
    let imported = import_weights(&source, &again).map_err(told);
    if again.exists() {
        fs::remove_dir_all(&again)?;
    }
    let imported = imported?;
    if imported != before {
        let (before, imported) = (before.digest().short(), imported.digest().short());
        let folder = folder.display();
        let message = format!("{folder} holds other weights ({before}) than this file makes ({imported})");
        let failure = Failure::new(Exit::Conflict, message);
        return Err(failure.hint("choose another --name, or remove that folder").into());
    }
    screen.note(&format!("{} holds the same weights already", folder.display()))?;
    Ok(before)
}

/// The failure with what to do next, where that is known.
fn told(error: ImportWeightsError) -> anyhow::Error {
    let hint = match &error {
        ImportWeightsError::Read { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            return anyhow::Error::new(error).context(Failure::new(Exit::NotFound, "there is no such file"));
        }
        ImportWeightsError::OtherFormat { .. } => {
            "in PyTorch: safetensors.torch.save_file(model.state_dict(), \"weights.safetensors\")"
        }
        ImportWeightsError::Tensors { .. } => {
            "say which tensors are which layer's with --map PREFIX=LAYER, once for each layer"
        }
        _ => return error.into(),
    };
    Failure::new(Exit::Usage, error.to_string()).hint(hint).into()
}

/// A preset's network, or that of a file.
fn network(given: &str, channels: u32, outputs: Option<u32>) -> anyhow::Result<Network> {
    if !given.contains('/') && !given.ends_with(".yaml") && !given.ends_with(".yml") {
        let found = Network::preset(given).ok_or_else(|| {
            let hint = match nearest(given, PRESETS.iter().copied()) {
                Some(preset) => format!("did you mean {preset}?"),
                None => format!("known are {}; a file's name ends in .yaml", PRESETS.join(", ")),
            };
            Failure::new(Exit::Usage, format!("--network: no network is called {given:?}")).hint(hint)
        });
        return Ok(found?);
    }
    let mut text = String::new();
    let read =
        File::open(given).and_then(|file| file.take(GRID_BYTES_MAX as u64 + 1).read_to_string(&mut text));
    read.map_err(|error| Failure::new(Exit::NotFound, format!("cannot read {given}: {error}")))?;
    let invalid = |errors: selffer_core::grid::GridErrors| Failure {
        code: "invalid_network",
        rendered: Some(errors.render(true)),
        ..Failure::new(Exit::Usage, errors.to_string())
    };
    let file = file::read(given, &text).map_err(invalid)?;
    file.check_shapes(channels, outputs.unwrap_or(2)).map_err(invalid)?;
    Ok(file.network().clone())
}
