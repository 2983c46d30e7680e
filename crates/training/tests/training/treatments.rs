//! Copied, frozen, fine-tuned and random layers.

use selffer_core::{
    recipe::MeanImage,
    spec::{Half, JobSpec, Origin, Treatment},
};
use selffer_training::Checkpoint;

use crate::synthetic::{base, trained, transfer};

/// Which layers of two checkpoints are equal, bit for bit.
fn equal_layers(one: &Checkpoint, other: &Checkpoint) -> Vec<bool> {
    one.layers.iter().zip(&other.layers).map(|(one, other)| one.parameters == other.parameters).collect()
}

#[test]
fn frozen_layers_stay_and_fine_tuned_ones_move() {
    let (_, source) = trained(&base(Half::A), None);
    let cases = [
        (3, 3, [true, true, true, false], true),
        (1, 1, [true, false, false, false], true),
        (3, 0, [false; 4], false),
        (3, 1, [true, false, false, false], false),
    ];
    for (copied, frozen, equal, unchanged) in cases {
        let (result, network) = trained(&transfer(&source, copied, frozen), Some(&source));
        assert_eq!(equal_layers(&network, &source), equal, "{copied} copied, {frozen} frozen");
        assert_eq!(result.copied_layers_unchanged, Some(unchanged), "{copied} copied, {frozen} frozen");
    }
}

#[test]
fn a_selffer_may_copy_everything_but_the_last_layer() {
    let (_, source) = trained(&base(Half::A), None);
    let mut spec = transfer(&source, 3, 3);
    spec.treatment.origin = Origin::Own;
    spec.target = base(Half::A).target;
    let (result, _) = trained(&spec, Some(&source));
    assert!(result.test.top1() > 0.9, "{:?}", result.test);
}

#[test]
fn random_layers_are_frozen_and_alike_for_all_n() {
    let random = |n| JobSpec {
        treatment: Treatment { origin: Origin::Random, layers_copied: n, layers_frozen: n },
        ..base(Half::B)
    };
    let (base_result, base_network) = trained(&base(Half::B), None);
    let (result, one) = trained(&random(1), None);
    let (_, three) = trained(&random(3), None);

    assert_eq!(result.copied_layers_unchanged, Some(true));
    assert_eq!(equal_layers(&one, &three), [true, false, false, false]);
    assert_eq!(equal_layers(&one, &base_network), [false; 4]);
    assert_ne!(result.weights_digest, base_result.weights_digest);
}

#[test]
fn transfers_and_selffers_at_one_n_share_what_is_not_copied() {
    let (_, source) = trained(&base(Half::A), None);
    // Without learning, the upper layers stay where they start.
    let still = |n: u8| {
        let mut spec = transfer(&source, n, n);
        spec.recipe.learning_rate = 0.0;
        trained(&spec, Some(&source)).1
    };
    let mut random = base(Half::B);
    random.treatment = Treatment { origin: Origin::Random, layers_copied: 1, layers_frozen: 1 };
    random.recipe.learning_rate = 0.0;
    let (_, random) = trained(&random, None);

    assert_eq!(equal_layers(&still(1), &random), [false, true, true, true]);
    assert_eq!(equal_layers(&still(1), &still(2)), [true, false, false, false]);
}

#[test]
fn the_mean_image_is_the_targets_or_the_sources_as_the_recipe_says() {
    let (_, source) = trained(&base(Half::A), None);
    let (_, own) = trained(&base(Half::B), None);
    let mut spec = transfer(&source, 1, 1);
    assert_eq!(trained(&spec, Some(&source)).1.mean, own.mean);
    spec.recipe.mean_image = MeanImage::Source;
    assert_eq!(trained(&spec, Some(&source)).1.mean, source.mean);
    assert_ne!(own.mean, source.mean);
}
