//! Groupings from CSV files.

use std::{collections::BTreeMap, fs};

use selffer_core::{pack::Class, spec::Half};
use selffer_data::import::groups::{GroupsError, GroupsSource, read_groups};

use crate::tiny::chain;

fn classes() -> Vec<Class> {
    let with_id = |wnid: &str, name| Class { wnid: Some(wnid.to_owned()), ..Class::named(name) };
    vec![
        with_id("n02012849", "crane"),
        with_id("n03126707", "crane"),
        with_id("n02119789", "kit fox"),
        with_id("n04152593", "screen"),
    ]
}

fn read(file: &str, name: Option<&str>, text: &str) -> Result<BTreeMap<String, Vec<Half>>, GroupsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(file);
    fs::write(&path, text).unwrap();
    read_groups(GroupsSource { path: &path, name, pack: "lab" }, &classes())
}

/// The message without the file's folder.
fn refusal(name: Option<&str>, text: &str) -> String {
    let message = chain(&read("lab-ab.csv", name, text).unwrap_err());
    match message.find("lab-ab.csv") {
        Some(at) => message[at..].to_owned(),
        None => message,
    }
}

const WHOLE: &str = "class,half\nn03126707,A\nn02012849,B\nscreen,A\n2,B\n";

#[test]
fn classes_are_named_by_name_id_or_index_in_any_order() {
    let halves = vec![Half::B, Half::A, Half::B, Half::A];
    for (file, name, expected) in [
        ("lab-manmade-natural.csv", None, "manmade-natural"),
        ("other.csv", None, "other"),
        ("lab.csv", None, "lab"),
        ("other.csv", Some("mine"), "mine"),
    ] {
        assert_eq!(
            read(file, name, WHOLE).unwrap(),
            [(expected.to_owned(), halves.clone())].into(),
            "{file}"
        );
    }
    let marked = format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"));
    assert_eq!(read("x.csv", None, &marked).unwrap()["x"], halves);
}

#[test]
fn one_file_can_have_several_groupings_and_words() {
    let text = "class,size,words,alive\n0,A,\"one, bird\",A\n1,A,two,B\n2,B,three,A\n3,A,four,B\n";

    let groupings = read("lab-ab.csv", None, text).unwrap();

    assert_eq!(groupings.keys().collect::<Vec<_>>(), ["alive", "size"]);
    assert_eq!(groupings["alive"], [Half::A, Half::B, Half::A, Half::B]);
}

#[test]
fn a_file_that_does_not_divide_the_classes_is_refused_with_the_line() {
    let cases = [
        (
            "name,half\n",
            r#"lab-ab.csv, line 1: the columns are "name,half", expected class,half or class and one or more groupings"#,
        ),
        (
            "class\n0\n",
            r#"lab-ab.csv, line 1: the columns are "class", expected class,half or class and one or more groupings"#,
        ),
        ("class,half\nscren,A\n", r#"lab-ab.csv, line 2: there is no class "scren"; did you mean "screen"?"#),
        ("class,half\n4,A\n", r#"lab-ab.csv, line 2: there is no class "4""#),
        (
            "class,half\ncrane,A\n",
            r#"lab-ab.csv, line 2: 2 classes are called "crane"; name it by its id or its index"#,
        ),
        ("class,half\n0,A\nn02012849,B\n", "lab-ab.csv, line 3: class n02012849 has line 2 already"),
        ("class,half\n0,A\n1,a\n2,B\n3,B\n", r#"lab-ab.csv, line 3: half is "a", expected A or B"#),
        ("class,half\n0,A\n1,B\n", "lab-ab.csv has no line for class kit fox and 1 more"),
        ("class,half\n0,A\n1,A\n2,A\n3,A\n", "lab-ab.csv: half puts no class into half B"),
        (
            "class,words\n0,a\n1,b\n2,c\n3,d\n",
            "lab-ab.csv has no column of halves, expected A or B in each line of one",
        ),
        ("class,ab,half\n0,A,A\n1,A,A\n2,B,B\n3,B,B\n", "lab-ab.csv, line 1: two groupings are called ab"),
    ];
    for (text, expected) in cases {
        assert_eq!(refusal(None, text), expected);
    }
    for name in ["whole", "random-0", "similar-x-1", "a b", ""] {
        let expected = format!(
            "lab-ab.csv: {name:?} cannot name a grouping, expected 1 to 128 of A-Z a-z 0-9 . _ - \
             and neither whole nor random-* nor similar-*"
        );
        assert_eq!(refusal(Some(name), WHOLE), expected);
    }
    let two = "class,x,y\n0,A,A\n1,A,A\n2,B,B\n3,B,B\n";
    assert_eq!(
        refusal(Some("mine"), two),
        "lab-ab.csv, line 1: 2 groupings, but one name was given; let the columns' headers name them"
    );
    let message = refusal(None, "class,half\n0,A,B\n");
    assert!(message.starts_with("lab-ab.csv is no CSV file of one line for each class: "), "{message}");
}
