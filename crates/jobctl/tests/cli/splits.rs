//! `jobctl data split` against the paper's own halves.

use std::collections::BTreeMap;

use super::program::{in_tree, run};

/// `class_index → (half, new index)` of draw K, from the facts that `core` is tested with.
fn recorded(draw: usize) -> BTreeMap<u32, (String, u32)> {
    let path = in_tree("crates/core/tests/data/random_halves.csv");
    let mut reader = csv::ReaderBuilder::new().comment(Some(b'#')).from_path(path).unwrap();
    let headers = reader.headers().unwrap().clone();
    let column = |name: String| headers.iter().position(|header| header == name).unwrap();
    let (index, half, new_index) =
        (column("class_index".into()), column(format!("half{draw}")), column(format!("new_index{draw}")));
    let rows = reader.records().map(|record| {
        let record = record.unwrap();
        let new_index = record[new_index].parse().unwrap();
        (record[index].parse().unwrap(), (record[half].to_owned(), new_index))
    });
    rows.collect()
}

#[test]
fn the_papers_four_random_splits_are_reproduced_row_by_row() {
    let mut compared = 0;
    for draw in 0..4 {
        let split = format!("random-{draw}");
        let printed = run(&["data", "split", "--classes", "1000", &split, "-o", "csv"]);
        assert_eq!(printed.code, 0, "{}", printed.err);
        let (header, rows) = printed.out.split_once('\n').unwrap();
        assert_eq!(header, "class_index,half,new_index");
        let recorded = recorded(draw);
        for row in rows.lines() {
            let cells: Vec<&str> = row.split(',').collect();
            let (half, new_index) = &recorded[&cells[0].parse().unwrap()];
            assert_eq!((cells[1], cells[2].parse().unwrap()), (half.as_str(), *new_index), "{split}: {row}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4_000);
}

#[test]
fn a_well_known_set_is_split_by_its_classes_names() {
    let printed = run(&["data", "split", "fashion-mnist", "random-0"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    insta::assert_snapshot!(printed.out);
}

#[test]
fn cifar_10_is_split_into_manmade_and_natural_classes_without_its_pack() {
    let printed = run(&["data", "split", "cifar-10", "manmade-natural", "-o", "csv"]);
    assert_eq!(printed.code, 0, "{}", printed.err);
    let halves: String = printed.out.lines().skip(1).map(|row| row.split(',').nth(1).unwrap()).collect();
    assert_eq!(halves, "AABBBBBBAA");
}

#[test]
fn what_is_no_split_ends_with_code_2() {
    for (split, message) in [("random-x", "is not a split"), ("manmade", "has no grouping")] {
        let printed = run(&["data", "split", "--classes", "10", split]);
        assert_eq!(printed.code, 2);
        assert!(printed.err.contains(message), "{}", printed.err);
    }
}

#[test]
fn a_split_with_one_class_is_refused() {
    let printed = run(&["data", "split", "--classes", "1", "random-0", "-o", "json"]);
    assert_eq!(printed.code, 2);
    assert!(printed.err.contains("leaves half A empty"), "{}", printed.err);
}
