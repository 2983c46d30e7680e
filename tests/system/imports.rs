//! Weights of one's own: from a safetensors file to networks that start with them.

use std::{collections::BTreeSet, fs, path::Path};

use selffer_data::weights::{HostParameters, HostTensor, parameters_from_bytes, tensors_to_bytes};
use selffer_tests::fleet::Fleet;

use super::fleet_with_images;

/// The network that plays the one from elsewhere.
const ELSEWHERE: &str = "\
study: elsewhere
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 20, batch: 16, test_every: 10}
split: random-0
treatment: base
direction: AtoB
";

/// Networks that start with its layers.
const IMPORTED: &str = "\
study: imported
dataset: bars
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 20, batch: 16, test_every: 10}
split: random-0
treatment:
  - {source: my-weights, copy: [1, 3], freeze: all}
  - {source: my-weights, copy: 3, freeze: 0}
  - {source: my-weights, copy: 3, freeze: 1}
direction: AtoB
";

#[test]
fn imported_weights_are_what_a_study_starts_with_and_ends_with_where_it_freezes_them() {
    let mut fleet = fleet_with_images();
    fleet.start_worker("one", 2);
    succeed(&fleet, "elsewhere", ELSEWHERE, 1);
    let layers = final_layers(&fleet, 3);
    let file = fleet.path("mine.safetensors");
    fs::write(&file, state_dict(&layers)).unwrap();
    let before = chunks(&fleet);

    let mut import = vec!["data", "import-weights", file.to_str().unwrap(), "--name", "my-weights"];
    import.extend(["--network", "caffenet-28-slim", "--channels", "1"]);
    import.extend(["--map", "features.0=conv1,features.3=conv2", "--map", "features.6=conv3"]);
    let imported = fleet.jobctl_json(&import);

    // The layers of a checkpoint and of imported weights are the same bytes: all are there.
    assert_eq!(
        (&imported["schema"], &imported["bytes_sent"]),
        (&"selffer.weights-pushed/v1".into(), &0.into())
    );
    assert_eq!(chunks(&fleet), before);
    assert_eq!(fleet.jobctl_ok(&["list", "weights", "-o", "name"]), "my-weights\n");
    assert_eq!(fleet.jobctl_json(&import)["digest"], imported["digest"], "importing again changes nothing");
    let described = fleet.jobctl_json(&["data", "inspect", "my-weights"]);
    assert_eq!(described["digest"], imported["digest"]);

    succeed(&fleet, "imported", IMPORTED, 4);

    for (network, copied, frozen) in [("I1B", 1, 1), ("I3B", 3, 3), ("I3B+", 3, 0), ("I3B@freeze=1", 3, 1)] {
        let shown = fleet.person().show("imported", &format!("random-0/{network}"));
        assert_eq!(shown["result"]["copied_layers_unchanged"], copied == frozen, "{network}");
        assert_eq!(shown["proof"]["imported_weights"], imported["digest"]);
        assert_eq!(shown["proof"]["layers_hold"], true);
        for (index, layer) in shown["proof"]["layers"].as_array().unwrap().iter().enumerate() {
            let place = format!("{network}, {}", layer["layer"]);
            let theirs = imported["layers"].get(index).filter(|_| index < copied);
            assert_eq!(
                layer["source_digest"].as_str(),
                theirs.and_then(|layer| layer["values"].as_str()),
                "{place}"
            );
            assert_eq!(layer["digest"] == layer["source_digest"], index < frozen, "{place}");
            // Stored once: the checkpoint's chunks are the imported ones.
            let same = (index < copied).then_some(index < frozen);
            assert_eq!(layer["same_bytes"].as_bool(), same, "{place}");
        }
    }
    let text = fleet.jobctl_ok(&["show", "imported:random-0/I3B"]);
    assert_eq!(text.matches("equal to its source").count(), 3, "{text}");
}

#[test]
fn weights_that_do_not_fit_are_refused_before_anything_runs() {
    let fleet = fleet_with_images();
    let layer = |shape: &[usize]| HostParameters {
        weight: HostTensor::zeros(shape),
        bias: HostTensor::zeros(&shape[..1]),
    };
    let file = fleet.path("one-layer.safetensors");
    fs::write(&file, state_dict(&[layer(&[16, 1, 5, 5])])).unwrap();
    let import = |extra: &[&str]| {
        let mut arguments = vec!["data", "import-weights", file.to_str().unwrap(), "--name", "my-weights"];
        arguments.extend(["--network", "caffenet-28-slim"]);
        arguments.extend(extra);
        fleet.jobctl(&arguments)
    };

    let unmapped = import(&["--channels", "1"]);
    assert_eq!(unmapped.code, 2, "{}", unmapped.err);
    assert!(unmapped.err.contains("if it is conv1's, say --map features.0=conv1"), "{}", unmapped.err);
    let coloured = import(&["--channels", "3", "--map", "features.0=conv1"]);
    assert!(coloured.err.contains("[16, 1, 5, 5], but the network's is [16, 3, 5, 5]"), "{}", coloured.err);
    let pickle = fleet.write("mine.pt", "PK\u{3}\u{4}, and so on");
    let pickled = fleet.jobctl(&[
        "data",
        "import-weights",
        &pickle,
        "--network",
        "caffenet-28-slim",
        "--channels",
        "1",
        "--name",
        "x",
    ]);
    assert!(pickled.err.contains("only safetensors files are read"), "{}", pickled.err);

    let grid = fleet.write("imported.yaml", IMPORTED);
    let unknown = fleet.jobctl(&["submit", &grid, "--yes"]);
    assert_eq!(unknown.code, 2, "{}", unknown.err);
    assert!(unknown.err.contains("my-weights"), "{}", unknown.err);
    assert_eq!(import(&["--channels", "1", "--map", "features.0=conv1"]).code, 0);
    let too_few = fleet.jobctl(&["submit", &grid, "--yes"]);
    assert_eq!(too_few.code, 2, "{}", too_few.err);
    assert!(too_few.err.contains("they have 1 layers, and 3 are to be copied"), "{}", too_few.err);
    assert!(fleet.jobctl(&["show", "imported"]).code == 3);
}

fn succeed(fleet: &Fleet, study: &str, grid: &str, jobs: usize) {
    let grid = fleet.write(&format!("{study}.yaml"), grid);
    let followed = fleet.jobctl(&["submit", &grid, "--yes", "--follow"]);
    assert_eq!(followed.code, 0, "{}{}", followed.out, followed.err);
    let states = fleet.states(study);
    assert_eq!(states.len(), jobs, "{states:?}");
    assert!(states.iter().all(|(_, state)| state == "succeeded"), "{states:?}");
}

/// The first layers of the only final checkpoint that the worker keeps.
fn final_layers(fleet: &Fleet, layers: usize) -> Vec<HostParameters> {
    let folder = folder_with(&fleet.scratch_folder("one").join("cache"), "01-conv1.safetensors").unwrap();
    let files = ["01-conv1", "02-conv2", "03-conv3"].into_iter().take(layers);
    let read = |file| fs::read(folder.join(format!("{file}.safetensors"))).unwrap();
    files.map(|file| parameters_from_bytes(&read(file)).unwrap()).collect()
}

/// A folder below this one that has a file of this name.
fn folder_with(folder: &Path, file: &str) -> Option<std::path::PathBuf> {
    if folder.join(file).is_file() {
        return Some(folder.to_owned());
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).find_map(|entry| folder_with(&entry.path(), file))
}

/// As `safetensors.torch.save_file(model.features.state_dict())` names them.
fn state_dict(layers: &[HostParameters]) -> Vec<u8> {
    let named = layers.iter().enumerate().flat_map(|(index, layer)| {
        let prefix = format!("features.{}", 3 * index);
        [(format!("{prefix}.weight"), &layer.weight), (format!("{prefix}.bias"), &layer.bias)]
    });
    let named: Vec<_> = named.collect();
    tensors_to_bytes(&named.iter().map(|(name, tensor)| (name.as_str(), *tensor)).collect::<Vec<_>>())
}

/// The names of all chunks in the store.
fn chunks(fleet: &Fleet) -> BTreeSet<String> {
    fn collect(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path().is_dir() {
                true => collect(&entry.path(), found),
                false => drop(found.insert(entry.file_name().to_string_lossy().into_owned())),
            }
        }
    }
    let mut found = BTreeSet::new();
    collect(&fleet.data_folder().join("store/cas"), &mut found);
    assert!(!found.is_empty());
    found
}
