//! What must hold between the parts of a grid, and between a grid and its pack.

use super::{
    axes::Coordinates,
    draft::Draft,
    error::{Located, Problems},
    problem::Problem,
    reader,
    recipe::ReadRecipe,
    treatment::NamedTreatment,
};
use crate::{
    network::Network,
    pack::PackFacts,
    recipe::Outputs,
    spec::{Classes, Half},
    split::{Halves, SplitError, SplitRule},
};

/// A split of the grid on its pack.
pub(super) struct ReadySplit {
    /// As in names, e.g. `random-0`.
    pub(super) name: String,
    pub(super) rule: SplitRule,
    classes_a: Classes,
    classes_b: Classes,
    classes_w: Classes,
}

impl ReadySplit {
    pub(super) fn classes(&self, half: Half) -> &Classes {
        match half {
            Half::A => &self.classes_a,
            Half::B => &self.classes_b,
            Half::W => &self.classes_w,
        }
    }

    /// The halves that networks are trained on.
    fn targets(&self) -> &'static [Half] {
        if self.rule == SplitRule::Whole { &[Half::W] } else { &[Half::A, Half::B] }
    }
}

/// Reports what is wrong between the parts of a grid, whatever the pack.
pub(super) fn without_pack(draft: &mut Draft) {
    if let (Some(network), Some(recipe)) = (&draft.network, &draft.recipe)
        && let Some(crop) = recipe.recipe.crop
        && crop != network.value.side
    {
        draft.problems.push(recipe.crop_span, wrong_side(&network.value, "the recipe crops to", crop));
    }
    let whole = draft.axes.splits.iter().find(|split| split.value == SplitRule::Whole);
    let Some(span) = whole.map(|split| split.span) else { return };
    for located in &draft.axes.treatments {
        if located.value.needs_halves() && keeps_any_on_whole(draft, located.value) {
            draft.problems.push(span, Problem::NeedsHalves { treatment: located.value.name() });
        }
    }
}

/// Whether `exclude` leaves any network of this treatment on the whole set.
fn keeps_any_on_whole(draft: &Draft, treatment: NamedTreatment) -> bool {
    let axes = &draft.axes;
    let replicates = || axes.seeds.iter().flat_map(|s| axes.images_per_class.iter().map(move |i| (s, i)));
    axes.n.iter().any(|n| {
        replicates().any(|(seed, images)| {
            let cell = Coordinates {
                split: 0,
                treatment,
                n: u8::try_from(n.value).ok(),
                target: Half::W,
                seed: seed.value,
                images_per_class: images.value,
            };
            !draft.exclusions.iter().any(|exclusion| exclusion.value.drops(&cell, &SplitRule::Whole))
        })
    })
}

/// Reports what a pack contradicts, and divides its classes.
pub(super) fn with_pack(draft: &Draft, pack: &PackFacts, problems: &mut Problems) -> Vec<ReadySplit> {
    if let (Some(network), Some(recipe)) = (&draft.network, &draft.recipe) {
        check_images(draft, network, recipe, pack, problems);
    }
    let splits: Vec<_> =
        draft.axes.splits.iter().filter_map(|located| split(located, pack, problems)).collect();
    if let Some(recipe) = &draft.recipe {
        check_outputs(recipe, &splits, problems);
    }
    splits
}

fn check_images(
    draft: &Draft,
    network: &Located<Network>,
    recipe: &ReadRecipe,
    pack: &PackFacts,
    problems: &mut Problems,
) {
    let (height, width) = (pack.image.height, pack.image.width);
    let dataset_span = draft.dataset.as_ref().map_or(network.span, |dataset| dataset.span);
    match recipe.recipe.crop {
        Some(crop) if crop > height.min(width) => {
            problems.push(recipe.crop_span, Problem::CropTooLarge { crop, height, width });
        }
        Some(_) => {}
        None if height != width => problems.push(dataset_span, Problem::NotSquare { height, width }),
        None if height != network.value.side => {
            problems.push(network.span, wrong_side(&network.value, "the pack's images have", height));
        }
        None => {}
    }
    // Outputs are irrelevant to whether the windows fit.
    if let Err(error) = network.value.shapes(pack.image.channels, 2) {
        let (network_name, problem) = (network.value.name.clone(), error.to_string());
        problems.push(network.span, Problem::DoesNotFit { network: network_name, problem });
    }
}

fn wrong_side(network: &Network, what: &'static str, given: u32) -> Problem {
    Problem::WrongSide { network: network.name.clone(), side: network.side, what, given }
}

fn split(located: &Located<SplitRule>, pack: &PackFacts, problems: &mut Problems) -> Option<ReadySplit> {
    let rule = located.value.clone();
    let halves = match rule.halves(pack.class_count, &pack.groupings) {
        Ok(halves) => halves,
        Err(SplitError::EmptyHalf { half, .. }) => {
            let (split, all) = (rule.to_string(), pack.class_count);
            problems.push(located.span, Problem::TooFewClasses { split, half, classes: 0, all });
            return None;
        }
        Err(error) => {
            let (given, problem) = (rule.to_string(), reader::shown_sentence(&error));
            problems
                .push(located.span, Problem::BadSplit { known: splits_like(&given, pack), given, problem });
            return None;
        }
    };
    let ready = ready(rule, &halves);
    for &half in ready.targets() {
        let classes = ready.classes(half).indices.len();
        if classes < 2 {
            let (split, all) = (ready.name.clone(), pack.class_count);
            problems.push(located.span, Problem::TooFewClasses { split, half, classes, all });
        }
    }
    Some(ready)
}

fn ready(rule: SplitRule, halves: &Halves) -> ReadySplit {
    ReadySplit {
        name: rule.to_string(),
        rule,
        classes_a: halves.classes(Half::A),
        classes_b: halves.classes(Half::B),
        classes_w: halves.classes(Half::W),
    }
}

/// Splits that this pack has, with the draw that was given, for a did-you-mean.
fn splits_like(given: &str, pack: &PackFacts) -> Vec<String> {
    let digits = given.len() - given.bytes().rev().take_while(u8::is_ascii_digit).count();
    let draw = if given[digits..].is_empty() { "0" } else { &given[digits..] };
    let mut known = vec![format!("random-{draw}"), "whole".to_owned()];
    for grouping in pack.groupings.keys() {
        known.push(grouping.clone());
        known.push(format!("similar-{grouping}-{draw}"));
    }
    known
}

fn check_outputs(recipe: &ReadRecipe, splits: &[ReadySplit], problems: &mut Problems) {
    let Outputs::Count(outputs) = recipe.recipe.outputs else { return };
    for split in splits {
        for &half in split.targets() {
            let classes = split.classes(half).indices.len();
            if (outputs as usize) < classes {
                let split = split.name.clone();
                problems.push(recipe.outputs_span, Problem::TooFewOutputs { outputs, classes, split, half });
            }
        }
    }
}
