//! One product of axes: the whole grid, or one entry of `grids` with what it inherits.

use std::sync::Arc;

use super::{
    axes::{self, Axes, Axis},
    error::{Located, Problems, Span},
    exclude::{self, Exclusion},
    problem::Problem,
    reader::{self, Fields},
    recipe::{self, Inherited, ReadRecipe},
    treatment::{Direction, TreatmentRule},
    tree::Node,
};
use crate::{
    ids::Name,
    network::Network,
    spec::{ImagesPerClass, Treatment},
    split::SplitRule,
};

/// Keys that an entry of `grids` may have, and the top level too.
pub(super) const KEYS: &[&str] = &[
    "recipe",
    "split",
    "treatment",
    "n",
    "direction",
    "seed",
    "images_per_class",
    "source_seed",
    "source_images_per_class",
    "exclude",
    "label",
];

/// Keys of a product as far as a mapping gives them. What is there but could not be read
/// is there all the same, so that it is not reported as missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Given {
    axes: Axes,
    recipe: Option<Option<ReadRecipe>>,
    source_seed: Option<Option<u64>>,
    source_images_per_class: Option<ImagesPerClass>,
    exclusions: Option<Exclusions>,
    label: Option<Option<Name>>,
}

/// A list of exclusions with the path of its key, e.g. `grids[1].exclude`.
#[derive(Clone, Debug)]
pub(super) struct Exclusions {
    pub(super) path: Arc<str>,
    pub(super) entries: Arc<Vec<Located<Exclusion>>>,
}

/// One product of axes, complete.
#[derive(Clone, Debug)]
pub(super) struct Product {
    /// Where it begins.
    pub(super) span: Span,
    /// `grids[1]`, or nothing for the whole grid.
    pub(super) path: String,
    pub(super) recipe: Option<ReadRecipe>,
    pub(super) splits: Axis<SplitRule>,
    pub(super) treatments: Axis<TreatmentRule>,
    pub(super) n: Axis<u64>,
    pub(super) directions: Axis<Direction>,
    pub(super) seeds: Axis<u64>,
    pub(super) images_per_class: Axis<ImagesPerClass>,
    /// Holds the seed of every source fixed.
    pub(super) source_seed: Option<u64>,
    /// Limit of the sources of transfers.
    pub(super) source_images_per_class: ImagesPerClass,
    pub(super) exclusions: Option<Exclusions>,
    /// Tells its networks from those of other products.
    pub(super) label: Option<Name>,
}

impl Given {
    /// Reads the keys that a mapping has; `above` is what the top level gives.
    pub(super) fn read(
        fields: &Fields<'_>,
        network: Option<&Network>,
        above: Option<&Self>,
        problems: &mut Problems,
    ) -> Self {
        let inherited = match above.and_then(|above| above.recipe.as_ref()) {
            None => Inherited::Nothing,
            Some(None) => Inherited::Unreadable,
            Some(Some(recipe)) => Inherited::Recipe(recipe),
        };
        let path = fields.path_of("exclude");
        Self {
            axes: Axes::read(fields, network, problems),
            recipe: fields.get("recipe").map(|node| recipe::read(node, inherited, problems)),
            source_seed: fields
                .get("source_seed")
                .map(|node| reader::number(node, "source_seed", &axes::seeds(), problems)),
            source_images_per_class: fields.get("source_images_per_class").map(|node| {
                let images = axes::images_per_class(node, "source_images_per_class", problems);
                images.unwrap_or(ImagesPerClass::All)
            }),
            exclusions: fields.get("exclude").map(|node| Exclusions {
                path: path.into(),
                entries: exclude::read(node, network, problems).into(),
            }),
            label: fields.get("label").map(|node| label(node, problems)),
        }
    }

    /// These keys, and those of `other` where these have none.
    pub(super) fn or(self, other: &Self) -> Self {
        Self {
            axes: self.axes.or(&other.axes),
            recipe: self.recipe.or_else(|| other.recipe.clone()),
            source_seed: self.source_seed.or(other.source_seed),
            source_images_per_class: self.source_images_per_class.or(other.source_images_per_class),
            exclusions: self.exclusions.or_else(|| other.exclusions.clone()),
            label: self.label.or_else(|| other.label.clone()),
        }
    }

    /// How many values of axes it holds.
    pub(super) fn values(&self) -> usize {
        self.axes.values()
    }

    /// The product of these keys, with what is missing reported or filled in.
    pub(super) fn complete(self, fields: &Fields<'_>, problems: &mut Problems) -> Product {
        let (span, axes) = (fields.span(), self.axes);
        let mut missing = |is_missing: bool, key, example| {
            if is_missing {
                fields.report_missing(key, example, problems);
            }
        };
        missing(self.recipe.is_none(), "recipe", "recipe: {preset: quick-28}");
        missing(axes.splits.is_none(), "split", "split: random-0");
        missing(axes.treatments.is_none(), "treatment", "treatment: [base, AnB]");
        let treatments = axes.treatments.unwrap_or_default();
        if let (None, Some(rule)) = (&axes.n, treatments.iter().find(|rule| rule.value.uses_n())) {
            problems.push(rule.span, Problem::NeedsN { treatment: rule.value.written() });
        }
        Product {
            span,
            path: fields.path().to_owned(),
            recipe: self.recipe.flatten(),
            splits: axes.splits.unwrap_or_default(),
            treatments,
            n: axes.n.unwrap_or_default(),
            directions: axes.directions.unwrap_or_else(|| at(span, [Direction::AtoB, Direction::BtoA])),
            seeds: axes.seeds.unwrap_or_else(|| at(span, [0])),
            images_per_class: axes.images_per_class.unwrap_or_else(|| at(span, [ImagesPerClass::All])),
            source_seed: self.source_seed.flatten(),
            source_images_per_class: self.source_images_per_class.unwrap_or(ImagesPerClass::All),
            exclusions: self.exclusions,
            label: self.label.flatten(),
        }
    }
}

/// An axis that the file does not give.
fn at<T, const N: usize>(span: Span, values: [T; N]) -> Axis<T> {
    Arc::new(values.map(|value| Located { value, span }).into())
}

impl Product {
    /// What drops cells of it.
    pub(super) fn exclusions(&self) -> &[Located<Exclusion>] {
        self.exclusions.as_ref().map_or(&[], |exclusions| exclusions.entries.as_slice())
    }

    /// The treatments that a rule stands for here, by the axis `n` if it uses that.
    pub(super) fn treatments_of(&self, rule: &TreatmentRule) -> Vec<Treatment> {
        if !rule.uses_n() {
            return vec![rule.with(0)];
        }
        self.n.iter().filter_map(|n| u8::try_from(n.value).ok()).map(|n| rule.with(n)).collect()
    }

    /// Where the axis stands that has the most values.
    pub(super) fn longest_axis(&self) -> Span {
        fn of<T>(axis: &Axis<T>) -> (usize, Span) {
            (axis.len(), axis.first().map(|located| located.span).unwrap_or_default())
        }
        let axes = [of(&self.splits), of(&self.seeds), of(&self.images_per_class), of(&self.treatments)];
        axes.into_iter().max_by_key(|(length, _)| *length).map(|(_, span)| span).unwrap_or_default()
    }
}

/// Reads a `label`.
fn label(node: &Node, problems: &mut Problems) -> Option<Name> {
    const EXPECTED: &str = "a label (1 to 64 of a-z 0-9 -)";
    reader::short_name(node, "label", EXPECTED, problems)
}
