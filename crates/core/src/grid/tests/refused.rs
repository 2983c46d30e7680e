//! What is refused, where, and in which words.

use super::{HEAD, RECIPE, grouped_pack, pack};
use crate::{
    grid::{GridFiles, read},
    limits::CELLS_MAX,
    pack::PackFacts,
};

/// All errors of a file, one a line.
fn errors(text: &str, pack: &PackFacts) -> String {
    match read("grid.yaml", text, &GridFiles::new()).expand(pack) {
        Ok(study) => panic!("accepted, {} cells: {text}", study.cells.len()),
        Err(errors) => errors.to_string(),
    }
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    let text = include_str!("../../../tests/grids/everything-wrong.yaml");
    let errors = read("grid.yaml", text, &GridFiles::new()).expand(&pack()).unwrap_err();
    insta::assert_snapshot!(errors.render(false));
}

#[test]
fn a_mistake_is_located_and_explained() {
    let text = format!("{HEAD}{RECIPE}n: [1, 4, 9]\nsplit: random-0\ntreatment: AnB\n");
    assert_eq!(
        errors(&text, &pack()),
        "grid.yaml:5:11: n: 9 is not in 1..7 (caffenet-28-slim has 8 layers, of which 1 to 7 can be copied)"
    );
}

#[test]
fn bad_files_are_refused_alone() {
    let long = "#".repeat(10 << 20);
    let bomb = format!("a: &a [x, x, x, x, x, x, x, x, x, x]\n{}", bomb_levels(9));
    for (text, expected) in [
        ("", "grid.yaml:1:1: file is empty"),
        ("# only a comment\n", "grid.yaml:1:1: file is empty"),
        ("[1, 2]", "grid.yaml:1:1: file: a list is not a mapping of keys to values"),
        ("study: s\n---\nstudy: t\n", "grid.yaml:2:1: a second document begins here, but a file holds one"),
        (long.as_str(), "grid.yaml:1:1: file has 10485760 bytes, but may have at most 1048576"),
        (bomb.as_str(), "anchors and aliases blow this file up beyond reason"),
        ("a: &a [*a]", "grid.yaml:1:8: alias refers to the value it stands in"),
        ("n: !!int 3", "a YAML tag is not supported by this version"),
        ("study: [s", "this is not YAML"),
        ("study: s\n\tn: 1", "this is not YAML"),
        ("study: *nothing", "this is not YAML"),
    ] {
        let found = errors(text, &pack());
        assert!(found.contains(expected), "{found}");
        assert_eq!(found.lines().count(), 1, "{found}");
    }
    let nested = format!("n: {}", "[".repeat(10_000));
    assert!(errors(&nested, &pack()).contains("grid.yaml:1:"), "{}", errors(&nested, &pack()));
}

fn bomb_levels(levels: u8) -> String {
    (1..=levels)
        .map(|level| {
            let (name, before) = ((b'a' + level) as char, (b'a' + level - 1) as char);
            format!("{name}: &{name} [{}]\n", vec![format!("*{before}"); 10].join(", "))
        })
        .collect()
}

#[test]
fn the_size_of_a_study_is_bounded_before_it_is_made() {
    let seeds = |seeds: &str| format!("{HEAD}{RECIPE}split: random-0\ntreatment: base\nseed: {seeds}\n");
    for text in [seeds("0..4294967295"), seeds("0..500000"), seeds("[0..900000, 1000000..1900000]")] {
        let found = errors(&text, &pack());
        assert!(found.contains(&format!("but a study may have at most {CELLS_MAX}")), "{found}");
    }
}

#[test]
fn the_size_of_a_union_is_bounded_before_it_is_made() {
    let union = |entry: &str, count: usize| {
        let entries = vec![entry; count].join(", ");
        format!("{HEAD}{RECIPE}split: random-0\ntreatment: base\ngrids: [{entries}]\n")
    };
    let found = errors(&union("{seed: 0..999999}", 500), &pack());
    assert!(found.contains(&format!("but a study may have at most {CELLS_MAX}")), "{found}");
    let found = errors(&union("{}", 1_025), &pack());
    assert_eq!(found, "grid.yaml:7:8: grids: a list of 1025 entries is not in 1..1024");
}

#[test]
fn a_pack_can_contradict_a_grid() {
    let grid = |recipe: &str, split: &str| {
        format!("{HEAD}recipe: {{preset: quick-28{recipe}}}\nsplit: {split}\ntreatment: base\n")
    };
    let small =
        PackFacts { class_count: 3, train_per_class: vec![9; 3], validation_per_class: vec![9; 3], ..pack() };
    let cifar = PackFacts::well_known("cifar-10").unwrap();
    let wide = PackFacts { image: crate::spec::ImageShape { width: 40, ..pack().image }, ..pack() };
    for (text, pack, expected) in [
        (grid("", "random-0"), &small, "split: random-0 leaves 1 of 3 classes in half A"),
        (grid("", "even-odds"), &grouped_pack(), "(did you mean `even-odd`?)"),
        (grid("", "radnom-3"), &pack(), "(did you mean `random-3`?)"),
        (grid("", "manmade-natural"), &pack(), "the pack has no grouping"),
        (grid("", "random-0"), &cifar, "the pack's images have 32×32"),
        (grid("", "random-0"), &wide, "are not square"),
        (grid(", crop: 29", "random-0"), &pack(), "recipe.crop: 29 pixels do not fit"),
        (
            grid(", outputs: 4", "random-0"),
            &pack(),
            "4 outputs are too few for the 5 classes of random-0, half A",
        ),
    ] {
        let found = errors(&text, pack);
        assert!(found.contains(expected), "{found}");
    }
    let text = grid(", crop: 28", "random-0");
    assert_eq!(read("grid.yaml", &text, &GridFiles::new()).expand(&cifar).unwrap().cells.len(), 2);
}

#[test]
fn a_missing_pack_is_located_beside_the_other_mistakes() {
    let text = "study: S\ndataset: fashion-mnits\n";
    let known = ["fashion-mnist".to_owned(), "mnist".to_owned()];
    let found = read("grid.yaml", text, &GridFiles::new()).without_pack(&known).to_string();
    assert!(
        found.contains(
            "grid.yaml:2:10: dataset: no pack is named \"fashion-mnits\" (did you mean `fashion-mnist`?)"
        ),
        "{found}"
    );
    assert!(found.contains("grid.yaml:1:8: study: \"S\" is not a study's name"), "{found}");
}

#[test]
fn a_last_layer_too_wide_for_any_machine_is_refused() {
    let text = "study: s\ndataset: ilsvrc2012\nnetwork: caffenet\nsplit: whole\ntreatment: base\n\
                recipe: {preset: caffe-2014, outputs: 1000000}\n";
    let found = errors(text, &PackFacts::well_known("ilsvrc2012").unwrap());
    assert!(found.contains("network: caffenet does not fit these images: layer fc8: 41538"), "{found}");
}
