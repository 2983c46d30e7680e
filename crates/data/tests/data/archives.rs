//! Archives that are hostile or damaged: refused with archive and byte, by reading headers.

use std::path::Path;

use selffer_data::import::ilsvrc2012::list;
use tar::{Builder, EntryType, Header};

use crate::{
    pictures::{
        WNIDS, append, class_archive, names, tar_of, write, write_train_archive, write_validation_tree,
    },
    tiny::{chain, gzip},
};

const TRAIN: &str = "ILSVRC2012_img_train.tar";

fn message(source: &Path) -> String {
    let message = chain(&list(source).unwrap_err());
    message.replace(&format!("{}/", source.display()), "")
}

/// The message for this archive of archives.
fn refusal(train: impl AsRef<[u8]>) -> String {
    let folder = tempfile::tempdir().unwrap();
    write_validation_tree(folder.path());
    write(folder.path().join(TRAIN), train);
    message(folder.path())
}

/// The message for an archive of archives whose second class has this archive.
fn refusal_of_inner(inner: Vec<u8>) -> String {
    let third = class_archive(WNIDS[2]);
    let inner =
        [("n01440764.tar", class_archive(WNIDS[0])), ("n02119789.tar", inner), ("n04152593.tar", third)];
    refusal(tar_of(inner))
}

/// An archive of this one entry.
fn of_one(name: &str, kind: EntryType, bytes: &[u8]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    append(&mut builder, (name, kind), bytes);
    builder.into_inner().unwrap()
}

/// An archive of this one entry, which claims to have this many bytes.
fn of_size(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
    let mut bytes = of_one(name, kind, b"");
    let mut header = Header::new_gnu();
    header.as_mut_bytes().copy_from_slice(&bytes[..512]);
    header.set_size(size);
    header.set_cksum();
    bytes[..512].copy_from_slice(header.as_bytes());
    bytes
}

#[test]
fn entries_that_are_no_plain_files_within_are_refused() {
    let cases = [
        ("../a.JPEG", EntryType::Regular, r#""../a.JPEG" leads out of the archive"#),
        ("a/../../b.JPEG", EntryType::Regular, r#""a/../../b.JPEG" leads out of the archive"#),
        ("/etc/a.JPEG", EntryType::Regular, r#""/etc/a.JPEG" leads out of the archive"#),
        ("a.JPEG", EntryType::Symlink, "a.JPEG is a link, expected plain files and folders"),
        ("a.JPEG", EntryType::Link, "a.JPEG is a hard link, expected plain files and folders"),
        ("a.JPEG", EntryType::Char, "a.JPEG is a device, expected plain files and folders"),
        ("a.JPEG", EntryType::Fifo, "a.JPEG is a pipe, expected plain files and folders"),
        ("a.JPEG", EntryType::GNUSparse, "a.JPEG is a sparse file, expected plain files and folders"),
        ("a.JPEG", EntryType::new(b'M'), "a.JPEG is of an unknown kind, expected plain files and folders"),
        ("a.tar", EntryType::Regular, "a.tar is not expected here: the archive holds pictures"),
    ];
    let inner_at = 512 + class_archive(WNIDS[0]).len() + 512;
    for (name, kind, expected) in cases {
        let expected = format!("{TRAIN}: n02119789.tar, byte {inner_at}: {expected}");
        assert_eq!(refusal_of_inner(of_one(name, kind, b"")), expected);
    }
}

#[test]
fn sizes_and_names_beyond_all_bounds_are_not_believed() {
    let at = "ILSVRC2012_img_train.tar, byte 0";
    let huge = 1 << 60;
    let message = refusal(of_size("n01440764.tar", EntryType::Regular, huge));
    let expected =
        "n01440764.tar has 1152921504606846976 bytes, but the archive ends at byte 1536: it was cut short";
    assert_eq!(message, format!("{at}: {expected}"));
    let message = refusal(of_size("n01440764.tar", EntryType::Regular, u64::MAX));
    assert!(message.ends_with("but the archive ends at byte 1536: it was cut short"), "{message}");
    let message = refusal(of_size("long", EntryType::GNULongName, huge));
    assert_eq!(message, format!("{at}: a long name of 1152921504606846976 bytes, expected at most 4096"));
    let message = refusal(of_size("pax", EntryType::XHeader, huge));
    assert_eq!(
        message,
        format!("{at}: an extended header of 1152921504606846976 bytes, expected at most 65536")
    );
    let message = refusal(of_one("pax", EntryType::XHeader, b"99 path=x\n"));
    assert_eq!(message, format!("{at}: an extended header that is no list of LENGTH KEY=VALUE"));
    let message = refusal(of_one("pax", EntryType::XHeader, b"22 GNU.sparse.major=1\n"));
    assert_eq!(
        message,
        format!("{at}: an extended header of a sparse file, expected plain files and folders")
    );
    let mut no_number = of_one("n01440764.tar", EntryType::Regular, b"");
    no_number[124..136].copy_from_slice(b"0000000000x\0");
    let mut header = Header::from_byte_slice(&no_number[..512]).clone();
    header.set_cksum();
    no_number[..512].copy_from_slice(header.as_bytes());
    assert_eq!(refusal(no_number), format!("{at}: a header whose size is no number"));
}

#[test]
fn an_archive_that_is_cut_short_or_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write_train_archive(folder.path());
    let whole = std::fs::read(folder.path().join(TRAIN)).unwrap();
    let inner = class_archive(WNIDS[2]).len();

    let cut = refusal(&whole[..whole.len() - 2048]);
    let at = 2 * (512 + inner);
    let expected = format!(
        "n02119789.tar has {inner} bytes, but the archive ends at byte {}: it was cut short",
        whole.len() - 2048
    );
    assert_eq!(cut, format!("{TRAIN}, byte {at}: {expected}"));
    // Cut where an entry ends: what is missing are the empty blocks at the end.
    let expected = "expected another entry or the empty block that ends an archive: it was cut short";
    assert_eq!(refusal(&whole[..at]), format!("{TRAIN}, byte {at}: {expected}"));
    assert_eq!(refusal(""), format!("{TRAIN}, byte 0: {expected}"));
    let no_header = "no tar header: its checksum does not agree";
    assert_eq!(refusal([b'x'; 1024]), format!("{TRAIN}, byte 0: {no_header}"));
    let expected = "the archive is compressed; unpack it with gunzip first, it is read where it lies";
    assert_eq!(refusal(gzip(&whole)), format!("{TRAIN}, byte 0: {expected}"));
    let mut damaged = whole.clone();
    damaged[at] ^= 1;
    assert_eq!(refusal(damaged), format!("{TRAIN}, byte {at}: {no_header}"));
}

#[test]
fn what_does_not_belong_into_an_archive_is_refused_or_told() {
    let expected = "the archive holds archives that are called by WordNet ids, as n01440764.tar";
    let message = refusal(tar_of([("picture.JPEG", vec![])]));
    assert_eq!(message, format!("{TRAIN}, byte 0: picture.JPEG is not expected here: {expected}"));
    let twice = [("n01440764.tar", class_archive(WNIDS[0])), ("x/n01440764.tar", class_archive(WNIDS[0]))];
    let message = refusal(tar_of(twice));
    let name = format!("{TRAIN}: n01440764.tar");
    assert_eq!(
        message,
        format!("{name} and {name} have the same file name, which must be unique within a class")
    );
    let message = refusal_of_inner(tar_of([("a.JPEG", vec![]), ("./a.JPEG", vec![])]));
    let name = format!("{TRAIN}: n02119789.tar/a.JPEG");
    assert_eq!(
        message,
        format!("{name} and {name} have the same file name, which must be unique within a class")
    );
}

#[test]
fn names_in_extended_headers_are_taken_and_other_files_are_told() {
    let folder = tempfile::tempdir().unwrap();
    write_validation_tree(folder.path());
    let mut inner = Builder::new(Vec::new());
    let long = format!("{}.JPEG", "n".repeat(150));
    let mut header = Header::new_gnu();
    header.set_size(1);
    inner.append_data(&mut header, &long, &b"a"[..]).unwrap();
    append(&mut inner, ("pax", EntryType::XHeader), b"23 path=d/extended.png\n");
    append(&mut inner, ("short.JPEG", EntryType::Regular), b"b");
    append(&mut inner, ("notes.txt", EntryType::Regular), b"c");
    append(&mut inner, ("d/", EntryType::Directory), b"");
    let first = inner.into_inner().unwrap();
    let inner = [
        ("n01440764.tar", first),
        ("n02119789.tar", class_archive(WNIDS[1])),
        ("n04152593.tar", class_archive(WNIDS[2])),
        ("readme", vec![]),
    ];
    write(folder.path().join(TRAIN), tar_of(inner));

    let listing = list(folder.path()).unwrap();

    let first = names(&listing.train)[..2].to_vec();
    let within = |name: &str| format!("{TRAIN}: n01440764.tar/{name}");
    assert_eq!(first, [within("d/extended.png"), within(&long)]);
    assert_eq!(listing.skipped.names, [format!("{TRAIN}: readme"), within("notes.txt")]);
    let mut buffer = Vec::new();
    listing.read(&listing.train[0], &mut buffer).unwrap();
    assert_eq!(buffer, b"b");
}
