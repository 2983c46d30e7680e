//! Studies that are half done, half designed or went wrong: nothing is made up.

use selffer_core::{job::StateKind, spec::Half};
use selffer_report::{
    figure2,
    results::{Flag, Metric, NetworkRow, StudyFacts, TreatmentName},
    stats::Reason,
    summary::{Effect, Summary, WarningCode},
    table,
};

use crate::sample;

fn codes(rows: Vec<NetworkRow>) -> Vec<WarningCode> {
    Summary::of(&sample::facts(), rows).warnings.into_iter().map(|warning| warning.code).collect()
}

fn unfinish(row: &mut NetworkRow, status: StateKind) {
    (row.top1, row.tests, row.status) = (None, 0, status);
    row.flags.clear();
}

#[test]
fn a_study_without_results_has_no_numbers_and_still_a_figure() {
    let mut rows = sample::study();
    rows.iter_mut().for_each(|row| unfinish(row, StateKind::Ready));

    let summary = Summary::of(&sample::facts(), rows);

    assert_eq!(summary.base_mean, None);
    assert!(summary.figure2.iter().all(|row| row.mean.is_none() && row.networks == 0));
    let unfinished =
        |row: &&selffer_report::summary::EffectRow| row.estimate.reason == Some(Reason::NotFinished);
    assert_eq!(summary.effects.iter().filter(unfinished).count(), summary.effects.len());
    assert!(summary.warnings.iter().any(|warning| warning.message == "32 of 32 networks have no result yet"));
    let svg = figure2::svg(&sample::facts(), &summary);
    assert!(svg.contains("0 of 32 networks") && !svg.contains("NaN") && !svg.contains("inf"));
}

#[test]
fn no_rows_at_all_make_an_empty_report() {
    let summary = Summary::of(&sample::facts(), Vec::new());
    assert!(summary.figure2.is_empty() && summary.effects.is_empty() && summary.warnings.is_empty());
    assert!(!figure2::svg(&sample::facts(), &summary).contains("NaN"));
}

#[test]
fn a_missing_network_is_a_gap_in_the_line_and_never_a_zero() {
    let mut rows = sample::study();
    let missing = rows.iter_mut().find(|row| row.name == "random-0/A4B").unwrap();
    unfinish(missing, StateKind::Running);

    let summary = Summary::of(&sample::facts(), rows);

    let row = summary.figure2.iter().find(|row| row.treatment == TreatmentName::AnB && row.n == 4).unwrap();
    assert_eq!((row.networks, row.networks_planned, row.mean), (1, 2, Some(0.9314)));
    assert!(table::means(&summary).to_string().contains("1 of 2"));
    // The mean of A alone would be a leap of the line, so the line has no point there.
    assert!(!figure2::svg(&sample::facts(), &summary).contains("AnB at n = 4"));
}

#[test]
fn failed_and_faulty_networks_are_named() {
    let mut rows = sample::study();
    unfinish(&mut rows[5], StateKind::Failed);
    rows[6].flags.push(Flag::StuckAtChance);
    rows[7].flags.push(Flag::CopiedLayersChanged);

    let summary = Summary::of(&sample::facts(), rows);

    let messages: Vec<_> = summary.warnings.iter().map(|warning| warning.message.as_str()).collect();
    assert!(messages.contains(&"1 network will have no result (1 failed): random-0/B1B"));
    assert!(messages.contains(&"1 network never learned anything: random-0/B4B"));
    assert!(messages.contains(&"1 network changed layers that are frozen: random-0/B7B"));
}

#[test]
fn one_split_and_one_seed_are_said() {
    assert_eq!(codes(sample::study()), [WarningCode::OneSplit, WarningCode::OneSeed]);
}

#[test]
fn networks_that_were_still_learning_are_said_to_be_undertrained() {
    let mut rows = sample::study();
    rows.iter_mut().for_each(|row| row.gain_last_quarter = Some(0.8));
    assert!(codes(rows).contains(&WarningCode::Undertrained));
}

#[test]
fn a_selffer_far_from_its_base_shows_undertraining_too() {
    let rows = (0..3_u64).flat_map(|seed| {
        let base = 0.85 + 0.001 * seed as f64;
        let own = [(TreatmentName::Base, 0, base), (TreatmentName::BnB, 7, base + 0.02)];
        own.map(|(treatment, n, top1)| {
            let row = sample::row("random-0", treatment, n, Half::B, top1);
            NetworkRow { seed, gain_last_quarter: None, ..row }
        })
    });
    assert!(codes(rows.collect()).contains(&WarningCode::Undertrained));
}

#[test]
fn a_transfer_without_its_selffer_or_its_way_back_is_said() {
    let rows = vec![
        sample::row("random-0", TreatmentName::Base, 0, Half::B, 0.9),
        sample::row("random-0", TreatmentName::AnB, 3, Half::B, 0.8),
    ];
    let found = codes(rows.clone());
    assert!(found.contains(&WarningCode::NoSelffer) && found.contains(&WarningCode::OneDirection));

    let summary = Summary::of(&sample::facts(), rows);
    let specificity = summary.effects.iter().find(|row| row.effect == Effect::Specificity).unwrap();
    assert_eq!(specificity.estimate.reason, Some(Reason::NoMatchedControl));
}

#[test]
fn the_mean_of_the_ten_best_needs_its_tests() {
    let facts = StudyFacts { metric: Metric::Best10, ..sample::facts() };
    let summary = Summary::of(&facts, sample::study());
    assert_eq!(summary.base_mean, None);
    assert!(summary.warnings.iter().any(|warning| warning.code == WarningCode::FewTests));
}

#[test]
fn mixed_devices_are_said() {
    let mut rows = sample::study();
    rows[0].device_kind = Some("gpu H100 f32".to_owned());
    assert!(codes(rows).contains(&WarningCode::DevicesMixed));
}

#[test]
fn a_treatment_without_a_name_in_the_paper_is_listed_but_not_drawn() {
    let mut rows = sample::study();
    rows.push(sample::row("random-0", "other-5-3".parse().unwrap(), 5, Half::B, 0.5));
    let summary = Summary::of(&sample::facts(), rows);
    assert!(table::networks(&summary).to_string().contains("other-5-3"));
    assert_eq!(summary.figure2, Summary::of(&sample::facts(), sample::study()).figure2);
}
