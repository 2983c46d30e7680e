//! The `recipe` of a grid: a preset, any key overridden, every value in range.

use super::{
    error::{Located, Problems, Span},
    problem::Problem,
    reader::{self, Bounds, Fields},
    tree::{Node, Value},
};
use crate::recipe::{Drop, Initialiser, MeanImage, Order, Outputs, PRESETS, Precision, Recipe, TestImages};

const KEYS: &[&str] = &[
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

/// A recipe, and where the keys stand that a pack can contradict.
#[derive(Clone, Debug)]
pub(super) struct ReadRecipe {
    pub(super) recipe: Recipe,
    pub(super) crop_span: Span,
    pub(super) outputs_span: Span,
}

/// Reads the value of `recipe`; none when it has no usable preset.
pub(super) fn read(node: &Node, problems: &mut Problems) -> Option<ReadRecipe> {
    let fields = reader::mapping(node, "recipe", KEYS, &[], problems)?;
    let preset = preset(&fields, problems);
    // Without a preset the other keys are still checked, against any values.
    let mut recipe = preset.clone().unwrap_or_else(Recipe::quick_28);
    let mut reader = Reader { fields: &fields, problems };
    reader.solver(&mut recipe);
    reader.images(&mut recipe);
    reader.rest(&mut recipe);
    let span_of = |key| fields.get(key).map_or(node.span, |node| node.span);
    let (crop_span, outputs_span) = (span_of("crop"), span_of("outputs"));
    preset.map(|_| ReadRecipe { recipe, crop_span, outputs_span })
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
    fn solver(&mut self, recipe: &mut Recipe) {
        self.count("iterations", 1..=100_000_000, &mut recipe.iterations);
        self.count("batch", 1..=65_536, &mut recipe.batch);
        self.real("learning_rate", "(0, 10]", |v| v > 0.0 && v <= 10.0, &mut recipe.learning_rate);
        self.real("momentum", "[0, 1)", |v| (0.0..1.0).contains(&v), &mut recipe.momentum);
        self.real("decay", "[0, 1]", |v| (0.0..=1.0).contains(&v), &mut recipe.decay);
        let factor = |v| (0.0..=100.0).contains(&v);
        self.real("bias_learning_rate_factor", "[0, 100]", factor, &mut recipe.bias_learning_rate_factor);
        self.real("bias_decay_factor", "[0, 100]", factor, &mut recipe.bias_decay_factor);
        self.real("dropout", "[0, 1)", |v| (0.0..1.0).contains(&v), &mut recipe.dropout);
        if let Some(node) = self.fields.get("drops") {
            recipe.drops = drops(node, self.problems);
        }
    }

    fn images(&mut self, recipe: &mut Recipe) {
        if let Some(node) = self.fields.get("crop") {
            let bounds = Bounds { expected: "a whole number or `none`", ..Bounds::new(1..=4_096) };
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
        self.real("scale", "(0, 1000]", |v| v > 0.0 && v <= 1_000.0, &mut recipe.scale);
        let means = (["target", "source"].as_slice(), [MeanImage::Target, MeanImage::Source].as_slice());
        self.word("mean_image", means, &mut recipe.mean_image);
        let orders = (["shuffled", "fixed"].as_slice(), [Order::Shuffled, Order::Fixed].as_slice());
        self.word("order", orders, &mut recipe.order);
    }

    fn rest(&mut self, recipe: &mut Recipe) {
        self.count("test_every", 1..=100_000_000, &mut recipe.test_every);
        let bounds = Bounds { expected: "a whole number or `all`", ..Bounds::new(1..=1_000_000_000) };
        if let Some(images) = self.word_or_count("test_images", "all", &bounds) {
            recipe.test_images = images.map_or(TestImages::All, TestImages::Count);
        }
        let bounds = Bounds { expected: "a whole number or `classes`", ..Bounds::new(2..=1_000_000) };
        if let Some(outputs) = self.word_or_count("outputs", "classes", &bounds) {
            recipe.outputs = outputs.map_or(Outputs::Classes, Outputs::Count);
        }
        let starts = (["he", "gaussian"].as_slice(), [Initialiser::He, Initialiser::Gaussian].as_slice());
        self.word("initialiser", starts, &mut recipe.initialiser);
        let precisions = [Precision::F32, Precision::Tf32, Precision::Bf16];
        self.word("precision", (&["f32", "tf32", "bf16"], &precisions), &mut recipe.precision);
    }

    fn count(&mut self, key: &str, allowed: std::ops::RangeInclusive<u64>, value: &mut u32) {
        let Some(node) = self.fields.get(key) else { return };
        let number = reader::number(node, &format!("recipe.{key}"), &Bounds::new(allowed), self.problems);
        *value = number.map_or(*value, small);
    }

    fn real(&mut self, key: &str, range: &str, allowed: impl Fn(f64) -> bool, value: &mut f64) {
        let Some(node) = self.fields.get(key) else { return };
        let number = reader::real(node, &format!("recipe.{key}"), range, allowed, self.problems);
        *value = number.unwrap_or(*value);
    }

    fn word<T: Copy>(&mut self, key: &'static str, words: (&'static [&'static str], &[T]), value: &mut T) {
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
    let fields = reader::mapping(node, path, &["at", "factor"], &[], problems)?;
    let at = fields.require("at", "at: 0.75", problems);
    let factor = fields.require("factor", "factor: 0.1", problems);
    let at = at.and_then(|at| {
        let within = |v| v > 0.0 && v < 1.0;
        reader::real(at, &format!("{path}.at"), "(0, 1), a fraction of the iterations", within, problems)
    });
    let factor = factor.and_then(|factor| {
        let within = |v| (0.0..=1.0).contains(&v);
        reader::real(factor, &format!("{path}.factor"), "[0, 1]", within, problems)
    });
    Some(Drop { at: at?, factor: factor? })
}

/// A number that its bounds keep below 2³².
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
