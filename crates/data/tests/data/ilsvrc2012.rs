//! Listing ILSVRC2012 in the forms in which people have it.

use std::{fs, path::Path};

use selffer_core::spec::Half;
use selffer_data::import::ilsvrc2012::list;

use crate::{
    pictures::{
        SHOWN, WNIDS, bytes_of, class_archive, read_all, tar_of, validation_file, write, write_all,
        write_train_archive, write_train_tree, write_validation_archive, write_validation_flat,
        write_validation_tree,
    },
    tiny::{chain, gzip},
};

const META: &[u8] = include_bytes!("files/meta.mat");
const META_PLAIN: &[u8] = include_bytes!("files/meta-plain.mat");
/// Numbers of the classes in `files/meta_mat.py`, which are in another order than their ids.
const NUMBERS: [u32; 3] = [2, 1, 3];

fn lines(line: impl Fn(usize, usize) -> String) -> String {
    (1..).zip(SHOWN).map(|(number, shown)| line(number, shown) + "\n").collect()
}

fn ground_truth() -> String {
    lines(|_, shown| NUMBERS[shown].to_string())
}

fn write_devkit(source: &Path) {
    write(source.join("ILSVRC2012_devkit_t12/data/meta.mat"), META);
    write(source.join("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"), ground_truth());
}

fn write_packed_devkit(source: &Path) {
    let files = [
        ("ILSVRC2012_devkit_t12/readme.txt", b"read me".to_vec()),
        ("ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt", ground_truth().into_bytes()),
        ("ILSVRC2012_devkit_t12/data/meta.mat", META_PLAIN.to_vec()),
    ];
    write(source.join("ILSVRC2012_devkit_t12.tar.gz"), gzip(&tar_of(files)));
}

fn write_in_order(source: &Path) {
    let text = lines(|_, shown| WNIDS[shown].to_owned());
    write(source.join("imagenet_2012_validation_synset_labels.txt"), text);
}

fn write_caffe(source: &Path) {
    write(source.join("val.txt"), lines(|number, shown| format!("{} {shown}", validation_file(number))));
}

fn write_kaggle(source: &Path) {
    let line = |number, shown: usize| {
        let file = validation_file(number);
        format!("{},{} 1 2 3 4 {0} 5 6 7 8", file.trim_end_matches(".JPEG"), WNIDS[shown])
    };
    write(source.join("LOC_val_solution.csv"), format!("ImageId,PredictionString\n{}", lines(line)));
}

fn write_tsv(source: &Path) {
    write(
        source.join("val.tsv"),
        lines(|number, shown| format!("{}\t{}", validation_file(number), WNIDS[shown])),
    );
}

fn write_class_archives(source: &Path) {
    for wnid in WNIDS {
        write(source.join(format!("train/{wnid}.tar")), class_archive(wnid));
    }
}

fn write_tiny_train(source: &Path) {
    for wnid in WNIDS {
        for number in 1..=3 {
            write_all(source, &[&format!("train/{wnid}/images/{wnid}_{number}.JPEG")]);
        }
        write(source.join(format!("train/{wnid}/{wnid}_boxes.txt")), "");
    }
}

fn write_tiny_validation(source: &Path) {
    for number in 1..=SHOWN.len() {
        write_all(source, &[&format!("val/images/{}", validation_file(number))]);
    }
    let line = |number, shown: usize| format!("{}\t{}\t0\t1\t2\t3", validation_file(number), WNIDS[shown]);
    write(source.join("val/val_annotations.txt"), lines(line));
}

type Write = fn(&Path);

#[test]
fn every_form_of_the_same_pictures_gives_the_same_entries() {
    let forms: [&[Write]; 9] = [
        &[write_train_tree, write_validation_tree],
        &[write_train_archive, write_validation_archive, write_packed_devkit],
        &[write_train_archive, write_validation_tree],
        &[write_train_tree, write_validation_archive, write_devkit],
        &[write_class_archives, write_validation_flat, write_in_order],
        &[write_train_tree, write_validation_flat, write_caffe],
        &[write_train_tree, write_validation_archive, write_kaggle],
        &[write_train_tree, write_validation_flat, write_tsv],
        &[write_tiny_train, write_tiny_validation],
    ];
    let mut expected = None;
    for (index, form) in forms.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        for write in *form {
            write(folder.path());
        }

        let listing = list(folder.path()).unwrap_or_else(|error| panic!("form {index}: {}", chain(&error)));

        let found = (
            listing.classes.clone(),
            listing.groupings.clone(),
            read_all(&listing, &listing.train),
            read_all(&listing, &listing.validation),
        );
        assert_eq!((found.2.len(), found.3.len()), (9, 5), "form {index}");
        assert_eq!(found.2[0], (0, "n01440764_1.JPEG".to_owned(), bytes_of("n01440764_1.JPEG")));
        assert_eq!(*expected.get_or_insert_with(|| found.clone()), found, "form {index}");
    }
    let (classes, groupings, ..) = expected.unwrap();
    let names: Vec<_> = classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["tench", "kit fox", "screen"]);
    assert_eq!(groupings["manmade-natural"], [Half::B, Half::B, Half::A]);
}

#[test]
fn entries_are_called_by_archive_and_path() {
    let folder = tempfile::tempdir().unwrap();
    write_train_archive(folder.path());
    write_validation_archive(folder.path());
    write_devkit(folder.path());
    write_caffe(folder.path());

    let listing = list(folder.path()).unwrap();

    assert_eq!(&*listing.train[0].name, "ILSVRC2012_img_train.tar: n01440764.tar/n01440764_1.JPEG");
    assert_eq!(&*listing.validation[0].name, "ILSVRC2012_img_val.tar: ILSVRC2012_val_00000002.JPEG");
    let fingerprint = listing.fingerprint();
    write_train_archive(folder.path());
    assert_ne!(fingerprint, list(folder.path()).unwrap().fingerprint(), "its archive was written anew");
}

/// The message for trees to which `spoil` was done, without the folder's own path.
fn refusal(spoil: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_train_tree(folder.path());
    write_validation_flat(folder.path());
    spoil(folder.path());
    let message = chain(&list(folder.path()).unwrap_err());
    message
        .replace(&format!("{}/", folder.path().display()), "")
        .replace(&folder.path().display().to_string(), "SOURCE")
}

/// The message where this is the list of that name.
fn refusal_of_list(name: &str, text: impl AsRef<[u8]>) -> String {
    refusal(|source| write(source.join(name), &text))
}

#[test]
fn lists_that_do_not_agree_with_the_pictures_are_refused_with_the_line() {
    let caffe = lines(|number, shown| format!("{} {shown}", validation_file(number)));
    let cases = [
        (
            "imagenet_2012_validation_synset_labels.txt",
            "n01440764\nn02119789\n".to_owned(),
            "imagenet_2012_validation_synset_labels.txt has 2 labels, but val has 5 pictures",
        ),
        (
            "imagenet_2012_validation_synset_labels.txt",
            "n01440764\ntench\n".to_owned(),
            "imagenet_2012_validation_synset_labels.txt, line 2: \"tench\", expected a WordNet id as n01440764",
        ),
        (
            "imagenet_2012_validation_synset_labels.txt",
            "n01440764\n".repeat(4) + "n01443537",
            "imagenet_2012_validation_synset_labels.txt, line 5: n01443537 is not among the 3 classes to train on",
        ),
        ("val.txt", caffe.replace("1.JPEG 2", "1.JPEG 3"), "val.txt, line 1: there is no class 3"),
        (
            "val.txt",
            "picture".to_owned(),
            "val.txt, line 1: \"picture\", expected a file and the index of its class",
        ),
        (
            "val.txt",
            caffe.clone() + "ILSVRC2012_val_00000002.JPEG 0",
            "val.txt, line 6: ILSVRC2012_val_00000002.JPEG has a label already",
        ),
        ("val.txt", caffe.clone() + "more.JPEG 0", "val.txt, line 6: more is not among the pictures of val"),
        (
            "val.txt",
            caffe.replace("00000004", "00000014"),
            "val.txt has no label for val/ILSVRC2012_val_00000004.JPEG",
        ),
        (
            "val.csv",
            "file,wnid\na.JPEG,b".to_owned(),
            "val.csv, line 2: \"a.JPEG,b\", expected a file and the WordNet id of its class",
        ),
    ];
    for (name, text, expected) in cases {
        assert_eq!(refusal_of_list(name, text), expected);
    }
    let none = refusal(|_| {});
    assert!(
        none.starts_with("val has no labels; expected in SOURCE one of ILSVRC2012_devkit_t12.tar.gz, "),
        "{none}"
    );
    let nothing = refusal(|source| fs::remove_dir_all(source.join("train")).unwrap());
    assert!(nothing.starts_with("SOURCE has none of ILSVRC2012_img_train.tar, train, "), "{nothing}");
}

#[test]
fn trees_that_are_no_such_set_are_refused() {
    let message = refusal(|source| write_all(source, &["train/cat/1.JPEG"]));
    let expected = "train/cat is not called by a WordNet id as n01440764; \
                    class folders of other names are another format";
    assert_eq!(message, expected);
    let message = refusal(|source| write_all(source, &["train/n01440764/images/1.JPEG"]));
    let expected =
        "train/n01440764 has 3 pictures beside its folder images, expected them all in there or none";
    assert_eq!(message, expected);
    let message = refusal(|source| write_all(source, &["val/n01440764/1.JPEG"]));
    assert_eq!(message, "SOURCE: only train has classes n02119789 and n04152593");
    let message = refusal(|source| {
        let text = "n01440764\n".repeat(5);
        write(source.join("imagenet_2012_validation_synset_labels.txt"), text);
    });
    assert_eq!(message, "SOURCE: class n02119789 has no picture in validation, expected at least one");
}

/// The message where this is the devkit's table of classes.
fn refusal_of_meta(meta: &[u8]) -> String {
    refusal(|source| {
        write_devkit(source);
        write(source.join("ILSVRC2012_devkit_t12/data/meta.mat"), meta);
    })
    .replace("ILSVRC2012_devkit_t12/data/", "")
}

/// The table with some bytes replaced by as many others.
fn meta_with(from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut bytes = META_PLAIN.to_vec();
    let at = bytes.windows(from.len()).position(|window| window == from).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to);
    bytes
}

#[test]
fn a_devkit_that_is_not_what_it_should_be_is_refused() {
    let cases: [(&[u8], &str); 7] = [
        (b"no table", "meta.mat: byte 124: no header of a MATLAB 5 file, little-endian"),
        (&META[..128], "meta.mat: there is no variable synsets"),
        (&META[..300], "meta.mat: byte 186: an element of 413 bytes, but only 114 are left"),
        (&meta_with(b"synsets", b"Synsets"), "meta.mat: there is no variable synsets"),
        (&meta_with(b"WNID", b"wnid"), "meta.mat: synsets has no field WNID"),
        (
            &meta_with(&2_f64.to_le_bytes(), &2.5_f64.to_le_bytes()),
            "meta.mat: synsets[1].ILSVRC2012_ID is no whole number",
        ),
        (
            &meta_with(&2_f64.to_le_bytes(), &1_f64.to_le_bytes()),
            "meta.mat: n02119789 and n01440764 both have ILSVRC2012_ID 1",
        ),
    ];
    for (meta, expected) in cases {
        assert_eq!(refusal_of_meta(meta), expected);
    }
    let mut damaged = META.to_vec();
    damaged[200] ^= 0xff;
    assert_eq!(
        refusal_of_meta(&damaged),
        "meta.mat: byte 186: a compressed variable that cannot be unpacked"
    );
    let message = refusal(|source| {
        write(source.join("ILSVRC2012_devkit_t12.tar.gz"), gzip(&tar_of([("data/other", vec![])])));
    });
    assert_eq!(message, "ILSVRC2012_devkit_t12.tar.gz has no data/meta.mat, which the devkit comes with");
    let message = refusal(|source| {
        let files = [("../data/meta.mat", META.to_vec())];
        write(source.join("ILSVRC2012_devkit_t12.tar.gz"), gzip(&tar_of(files)));
    });
    let expected = "cannot read ILSVRC2012_devkit_t12.tar.gz: \"../data/meta.mat\" leads out of the archive";
    assert_eq!(message, expected);
}
