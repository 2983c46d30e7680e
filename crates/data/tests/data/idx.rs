//! Importing IDX sets that are as they should be.

use std::fs;

use selffer_core::spec::ImageShape;
use selffer_data::{
    ImageBuffer, Pack,
    import::{
        Progress,
        idx::{IdxSource, open},
    },
    shards::PackWriter,
};

use crate::tiny;

#[test]
fn a_pack_holds_the_images_and_labels_of_its_files() {
    let (_folder, path) = tiny::imported();

    let pack = Pack::open(&path).unwrap();

    pack.verify().unwrap();
    assert_eq!(pack.train().len(), 12);
    assert_eq!(pack.validation().len(), 4);
    for index in 0..12 {
        assert_eq!(pack.train().image(index, &mut ImageBuffer::default()).unwrap(), tiny::image(index));
        assert_eq!(pack.train().label(index), u32::from(tiny::TRAIN_LABELS[index]));
    }
    assert_eq!(pack.manifest().train.images_per_class, [3, 3, 3, 3]);
    let names: Vec<_> = pack.manifest().classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["0", "1", "2", "3"]);
}

#[test]
fn the_same_images_give_the_same_digest_plain_or_gzipped() {
    let (_plain_folder, plain) = tiny::imported();
    let folder = tempfile::tempdir().unwrap();
    let set = tiny::write_set(folder.path());
    for name in tiny::files_in(&set) {
        let bytes = fs::read(set.join(&name)).unwrap();
        fs::write(set.join(format!("{name}.gz")), tiny::gzip(&bytes)).unwrap();
        fs::remove_file(set.join(&name)).unwrap();
    }

    let gzipped = tiny::import_set(folder.path()).unwrap();

    assert_eq!(Pack::open(&gzipped).unwrap().digest(), Pack::open(&plain).unwrap().digest());
    // What is told of an import names its files; the pack does not.
    for file in tiny::files_in(&plain).into_iter().filter(|file| file != "import.json") {
        assert_eq!(fs::read(gzipped.join(&file)).unwrap(), fs::read(plain.join(&file)).unwrap(), "{file}");
    }
}

#[test]
fn the_digest_of_a_pack_is_fixed() {
    let (_folder, path) = tiny::imported();

    let digest = Pack::open(&path).unwrap().digest().to_string();

    // Printed by this test; a change means that every pack there is gets another name.
    assert_eq!(digest, "eb6b920ad9a424534ef334e3c0003ee31726c733b8808350da4f23f222337ef9");
}

#[test]
fn a_shard_is_read_by_any_safetensors_reader() {
    let (_folder, path) = tiny::imported();
    let bytes = fs::read(path.join("train-00000.safetensors")).unwrap();

    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();

    let images = tensors.tensor("images").unwrap();
    assert_eq!(images.shape(), [12, 3, 2, 1]);
    assert_eq!(images.data(), (0..12).flat_map(tiny::image).collect::<Vec<_>>());
    assert_eq!(tensors.tensor("labels").unwrap().shape(), [12]);
}

#[test]
fn progress_is_told_from_the_start_to_the_end_of_each_subset() {
    let folder = tempfile::tempdir().unwrap();
    let source = IdxSource::in_folder(&tiny::write_set(folder.path())).unwrap();
    let mut told = Vec::new();

    let set = open(&source).unwrap();
    set.import(&folder.path().join("pack"), &mut |progress| told.push(progress)).unwrap();

    let at = |subset, images_done: u64, images_total: u64| {
        let (bytes_done, bytes_total) = (images_done * 6, images_total * 6);
        Progress { subset, images_done, images_resumed: 0, images_total, bytes_done, bytes_total }
    };
    let expected = [at("train", 0, 12), at("train", 12, 12), at("validation", 0, 4), at("validation", 4, 4)];
    assert_eq!(told, expected);
}

#[test]
fn what_a_killed_import_left_is_cleared_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_set(folder.path());
    fs::create_dir(folder.path().join(".pack.partial")).unwrap();
    fs::write(folder.path().join(".pack.partial/train-00000.safetensors"), "half a shard").unwrap();

    tiny::import_set(folder.path()).unwrap();

    assert_eq!(tiny::files_in(folder.path()), ["pack", "set"]);
    let files = tiny::files_in(&folder.path().join("pack"));
    assert_eq!(
        files,
        ["import.json", "manifest.json", "train-00000.safetensors", "validation-00000.safetensors"]
    );
}

#[test]
fn two_imports_to_one_place_exclude_each_other() {
    let folder = tempfile::tempdir().unwrap();
    tiny::write_set(folder.path());
    let image = ImageShape { height: 3, width: 2, channels: 1 };
    let first = PackWriter::create(&folder.path().join("pack"), image).unwrap();

    let error = tiny::import_set(folder.path()).unwrap_err();

    assert!(error.to_string().starts_with("another import is writing to "), "{error}");
    drop(first);
    tiny::import_set(folder.path()).unwrap();
}

#[test]
fn fashion_mnist_gets_its_class_names_by_its_name_or_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let set = tiny::write_set(folder.path());
    let named_folder = folder.path().join("fashion-mnist");
    fs::rename(&set, &named_folder).unwrap();

    let by_folder = IdxSource::in_folder(&named_folder).unwrap();
    fs::rename(&named_folder, &set).unwrap();
    let unnamed = IdxSource::in_folder(&set).unwrap();

    assert_eq!(unnamed.class_names, None);
    let by_name = unnamed.called("fashion-mnist");
    assert_eq!(by_name.class_names, by_folder.class_names);
    let names = by_name.class_names.unwrap();
    assert_eq!((names[0].as_str(), names[9].as_str(), names.len()), ("T-shirt/top", "Ankle boot", 10));
}
