//! Listing class folders.

use std::{fs, os::unix::fs::symlink, path::Path};

use selffer_core::spec::Half;
use selffer_data::import::{
    folder::{FolderOptions, list},
    listing::{Entry, Listing, PICTURE_BYTES_MAX},
};

use crate::{
    pictures::{bytes_of, names, read_all, write, write_all},
    tiny::chain,
};

const OPTIONS: FolderOptions = FolderOptions { validation_share: 0.3, seed: 0 };

fn folder_of(names: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_all(folder.path(), names);
    folder
}

/// The message for a folder of these pictures, without the folder's own path.
fn refusal(names: &[&str]) -> String {
    refusal_of(folder_of(names).path(), OPTIONS)
}

fn refusal_of(folder: &Path, options: FolderOptions) -> String {
    let message = chain(&list(folder, options).unwrap_err());
    message.replace(&format!("{}/", folder.display()), "").replace(&folder.display().to_string(), "SOURCE")
}

fn classes_of_ten(classes: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for class in classes {
        for number in 0..10 {
            write_all(folder.path(), &[&format!("{class}/{number}.jpg")]);
        }
    }
    folder
}

fn tested<'a>(listing: &'a Listing, class: &str) -> Vec<&'a str> {
    let of_class = |name: &&str| name.starts_with(&format!("{class}/"));
    names(&listing.validation).into_iter().filter(of_class).collect()
}

#[test]
fn given_subsets_are_listed_by_class_and_file_name() {
    let folder = folder_of(&[
        "train/dog/b.jpg",
        "train/dog/a.PNG",
        "train/cat/9.jpeg",
        "train/cat/10.JPG",
        "val/dog/x.png",
        "val/cat/y.png",
        "train/cat/.DS_Store",
        "train/cat/Thumbs.db",
        "train/cat/notes.txt",
        "readme.md",
        "test/cat/z.png",
        "train/list.csv",
    ]);

    let listing = list(folder.path(), OPTIONS).unwrap();

    let classes: Vec<_> = listing.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(classes, ["cat", "dog"]);
    let train = ["train/cat/10.JPG", "train/cat/9.jpeg", "train/dog/a.PNG", "train/dog/b.jpg"];
    assert_eq!(names(&listing.train), train);
    assert_eq!(names(&listing.validation), ["val/cat/y.png", "val/dog/x.png"]);
    assert_eq!(listing.skipped.names, ["readme.md", "test", "train/list.csv", "train/cat/notes.txt"]);
    assert_eq!(listing.skipped.count, 4);
    assert!(listing.groupings.is_empty());
    assert_eq!(read_all(&listing, &listing.train)[2], (1, "a.PNG".to_owned(), bytes_of("a.PNG")));
}

#[test]
fn a_share_of_each_class_is_kept_and_another_class_changes_nothing() {
    let (two, three) = (classes_of_ten(&["cat", "dog"]), classes_of_ten(&["bee", "cat", "dog"]));

    let listing = list(two.path(), OPTIONS).unwrap();
    let more = list(three.path(), OPTIONS).unwrap();

    assert_eq!((listing.train.len(), listing.validation.len()), (14, 6));
    for class in ["cat", "dog"] {
        assert_eq!(tested(&listing, class).len(), 3);
        assert_eq!(tested(&listing, class), tested(&more, class));
    }
    // The draw is a part of what a seed stands for: it never changes. Found with Python's
    // blake3 and whole-number arithmetic.
    assert_eq!(tested(&listing, "cat"), ["cat/0.jpg", "cat/2.jpg", "cat/8.jpg"]);
    let reseeded = list(two.path(), FolderOptions { seed: 1, ..OPTIONS }).unwrap();
    assert_ne!(names(&reseeded.validation), names(&listing.validation));
}

#[test]
fn at_least_one_picture_is_on_each_side() {
    let folder = folder_of(&["a/1.png", "a/2.png", "b/1.png", "b/2.png", "b/3.png"]);
    for (validation_share, train) in [(0.001, 3), (0.999, 2)] {
        let listing = list(folder.path(), FolderOptions { validation_share, seed: 0 }).unwrap();
        assert_eq!(listing.train.len(), train);
    }
}

#[test]
fn folders_of_wordnet_ids_get_names_and_halves() {
    let folder = classes_of_ten(&["n01440764", "n04152593"]);

    let listing = list(folder.path(), OPTIONS).unwrap();

    assert_eq!(listing.classes[0].name, "tench");
    assert_eq!(listing.classes[0].wnid.as_deref(), Some("n01440764"));
    assert_eq!(listing.groupings["manmade-natural"], [Half::B, Half::A]);
}

#[test]
fn links_are_followed_and_a_circle_is_refused() {
    let folder = folder_of(&["a/1.png", "a/2.png", "b/1.png"]);
    symlink(folder.path().join("a/1.png"), folder.path().join("b/2.png")).unwrap();
    symlink(folder.path().join("a"), folder.path().join("c")).unwrap();
    assert_eq!(list(folder.path(), OPTIONS).unwrap().classes.len(), 3);

    symlink(folder.path(), folder.path().join("a/all")).unwrap();
    let expected = "a/all is a folder, but pictures lie directly in their class folder";
    assert_eq!(refusal_of(folder.path(), OPTIONS), expected);
    fs::remove_file(folder.path().join("a/all")).unwrap();
    symlink("self.png", folder.path().join("a/self.png")).unwrap();
    let message = refusal_of(folder.path(), OPTIONS);
    assert!(message.starts_with("cannot read a/self.png: Too many levels of symbolic links"), "{message}");
}

#[test]
fn what_is_no_set_of_class_folders_is_refused_with_its_place() {
    let cases: [(&[&str], &str); 9] = [
        (&["a/1.png", "a/2.png"], "SOURCE has 1 class folders, expected 2 to 100000"),
        (&["1.png", "2.png"], "SOURCE has 0 class folders, expected 2 to 100000"),
        (
            &["a/1.png", "a/2.png", "b/deep/1.png"],
            "b/deep is a folder, but pictures lie directly in their class folder",
        ),
        (
            &["a/1.png", "a/2.png", "b/1.png"],
            "b has 1 picture, expected at least 2: one to train on and one to test on",
        ),
        (
            &["a/1.png", "a/2.png", "b/1.txt"],
            "SOURCE: class b has no picture in train, expected at least one",
        ),
        (
            &["train/a/1.png", "train/b/1.png", "train/c/1.png", "val/a/1.png", "val/d/1.png"],
            "SOURCE: only train has classes b and c; only validation has class d",
        ),
        (
            &["train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.gif"],
            "SOURCE: class b has no picture in validation, expected at least one",
        ),
        (
            &["train/a/1.png", "train/b/1.png"],
            "SOURCE has train with class folders, but any of val, validation, test is not there",
        ),
        (
            &["train/a/1.png", "val/a/1.png", "validation/a/1.png"],
            "SOURCE has both val and validation, expected one of them",
        ),
    ];
    for (names, expected) in cases {
        assert_eq!(refusal(names), expected);
    }
    assert_eq!(
        refusal(&["val/a/1.png", "val/b/1.png"]),
        "SOURCE has val with class folders, but train is not there"
    );
    for given in [0.0, 1.0, -0.1, f64::NAN] {
        let message = refusal_of(Path::new("nowhere"), FolderOptions { validation_share: given, seed: 0 });
        assert_eq!(message, format!("validation_share is {given}, expected above 0 and below 1"));
    }
}

#[test]
fn a_picture_that_is_not_as_listed_is_refused() {
    let folder = folder_of(&["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    let listing = list(folder.path(), OPTIONS).unwrap();
    let mut entry = listing.train[0].clone();
    let read = |entry: &Entry| listing.read(entry, &mut Vec::new()).unwrap_err().to_string();
    let (name, bytes) = (entry.name.clone(), entry.bytes);

    write(folder.path().join(&*name), "short");
    assert_eq!(read(&entry), format!("{name} is no longer as it was listed: {bytes} bytes then, and 5 now"));
    write(folder.path().join(&*name), vec![0; 10_000]);
    assert_eq!(
        read(&entry),
        format!("{name} is no longer as it was listed: {bytes} bytes then, and more now")
    );
    entry.bytes = PICTURE_BYTES_MAX + 1;
    assert_eq!(read(&entry), format!("{name} has 67108865 bytes, expected at most 67108864"));
}

#[test]
fn the_fingerprint_changes_with_what_decides_and_with_nothing_else() {
    let folder = folder_of(&["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    let listing = list(folder.path(), OPTIONS).unwrap();
    let again = list(folder.path(), OPTIONS).unwrap();
    assert_eq!(listing.fingerprint(), again.fingerprint());

    let changed = |change: fn(&mut Listing)| {
        let mut other = list(folder.path(), OPTIONS).unwrap();
        change(&mut other);
        other.fingerprint()
    };
    assert_ne!(listing.fingerprint(), changed(|listing| listing.train[0].label = 1));
    assert_ne!(listing.fingerprint(), changed(|listing| listing.train[0].bytes += 1));
    assert_ne!(listing.fingerprint(), changed(|listing| listing.classes[0].name.push('a')));
    assert_ne!(listing.fingerprint(), changed(|listing| listing.train.swap(0, 1)));
    write(folder.path().join(&*listing.train[0].name), bytes_of(&listing.train[0].name));
    assert_ne!(listing.fingerprint(), list(folder.path(), OPTIONS).unwrap().fingerprint());
}
