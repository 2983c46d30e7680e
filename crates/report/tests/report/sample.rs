//! A made-up study of the demo's form: 32 networks of one split, with plausible accuracies.

use selffer_core::{job::StateKind, spec::Half};
use selffer_report::results::{Flag, Metric, NetworkRow, StudyFacts, TreatmentName};

pub(crate) fn facts() -> StudyFacts {
    StudyFacts {
        study: "fashion-demo".to_owned(),
        dataset: "fashion-mnist".to_owned(),
        network: "caffenet-28-slim".to_owned(),
        chance: Some(0.2),
        metric: Metric::Final,
    }
}

pub(crate) fn row(split: &str, treatment: TreatmentName, n: u32, target: Half, top1: f64) -> NetworkRow {
    let source = match treatment {
        TreatmentName::Base | TreatmentName::RnB | TreatmentName::Custom(_) => None,
        TreatmentName::BnB | TreatmentName::BnBPlus => Some(target),
        TreatmentName::AnB | TreatmentName::AnBPlus => Some(target.other()),
    };
    let plus = if treatment.as_str().ends_with('+') { "+" } else { "" };
    let network = match (&treatment, source) {
        (TreatmentName::Base, _) => format!("base{target}"),
        (_, Some(source)) => format!("{source}{n}{target}{plus}"),
        (_, None) => format!("R{n}{target}"),
    };
    NetworkRow {
        name: format!("{split}/{network}"),
        split: split.to_owned(),
        treatment,
        n,
        source,
        target,
        seed: 0,
        top1: Some(top1),
        top1_best10: None,
        tests: 4,
        status: StateKind::Succeeded,
        flags: vec![Flag::FewTests],
        images_per_class: None,
        gain_last_quarter: Some(0.1),
        device_kind: Some("cpu x86-64-v3".to_owned()),
    }
}

pub(crate) fn study() -> Vec<NetworkRow> {
    use TreatmentName::{AnB, AnBPlus, Base, BnB, BnBPlus, RnB};
    // For each treatment at n = 1, 4, 7: accuracies on A, then on B.
    let table: [(TreatmentName, [[f64; 3]; 2]); 5] = [
        (BnB, [[0.9606, 0.9582, 0.9601], [0.8741, 0.8779, 0.8752]]),
        (BnBPlus, [[0.9641, 0.9655, 0.9648], [0.8824, 0.8851, 0.8837]]),
        (AnB, [[0.9588, 0.9314, 0.7652], [0.8722, 0.8251, 0.5874]]),
        (AnBPlus, [[0.9633, 0.9647, 0.9622], [0.8812, 0.8826, 0.8794]]),
        (RnB, [[0.9412, 0.8236, 0.4417], [0.8304, 0.6428, 0.3315]]),
    ];
    let mut rows = vec![row("random-0", Base, 0, Half::A, 0.9603), row("random-0", Base, 0, Half::B, 0.8732)];
    for (treatment, of_halves) in table {
        for (half, accuracies) in [Half::A, Half::B].into_iter().zip(of_halves) {
            for (n, top1) in [1, 4, 7].into_iter().zip(accuracies) {
                rows.push(row("random-0", treatment.clone(), n, half, top1));
            }
        }
    }
    rows
}
