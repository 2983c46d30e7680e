//! What must hold between the parts of a grid, and between a grid and what is known.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use super::{
    axes::Coordinates,
    draft::Draft,
    error::{Located, Problems},
    known::Known,
    problem::Problem,
    product::Product,
    reader,
    recipe::ReadRecipe,
    treatment::TreatmentRule,
};
use crate::{
    network::Network,
    pack::PackFacts,
    recipe::{MeanImage, Outputs},
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
    for product in &draft.products {
        if let (Some(network), Some(recipe)) = (&draft.network, &product.recipe)
            && let Some(crop) = recipe.recipe.crop
            && crop != network.value.side
        {
            draft.problems.push(recipe.crop_span, wrong_side(&network.value, "the recipe crops to", crop));
        }
        check_freezes(product, &mut draft.problems);
        check_whole(product, &mut draft.problems);
    }
}

/// Reports treatments that would freeze more layers than they copy for some n.
fn check_freezes(product: &Product, problems: &mut Problems) {
    for rule in product.treatments.iter().filter(|rule| rule.value.uses_n()) {
        let of_n = |n: &Located<u64>| u8::try_from(n.value).ok().map(|n| rule.value.with(n));
        let wrong = product.n.iter().filter_map(of_n).find(|it| it.layers_frozen > it.layers_copied);
        if let Some(treatment) = wrong {
            let (frozen, copied) = (treatment.layers_frozen, treatment.layers_copied);
            problems.push(rule.span, Problem::FreezesMore { frozen, copied });
        }
    }
}

/// Reports treatments that need halves where the split has none.
fn check_whole(product: &Product, problems: &mut Problems) {
    let whole = product.splits.iter().find(|split| split.value == SplitRule::Whole);
    let Some(span) = whole.map(|split| split.span) else { return };
    for rule in product.treatments.iter() {
        if rule.value.needs_halves() && keeps_any_on_whole(product, &rule.value) {
            problems.push(span, Problem::NeedsHalves { treatment: rule.value.written() });
        }
    }
}

/// Whether `exclude` leaves any network of this treatment on the whole set.
fn keeps_any_on_whole(product: &Product, rule: &TreatmentRule) -> bool {
    let replicates =
        || product.seeds.iter().flat_map(|s| product.images_per_class.iter().map(move |i| (s, i)));
    product.treatments_of(rule).into_iter().any(|treatment| {
        replicates().any(|(seed, images)| {
            let (seed, images_per_class) = (seed.value, images.value);
            let cell = Coordinates { split: 0, treatment, target: Half::W, seed, images_per_class };
            !product.exclusions().iter().any(|exclusion| exclusion.value.drops(&cell, &SplitRule::Whole))
        })
    })
}

/// The splits of every product on the pack, and everything that what is known contradicts.
pub(super) fn with_known(
    draft: &Draft,
    known: &Known<'_>,
    problems: &mut Problems,
) -> Vec<Vec<Arc<ReadySplit>>> {
    let mut ready = BTreeMap::new();
    let mut of_products = Vec::with_capacity(draft.products.len());
    for product in &draft.products {
        if let (Some(network), Some(recipe)) = (&draft.network, &product.recipe) {
            check_images(draft, network, recipe, known.pack, problems);
        }
        let splits: Vec<_> = product
            .splits
            .iter()
            .filter_map(|located| {
                let make = || split(located, known.pack, problems).map(Arc::new);
                ready.entry(located.value.clone()).or_insert_with(make).clone()
            })
            .collect();
        if let Some(recipe) = &product.recipe {
            check_outputs(recipe, &splits, problems);
        }
        check_weights(draft, product, known, problems);
        of_products.push(splits);
    }
    of_products
}

/// Reports weights that nobody has, or that are another network's.
fn check_weights(draft: &Draft, product: &Product, known: &Known<'_>, problems: &mut Problems) {
    let mut told = HashSet::new();
    for rule in product.treatments.iter() {
        let Some(name) = rule.value.weights() else { continue };
        if takes_mean_of_source(product) {
            problems.push(rule.span, Problem::MeanOfWeights { weights: name.to_string() });
        }
        let Some(facts) = known.weights.get(&**name) else {
            if told.insert(name) {
                let (given, known) = (name.to_string(), known.weights.keys().cloned().collect());
                problems.push(rule.span, Problem::UnknownWeights { given, known });
            }
            continue;
        };
        let (Some(network), false) = (&draft.network, facts.layers.is_empty()) else { continue };
        let copied = product.treatments_of(&rule.value).into_iter().map(|it| it.layers_copied).max();
        // The last layer, the only one that outputs matter to, is never copied.
        let fit = facts.check_fit(&network.value, known.pack.image.channels, 2, copied.unwrap_or(0).into());
        if let Err(error) = fit
            && told.insert(name)
        {
            let (weights, network) = (name.to_string(), network.value.name.clone());
            let problem = reader::shown_sentence(&error);
            problems.push(rule.span, Problem::WeightsMisfit { weights, network, problem });
        }
    }
}

fn takes_mean_of_source(product: &Product) -> bool {
    product.recipe.as_ref().is_some_and(|recipe| recipe.recipe.mean_image == MeanImage::Source)
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
    if draft.has_network_file() {
        // Its shapes are checked at their places there.
        return;
    }
    if let Err(error) = network.value.shapes(pack.image.channels, outputs_max(recipe, pack)) {
        let (network_name, problem) = (network.value.name.clone(), error.to_string());
        problems.push(network.span, Problem::DoesNotFit { network: network_name, problem });
    }
}

/// The most outputs of this recipe's networks; a last layer can be too wide for any machine.
pub(super) fn outputs_max(recipe: &ReadRecipe, pack: &PackFacts) -> u32 {
    match recipe.recipe.outputs {
        Outputs::Count(outputs) => outputs,
        Outputs::Classes => pack.class_count,
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

fn check_outputs(recipe: &ReadRecipe, splits: &[Arc<ReadySplit>], problems: &mut Problems) {
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
