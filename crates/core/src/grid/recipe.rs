//! The `recipe` of a grid: a preset, any key overridden, every value in range.
//!
//! The tables say what each key accepts; the schema is made from them too.

use super::{
    error::{Located, Problems, Span},
    problem::Problem,
    reader::{self, Bounds, Fields, RealBounds},
    tree::{Node, Value},
};
use crate::recipe::{Drop, Initialiser, MeanImage, Order, Outputs, PRESETS, Precision, Recipe, TestImages};

pub(super) const KEYS: &[&str] = &[
    "preset",
    "iterations",
    "batch",
    "learning_rate",
    "drops",
    "momentum",
    "decay",
    "bias_learning_rate_factor",
    "bias_decay_factor",
    "crop",
    "mirror",
    "scale",
    "test_every",
    "initialiser",
    "dropout",
    "outputs",
    "mean_image",
    "order",
    "test_images",
    "precision",
];

/// A key that holds a value of type `T` within `bounds`.
pub(super) struct Key<B, T> {
    pub(super) name: &'static str,
    pub(super) bounds: B,
    field: fn(&mut Recipe) -> &mut T,
}

/// Keys that hold a whole number from 1 to the bound.
pub(super) const COUNTS: &[Key<u64, u32>] = &[
    Key { name: "iterations", bounds: 100_000_000, field: |recipe| &mut recipe.iterations },
    Key { name: "batch", bounds: 65_536, field: |recipe| &mut recipe.batch },
    Key { name: "test_every", bounds: 100_000_000, field: |recipe| &mut recipe.test_every },
];

/// Keys that hold a number with a fraction.
pub(super) const REALS: &[Key<RealBounds, f64>] = &[
    real("learning_rate", RealBounds::above(0.0, 10.0), |recipe| &mut recipe.learning_rate),
    real("momentum", RealBounds::below(0.0, 1.0), |recipe| &mut recipe.momentum),
    real("decay", RealBounds::closed(0.0, 1.0), |recipe| &mut recipe.decay),
    real("bias_learning_rate_factor", RealBounds::closed(0.0, 100.0), |recipe| {
        &mut recipe.bias_learning_rate_factor
    }),
    real("bias_decay_factor", RealBounds::closed(0.0, 100.0), |recipe| &mut recipe.bias_decay_factor),
    real("scale", RealBounds::above(0.0, 1_000.0), |recipe| &mut recipe.scale),
    real("dropout", RealBounds::below(0.0, 1.0), |recipe| &mut recipe.dropout),
];

const fn real(
    name: &'static str,
    bounds: RealBounds,
    field: fn(&mut Recipe) -> &mut f64,
) -> Key<RealBounds, f64> {
    Key { name, bounds, field }
}

/// The largest `crop`, in pixels.
pub(super) const CROP_MAX: u64 = 4_096;
/// The largest number of `test_images`.
pub(super) const TEST_IMAGES_MAX: u64 = 1_000_000_000;
/// The fewest and the most `outputs`.
pub(super) const OUTPUTS: (u64, u64) = (2, 1_000_000);

/// Words of keys that hold one, and what they mean.
type Words<T> = (&'static [&'static str], &'static [T]);
pub(super) const INITIALISERS: Words<Initialiser> =
    (&["he", "gaussian"], &[Initialiser::He, Initialiser::Gaussian]);
pub(super) const MEAN_IMAGES: Words<MeanImage> =
    (&["target", "source"], &[MeanImage::Target, MeanImage::Source]);
pub(super) const ORDERS: Words<Order> = (&["shuffled", "fixed"], &[Order::Shuffled, Order::Fixed]);
pub(super) const PRECISIONS: Words<Precision> =
    (&["f32", "tf32", "bf16"], &[Precision::F32, Precision::Tf32, Precision::Bf16]);

/// Keys of one drop of the learning rate, and what they accept.
pub(super) const DROP_KEYS: &[&str] = &["at", "factor"];
pub(super) const DROP_AT: RealBounds = RealBounds::open(0.0, 1.0);
pub(super) const DROP_FACTOR: RealBounds = RealBounds::closed(0.0, 1.0);

/// A recipe, and where the keys stand that a pack can contradict.
#[derive(Clone, Debug)]
pub(super) struct ReadRecipe {
    pub(super) recipe: Recipe,
    pub(super) crop_span: Span,
    pub(super) outputs_span: Span,
}

/// What the keys of a recipe without a preset change.
#[derive(Clone, Copy)]
pub(super) enum Inherited<'r> {
    /// Nothing: the recipe must name a preset.
    Nothing,
    /// Something that could not be read, which was reported.
    Unreadable,
    /// The top level's recipe.
    Recipe(&'r ReadRecipe),
}

/// Reads the value of `recipe`; none when neither a preset nor what it inherits is usable.
pub(super) fn read(node: &Node, inherited: Inherited<'_>, problems: &mut Problems) -> Option<ReadRecipe> {
    if let Value::Scalar { text, plain: true } = &node.value
        && PRESETS.contains(&text.as_str())
    {
        problems.push(node.span, Problem::RecipeIsAWord { given: text.clone() });
        return None;
    }
    let fields = reader::mapping(node, "recipe", KEYS, &[], problems)?;
    let base = match (fields.get("preset"), inherited) {
        (None, Inherited::Recipe(recipe)) => Some(recipe.clone()),
        (None, Inherited::Unreadable) => None,
        _ => preset(&fields, problems).map(|recipe| ReadRecipe {
            recipe,
            crop_span: node.span,
            outputs_span: node.span,
        }),
    };
    // Without it the other keys are still checked, against any values.
    let mut recipe = base.as_ref().map_or_else(Recipe::quick_28, |base| base.recipe.clone());
    let mut reader = Reader { fields: &fields, problems };
    reader.numbers(&mut recipe);
    reader.images(&mut recipe);
    reader.words(&mut recipe);
    let base = base?;
    let span_of = |key, otherwise| fields.get(key).map_or(otherwise, |node| node.span);
    Some(ReadRecipe {
        recipe,
        crop_span: span_of("crop", base.crop_span),
        outputs_span: span_of("outputs", base.outputs_span),
    })
}

fn preset(fields: &Fields<'_>, problems: &mut Problems) -> Option<Recipe> {
    let node = fields.require("preset", "preset: quick-28", problems)?;
    let given = reader::text(node, "recipe.preset", "the name of a preset", problems)?;
    let recipe = Recipe::preset(given);
    if recipe.is_none() {
        let (path, given) = ("recipe.preset".to_owned(), reader::shown(given));
        problems.push(node.span, Problem::UnknownChoice { path, what: "preset", given, known: PRESETS });
    }
    recipe
}

struct Reader<'r, 'n> {
    fields: &'r Fields<'n>,
    problems: &'r mut Problems,
}

impl Reader<'_, '_> {
    fn numbers(&mut self, recipe: &mut Recipe) {
        for key in COUNTS {
            let Some(node) = self.fields.get(key.name) else { continue };
            let (path, bounds) = (format!("recipe.{}", key.name), Bounds::new(1..=key.bounds));
            if let Some(number) = reader::number(node, &path, &bounds, self.problems) {
                *(key.field)(recipe) = small(number);
            }
        }
        for key in REALS {
            let Some(node) = self.fields.get(key.name) else { continue };
            let path = format!("recipe.{}", key.name);
            if let Some(number) = reader::real_within(node, &path, &key.bounds, self.problems) {
                *(key.field)(recipe) = number;
            }
        }
        if let Some(node) = self.fields.get("drops") {
            recipe.drops = drops(node, self.problems);
        }
    }

    fn images(&mut self, recipe: &mut Recipe) {
        if let Some(node) = self.fields.get("crop") {
            let bounds = Bounds { expected: "a whole number or `none`", ..Bounds::new(1..=CROP_MAX) };
            recipe.crop = match &node.value {
                Value::Scalar { text, .. } if text == "none" || reader::is_null(text) => None,
                _ => reader::number(node, "recipe.crop", &bounds, self.problems).map(small),
            };
        }
        if let Some(node) = self.fields.get("mirror")
            && let Some(mirror) = reader::truth(node, "recipe.mirror", self.problems)
        {
            recipe.mirror = mirror;
        }
        let bounds = Bounds { expected: "a whole number or `all`", ..Bounds::new(1..=TEST_IMAGES_MAX) };
        if let Some(images) = self.word_or_count("test_images", "all", &bounds) {
            recipe.test_images = images.map_or(TestImages::All, TestImages::Count);
        }
        let (fewest, most) = OUTPUTS;
        let bounds = Bounds { expected: "a whole number or `classes`", ..Bounds::new(fewest..=most) };
        if let Some(outputs) = self.word_or_count("outputs", "classes", &bounds) {
            recipe.outputs = outputs.map_or(Outputs::Classes, Outputs::Count);
        }
    }

    fn words(&mut self, recipe: &mut Recipe) {
        self.word("mean_image", MEAN_IMAGES, &mut recipe.mean_image);
        self.word("order", ORDERS, &mut recipe.order);
        self.word("initialiser", INITIALISERS, &mut recipe.initialiser);
        self.word("precision", PRECISIONS, &mut recipe.precision);
    }

    fn word<T: Copy>(&mut self, key: &'static str, words: Words<T>, value: &mut T) {
        let Some(node) = self.fields.get(key) else { return };
        let chosen = reader::choice(node, &format!("recipe.{key}"), key, words, self.problems);
        *value = chosen.unwrap_or(*value);
    }

    /// `Some(None)` for the word, `Some(Some(..))` for a number.
    fn word_or_count(&mut self, key: &str, word: &str, bounds: &Bounds) -> Option<Option<u32>> {
        let node = self.fields.get(key)?;
        match &node.value {
            Value::Scalar { text, .. } if text == word => Some(None),
            _ => {
                reader::number(node, &format!("recipe.{key}"), bounds, self.problems).map(|n| Some(small(n)))
            }
        }
    }
}

fn drops(node: &Node, problems: &mut Problems) -> Vec<Drop> {
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return Vec::new();
    }
    let mut index = 0;
    let drops = reader::list(node, "recipe.drops", problems, |item, problems| {
        let path = format!("recipe.drops[{index}]");
        index += 1;
        drop(item, &path, problems)
    });
    for [before, after] in drops.array_windows() {
        let (before, at) = (before.value.at, after.value.at);
        if at <= before {
            problems.push(after.span, Problem::DropsOutOfOrder { before, at });
        }
    }
    drops.into_iter().map(|Located { value, .. }| value).collect()
}

fn drop(node: &Node, path: &str, problems: &mut Problems) -> Option<Drop> {
    let fields = reader::mapping(node, path, DROP_KEYS, &[], problems)?;
    let at = fields.require("at", "at: 0.75", problems);
    let factor = fields.require("factor", "factor: 0.1", problems);
    let at = at.and_then(|at| {
        let range = format!("{DROP_AT}, a fraction of the iterations");
        reader::real(at, &format!("{path}.at"), &range, |at| DROP_AT.contain(at), problems)
    });
    let factor = factor
        .and_then(|factor| reader::real_within(factor, &format!("{path}.factor"), &DROP_FACTOR, problems));
    Some(Drop { at: at?, factor: factor? })
}

/// A number that its bounds keep below 2³².
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = include_str!("../../../../docs/grid.md");

    #[test]
    fn the_page_tells_every_key_and_what_it_accepts() {
        let row = |key: &str| {
            let start = format!("| `{key}` | ");
            let row = PAGE.lines().find_map(|line| line.strip_prefix(&start));
            row.unwrap_or_else(|| panic!("docs/grid.md has no row for {key}")).to_owned()
        };
        for key in KEYS {
            row(key);
        }
        for key in COUNTS {
            assert!(row(key.name).starts_with(&format!("1..{} |", key.bounds)), "{}", key.name);
        }
        for key in REALS {
            assert!(row(key.name).starts_with(&format!("{} |", key.bounds)), "{}", key.name);
        }
        let ranges = [
            ("crop", format!("1..{CROP_MAX} or none |")),
            ("test_images", format!("1..{TEST_IMAGES_MAX} or all |")),
            ("outputs", format!("{}..{} or classes |", OUTPUTS.0, OUTPUTS.1)),
            ("initialiser", format!("{} |", INITIALISERS.0.join(", "))),
            ("mean_image", format!("{} |", MEAN_IMAGES.0.join(", "))),
            ("order", format!("{} |", ORDERS.0.join(", "))),
            ("precision", format!("{} |", PRECISIONS.0.join(", "))),
        ];
        for (key, accepts) in ranges {
            assert!(row(key).starts_with(&accepts), "{key}: {accepts}");
        }
    }
}
