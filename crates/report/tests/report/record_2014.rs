//! The formulas against the logs of the paper's own networks.
//!
//! `yosinski_2014.csv`: names and accuracies of the 148 networks whose logs were published
//! with Yosinski, Clune, Bengio, Lipson 2014, "How transferable are features in deep neural
//! networks?" (top1: mean of the ten best tests).

use selffer_core::{job::StateKind, spec::Half};
use selffer_report::{
    results::{Metric, NetworkRow, StudyFacts, TreatmentName},
    stats::Reason,
    summary::{Panel3, Summary, WarningCode},
};

fn half(text: &str) -> Option<Half> {
    match text {
        "A" => Some(Half::A),
        "B" => Some(Half::B),
        "all1000" => Some(Half::W),
        _ => None,
    }
}

fn row(record: &csv::StringRecord) -> NetworkRow {
    let [network, split, treatment, weights, n, source, target, top1, top1_final, tests] =
        std::array::from_fn(|column| record.get(column).unwrap());
    let treatment = match (treatment, weights) {
        ("base", _) => TreatmentName::Base,
        ("selffer", "frozen") => TreatmentName::BnB,
        ("selffer", _) => TreatmentName::BnBPlus,
        ("transfer", "frozen") => TreatmentName::AnB,
        ("transfer", _) => TreatmentName::AnBPlus,
        ("random", _) => TreatmentName::RnB,
        other => panic!("{other:?}"),
    };
    let (split, images_per_class) = match split.strip_prefix("reduced-") {
        Some(limit) => ("whole".to_owned(), Some(limit.parse().unwrap())),
        None if split == "natman" => ("manmade-natural".to_owned(), None),
        None if split == "whole" => (split.to_owned(), None),
        None => (format!("random-{split}"), None),
    };
    NetworkRow {
        name: format!("{split}/{network}"),
        split,
        treatment,
        n: n.parse().unwrap(),
        source: half(source),
        target: half(target).unwrap(),
        seed: 0,
        top1: Some(top1_final.parse().unwrap()),
        top1_best10: Some(top1.parse().unwrap()),
        tests: tests.parse().unwrap(),
        status: StateKind::Succeeded,
        flags: Vec::new(),
        images_per_class,
        gain_last_quarter: None,
        device_kind: None,
    }
}

pub(crate) fn facts() -> StudyFacts {
    StudyFacts {
        study: "yosinski-2014".to_owned(),
        dataset: "ilsvrc2012".to_owned(),
        network: "caffenet".to_owned(),
        chance: Some(0.002),
        metric: Metric::Best10,
    }
}

pub(crate) fn summary() -> Summary {
    let mut reader = csv::Reader::from_reader(include_bytes!("yosinski_2014.csv").as_slice());
    let rows: Vec<_> = reader.records().map(|record| row(&record.unwrap())).collect();
    assert_eq!(rows.len(), 148);
    Summary::of(&facts(), rows)
}

fn close(found: Option<f64>, expected: f64) {
    assert!((found.unwrap() - expected).abs() < 0.001, "{found:?} is not {expected}");
}

#[test]
fn the_base_mean_is_that_of_the_eight_random_halves() {
    close(summary().base_mean, 0.6251);
}

#[test]
fn table_1_is_reproduced_as_printed() {
    let table = summary().table1;
    let printed = [("1-7", 1.598, 1.383), ("3-7", 1.804, 1.397), ("5-7", 2.061, 1.729)];
    assert_eq!(table.len(), 3);
    for (row, (layers, over_base, over_selffer)) in table.iter().zip(printed) {
        assert_eq!(row.layers, layers);
        close(row.boost_over_base, over_base);
        close(row.boost_over_selffer, over_selffer);
    }
}

#[test]
fn over_their_own_bases_transfer_and_selffer_gain_the_same() {
    let table = summary().table1;
    let gains = [(0.973, 0.973), (1.166, 1.104), (1.163, 1.009)];
    for (row, (transfer, selffer)) in table.iter().zip(gains) {
        close(row.boost_over_own_base.value, transfer);
        close(row.selffer_over_own_base.value, selffer);
    }
    let reasons: Vec<_> = table.iter().map(|row| row.boost_over_own_base.reason).collect();
    assert_eq!(reasons, [Some(Reason::TwoSplits), Some(Reason::TwoSplits), Some(Reason::OneSplit)]);
    let adjusted = &table[0].boost_over_selffer_base_adjusted;
    assert!((adjusted.value.unwrap() - 0.05).abs() < 0.005, "{adjusted:?}");
}

#[test]
fn the_record_has_no_matched_control_for_the_boost_and_says_so() {
    let summary = summary();
    for row in &summary.table1 {
        let matched = &row.boost_over_selffer_matched;
        assert_eq!((matched.value, matched.reason), (None, Some(Reason::NoMatchedControl)));
    }
    assert!(summary.warnings.iter().any(|warning| warning.code == WarningCode::ConfoundedWithHalf));
}

#[test]
fn figure_2_has_the_papers_means() {
    let figure = summary().figure2;
    let mean = |treatment: &TreatmentName, n: u32| {
        let row = figure.iter().find(|row| row.treatment == *treatment && row.n == n);
        100.0 * row.unwrap().mean.unwrap()
    };
    // The means were printed with two decimals.
    let same = |found: f64, printed: f64| assert!((found - printed).abs() < 0.0051, "{found} {printed}");
    let frozen = [62.67, 62.35, 62.11, 60.48, 59.35, 61.88, 62.33];
    let transfer = [62.82, 62.39, 61.89, 59.98, 57.80, 58.06, 54.25];
    for (n, (selffer, transfer)) in (1..).zip(frozen.into_iter().zip(transfer)) {
        same(mean(&TreatmentName::BnB, n), selffer);
        same(mean(&TreatmentName::AnB, n), transfer);
    }
}

#[test]
fn figure_3_has_the_papers_drops() {
    let figure = summary().figure3;
    let points = |panel: &Panel3, n: u32| {
        let point = figure.iter().find(|point| point.panel == *panel && point.n == n);
        point.map(|point| (point.points * 100.0).round() / 100.0)
    };
    let manmade_natural = Panel3::Grouping("manmade-natural".to_owned());
    assert_eq!(points(&Panel3::Similar, 7), Some(-8.26));
    assert_eq!(points(&manmade_natural, 7), Some(-25.01));
    assert_eq!(points(&Panel3::Random, 7), Some(-56.17));
}
