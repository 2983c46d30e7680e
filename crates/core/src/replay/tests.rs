//! What a comparison says, on the same kind of device and on another one.

use super::*;
use crate::ids::Digest;

const HERE: &str = "cpu x86-64-v4";

fn loss(sequence: u32, iteration: u32, loss: f64) -> MetricPoint {
    MetricPoint { sequence, iteration, value: MetricValue::TrainingLoss(loss) }
}

fn test(sequence: u32, iteration: u32, top1_correct: u64) -> MetricPoint {
    let test = TestResult { images: 400, top1_correct, top5_correct: 390, loss: 0.5 };
    MetricPoint { sequence, iteration, value: MetricValue::Test(test) }
}

fn curve() -> Vec<MetricPoint> {
    vec![loss(0, 20, 2.0), loss(1, 40, 1.0), test(2, 40, 300), loss(3, 60, 0.1 + 0.2), test(4, 60, 320)]
}

fn result(weights: &[u8]) -> JobResult {
    JobResult {
        test: TestResult { images: 400, top1_correct: 320, top5_correct: 390, loss: 0.5 },
        tests: 2,
        top1_best10: None,
        correct_bits: vec![255; 50],
        weights_digest: Digest::of(weights),
        layer_digests: vec![
            ("conv1".to_owned(), Digest::of(b"conv1")),
            ("fc2".to_owned(), Digest::of(weights)),
        ],
        copied_layers_unchanged: None,
        stuck_at_chance: false,
        training_s: 1.5,
        testing_s: 0.5,
        waiting_s: 0.25,
        device_kind: HERE.to_owned(),
    }
}

fn replay(device: &str, iterations: u32, points: Vec<MetricPoint>) -> Replay {
    Replay {
        schema: REPLAY_SCHEMA.to_owned(),
        key: JobKey([7; 32]),
        program_version: "0.1.0".to_owned(),
        device: device.to_owned(),
        threads: 2,
        iterations,
        points,
        result: None,
        weights: None,
    }
}

fn compared(points: &[MetricPoint], replay: &Replay) -> Comparison {
    compare(&Recorded { device: HERE, points, result: None }, replay)
}

#[test]
fn a_replay_with_the_same_bits_holds_and_counts_the_points_up_to_where_it_went() {
    let comparison = compared(&curve(), &replay(HERE, 40, curve()[..3].to_vec()));

    assert_eq!((comparison.points, comparison.difference.clone()), (3, None));
    assert!(comparison.holds() && comparison.same_device && !comparison.end);
    assert_eq!(comparison.within, Within { loss: Some((0.0, 20)), top1: Some((0.0, 40)), weights: None });
}

#[test]
fn on_the_same_kind_of_device_one_bit_of_one_loss_is_told_with_both_values() {
    let mut points = curve();
    points[3] = loss(3, 60, 0.3);
    points[4] = test(4, 60, 319);

    let comparison = compared(&curve(), &replay(HERE, 60, points));

    assert!(!comparison.holds());
    assert_eq!(
        comparison.difference.unwrap().to_string(),
        "at iteration 60 the training loss is recorded as 0.30000000000000004 and replayed as 0.3"
    );
    let (apart, iteration) = comparison.within.loss.unwrap();
    assert!(iteration == 60 && apart > 0.0 && apart < 1e-15, "{apart}");
}

#[test]
fn on_another_kind_of_device_it_is_told_how_far_apart_they_are() {
    let mut points = curve();
    points[1] = loss(1, 40, 1.02);
    points[4] = test(4, 60, 318);

    let comparison = compared(&curve(), &replay("cpu aarch64-neon", 60, points));

    assert!(comparison.holds() && !comparison.same_device);
    let ((loss, at), (top1, test_at)) = (comparison.within.loss.unwrap(), comparison.within.top1.unwrap());
    assert!((loss - 0.02).abs() < 1e-12 && at == 40, "{loss} at {at}");
    assert!((top1 - 0.5).abs() < 1e-12 && test_at == 60, "{top1} at {test_at}");
}

#[test]
fn a_recorded_point_that_no_replay_has_does_not_hold_on_any_device() {
    for device in [HERE, "cpu aarch64-neon"] {
        let mut points = curve();
        points[0] = loss(0, 20, 3.0);
        points.remove(1);

        let comparison = compared(&curve(), &replay(device, 60, points));

        assert!(!comparison.holds(), "{device}");
        assert_eq!(comparison.points, 5);
    }
    let elsewhere = compared(&curve(), &replay("cpu aarch64-neon", 60, curve()[1..].to_vec()));
    assert_eq!(elsewhere.difference, Some(Difference::Missing { sequence: 0, iteration: 20 }));
}

#[test]
fn points_that_nobody_recorded_are_no_difference() {
    let recorded = curve()[2..].to_vec();
    let comparison = compared(&recorded, &replay(HERE, 60, curve()));
    assert!(comparison.holds() && comparison.points == 3);
}

#[test]
fn at_the_end_everything_but_the_times_must_be_the_same() {
    let recorded = result(b"weights");
    let points = curve();
    let compared = |replayed: JobResult| {
        let replay = Replay { result: Some(replayed), ..replay(HERE, 60, curve()) };
        compare(&Recorded { device: HERE, points: &points, result: Some(&recorded) }, &replay)
    };

    let same = compared(JobResult { training_s: 99.0, testing_s: 9.0, waiting_s: 3.0, ..recorded.clone() });
    assert!(same.holds() && same.end, "{same:?}");
    assert!(same.within.weights.unwrap().iter().all(|layer| layer.relative == 0.0));

    let difference = |replayed| compared(replayed).difference.unwrap().to_string();
    let layers = difference(result(b"others"));
    assert!(layers.starts_with("at the end the digest of layer fc2 is recorded as "), "{layers}");
    let bits = difference(JobResult { correct_bits: vec![254; 50], ..recorded.clone() });
    assert!(bits.contains("rightly classified images"), "{bits}");
    let tests = difference(JobResult { tests: 3, ..recorded.clone() });
    assert_eq!(tests, "at the end the number of tests is recorded as 2 and replayed as 3");
}

#[test]
fn weights_of_another_kind_of_device_are_told_by_layer() {
    let recorded = result(b"weights");
    let weights = Some(vec![LayerDistance { layer: "fc2".to_owned(), relative: 1e-6 }]);
    let replayed = Some(result(b"others"));
    let replay = Replay { result: replayed, weights: weights.clone(), ..replay("gpu", 60, curve()) };

    let points = curve();
    let comparison = compare(&Recorded { device: HERE, points: &points, result: Some(&recorded) }, &replay);

    assert!(comparison.holds());
    assert_eq!(comparison.within.weights, weights);
}

#[test]
fn a_replay_reaches_to_the_last_point_that_it_can_be_compared_with() {
    assert_eq!(reach(&curve(), 19), None);
    assert_eq!(reach(&curve(), 59), Some(40));
    assert_eq!(reach(&curve(), 800), Some(60));
}
