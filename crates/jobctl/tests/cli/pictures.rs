//! `jobctl data import` of folders of pictures, also when it is killed half way.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::program::run_in;

/// How long anything here may take, at the most.
const PATIENCE: Duration = Duration::from_secs(120);

fn write_png(path: &Path, salt: u32) {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 8, 8);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> =
        (0..192_u32).map(|index| (index * 7 + salt * 13 + index * salt % 31) as u8).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// So many pictures of each of two classes.
fn write_set(folder: &Path, per_class: u32) {
    for (class, first) in [("cat", 0), ("dog", 1_000_000)] {
        for number in 0..per_class {
            write_png(&folder.join(format!("set/{class}/{number:04}.png")), first + number);
        }
    }
}

const IMPORT: [&str; 6] = ["data", "import", "--format", "folder", "set", "--no-push"];

fn digest_of(folder: &Path, name: &str) -> String {
    let described = run_in(folder, &["data", "inspect", name, "-o", "json"]);
    let description: serde_json::Value = serde_json::from_str(&described.out).unwrap();
    description["digest"].as_str().unwrap().to_owned()
}

#[test]
fn an_import_that_is_killed_half_way_goes_on_and_gives_the_same_pack() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), 480);
    let one_thread = [&IMPORT[..], &["--threads", "1", "--name", "pets"]].concat();
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("jobctl"))
        .args(&one_thread)
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let partial = folder.path().join("selffer-data/packs/.pets.partial");
    let deadline = Instant::now() + PATIENCE;
    while !partial.join("train-00000.done").exists() {
        assert!(Instant::now() < deadline && child.try_wait().unwrap().is_none(), "no shard was finished");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(partial.join("train-00000.safetensors").exists());
    assert!(!folder.path().join("selffer-data/packs/pets").exists());

    let resumed = run_in(folder.path(), &one_thread);
    let undisturbed = run_in(folder.path(), &[&IMPORT[..], &["--name", "other"]].concat());

    assert_eq!((resumed.code, undisturbed.code), (0, 0), "{}", resumed.err);
    assert!(!partial.exists());
    assert_eq!(digest_of(folder.path(), "pets"), digest_of(folder.path(), "other"));
}

#[test]
fn a_second_import_of_the_same_files_decodes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), 5);
    let import = [&IMPORT[..], &["--size", "8", "--name", "pets"]].concat();
    assert_eq!(run_in(folder.path(), &import).code, 0);

    let again = run_in(folder.path(), &import);

    assert_eq!(again.code, 0, "{}", again.err);
    assert!(again.err.contains("was made of these files in this way"), "{}", again.err);
    let otherwise = run_in(folder.path(), &[&IMPORT[..], &["--size", "9", "--name", "pets"]].concat());
    assert_eq!(otherwise.code, 6, "{}", otherwise.err);
}

#[test]
fn a_grouping_of_ones_own_divides_the_classes() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), 5);
    fs::write(folder.path().join("pets-size.csv"), "class,half\ndog,A\ncat,B\n").unwrap();
    let import = [&IMPORT[..], &["--size", "8", "--name", "pets", "--groups", "pets-size.csv"]].concat();

    let imported = run_in(folder.path(), &import);

    assert_eq!(imported.code, 0, "{}", imported.err);
    let split = run_in(folder.path(), &["data", "split", "pets", "size", "-o", "csv"]);
    assert_eq!(split.out, "class_index,half,new_index\n0,B,0\n1,A,0\n");
}

#[test]
fn pictures_that_cannot_be_decoded_are_listed_and_too_many_end_the_import() {
    let folder = tempfile::tempdir().unwrap();
    write_set(folder.path(), 20);
    fs::write(folder.path().join("set/cat/broken.jpg"), "GIF89a and so on").unwrap();
    let import = |more: &[&str]| {
        run_in(
            folder.path(),
            &[&IMPORT[..], &["--size", "8", "--name", "pets", "--validation-share", "0.2"], more].concat(),
        )
    };

    let strict = import(&[]);
    let lenient = import(&["--undecodable-max", "0.5"]);

    assert_eq!(strict.code, 1);
    assert!(strict.err.contains("  cat/broken.jpg: this looks like a GIF"), "{}", strict.err);
    assert!(strict.err.contains("--undecodable-max"), "{}", strict.err);
    assert_eq!(lenient.code, 0, "{}", lenient.err);
    assert!(lenient.err.contains("left out, because they cannot be decoded: 1 picture"), "{}", lenient.err);
}

#[test]
fn options_that_do_nothing_are_mistakes() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("set")).unwrap();
    for (format, option, expected) in [
        ("idx", ["--size", "32"], "--size does nothing here: images of this format have one shape"),
        ("cifar", ["--jpeg", "90"], "--jpeg does nothing here"),
        ("ilsvrc2012", ["--seed", "3"], "--seed does nothing here: ilsvrc2012 has its own images"),
    ] {
        let arguments = ["data", "import", "--format", format, "set", "--no-push", "--name", "x"];
        let printed = run_in(folder.path(), &[&arguments[..], &option].concat());
        assert_eq!(printed.code, 2);
        assert!(printed.err.contains(expected), "{}", printed.err);
    }
}
