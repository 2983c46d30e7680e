//! Grids as people get them wrong, each with what they are told.
//!
//! The folder `tests/grids/broken` holds one file for each mistake, with network files
//! beside them; the snapshot is the page to read when a message changes.

use std::{collections::BTreeMap, fs, path::Path};

use crate::{
    grid::{GridErrors, GridFiles, Known, files_named, read},
    ids::Digest,
    network::Network,
    pack::{PackFacts, WELL_KNOWN},
    weights::{WeightsFacts, layer_facts},
};

/// What the folder must hold at least.
const GRIDS_MIN: usize = 60;

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/grids/broken"))
}

/// Two sets of weights: the convolutions of the slim network on grey images.
fn weights() -> BTreeMap<String, WeightsFacts> {
    let network = Network::preset("caffenet-28-slim").unwrap();
    let layers: Vec<_> = layer_facts(&network, 1, 10).unwrap().into_iter().take(5).collect();
    let facts = |digest| WeightsFacts { digest: Some(Digest([digest; 32])), layers: layers.clone() };
    BTreeMap::from([("slim-conv".to_owned(), facts(1)), ("slim-conv-2".to_owned(), facts(2))])
}

/// What a person is told about this file, on the pack that it names.
fn errors(file_name: &str, text: &str) -> GridErrors {
    let beside = files_named(text).into_iter();
    let files: GridFiles = beside
        .filter_map(|path| Some((path.clone(), fs::read_to_string(folder().join(path)).ok()?)))
        .collect();
    let draft = read(file_name, text, &files);
    match draft.dataset().and_then(PackFacts::well_known) {
        Some(pack) => {
            let known = Known { pack: &pack, weights: &weights() };
            draft.expand(known).expect_err(file_name)
        }
        None => {
            let known: Vec<String> = WELL_KNOWN.iter().map(|name| (*name).to_owned()).collect();
            draft.without_pack(&known)
        }
    }
}

#[test]
fn every_broken_grid_is_explained() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".yaml"))
        .collect();
    names.sort_by_key(|name| name.split('-').next().and_then(|number| number.parse::<u32>().ok()));
    assert!(names.len() >= GRIDS_MIN, "{} broken grids, fewer than {GRIDS_MIN}", names.len());
    let explained = names.iter().map(|name| {
        let text = fs::read_to_string(folder().join(name)).unwrap();
        format!("== {name}\n{}\n", errors(name, &text).render(false))
    });
    insta::assert_snapshot!(explained.collect::<Vec<_>>().join("\n"));
}
