//! A grid file as far as it could be read, with what was wrong.

use std::sync::Arc;

use super::{
    axes::{self, Axes},
    count,
    error::{GridErrors, Located, Problems, Source, Span},
    exclude::{self, Exclusion},
    expand::{self, Study},
    problem::Problem,
    reader::{self, Fields},
    recipe::{self, ReadRecipe},
    treatment::{Direction, NamedTreatment},
    tree::{self, Node, Value},
    validate,
};
use crate::{
    ids::Name,
    network::{self, Network},
    pack::PackFacts,
    spec::{ImagesPerClass, Origin},
};

const KEYS: &[&str] = &[
    "study",
    "dataset",
    "network",
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
];
/// Keys of the format that this version refuses by name.
const LATER: &[&str] = &["grids", "label"];

/// What could be read of a grid file. Parts that were wrong are missing from it, and its
/// errors say so; it expands only when there are none.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) source: Source,
    pub(super) problems: Problems,
    pub(super) study: Option<Name>,
    pub(super) dataset: Option<Located<String>>,
    pub(super) network: Option<Located<Network>>,
    pub(super) recipe: Option<ReadRecipe>,
    pub(super) axes: Axes,
    /// Holds the seed of every source fixed.
    pub(super) source_seed: Option<u64>,
    /// Limit of the sources of transfers.
    pub(super) source_images_per_class: ImagesPerClass,
    pub(super) exclusions: Vec<Located<Exclusion>>,
}

impl Draft {
    pub(super) fn read(file_name: &str, text: &str) -> Self {
        let mut draft = Self {
            source: Source { file: file_name.into(), text: text.into() },
            problems: Problems::default(),
            study: None,
            dataset: None,
            network: None,
            recipe: None,
            axes: Axes::default(),
            source_seed: None,
            source_images_per_class: ImagesPerClass::All,
            exclusions: Vec::new(),
        };
        match tree::read(text) {
            Ok(root) => draft.fill(&root),
            Err((span, problem)) => {
                if matches!(problem, Problem::FileTooLarge { .. }) {
                    // Nobody looks at one line of ten megabytes.
                    draft.source.text = Arc::from("");
                }
                draft.problems.push(span, problem);
            }
        }
        draft
    }

    /// The pack that is asked for, if that much could be read.
    #[must_use]
    pub fn dataset(&self) -> Option<&str> {
        self.dataset.as_ref().map(|dataset| dataset.value.as_str())
    }

    /// Everything wrong whatever the pack.
    #[must_use]
    pub fn errors(&self) -> Option<GridErrors> {
        self.problems.errors(&self.source)
    }

    /// The cells of the grid on a pack.
    ///
    /// # Errors
    /// Everything that is wrong, whatever the pack and with it.
    pub fn expand(&self, pack: &PackFacts) -> Result<Study, GridErrors> {
        let mut problems = self.problems.clone();
        let splits = validate::with_pack(self, pack, &mut problems);
        if let Some(errors) = problems.errors(&self.source) {
            return Err(errors);
        }
        expand::study(self, pack, splits).map_err(|(span, problem)| {
            problems.push(span, problem);
            problems.errors(&self.source).expect("a problem was just added")
        })
    }

    /// Everything wrong, and that no pack is stored under [`Self::dataset`]; `known` are
    /// the names there are.
    #[must_use]
    pub fn without_pack(&self, known: &[String]) -> GridErrors {
        let mut problems = self.problems.clone();
        if let Some(Located { value, span }) = self.dataset.clone() {
            problems.push(span, Problem::UnknownPack { given: value, known: known.to_vec() });
        }
        problems.errors(&self.source).expect("a draft without a dataset has problems")
    }

    fn fill(&mut self, root: &Node) {
        let problems = &mut self.problems;
        let Some(fields) = reader::mapping(root, "", KEYS, LATER, problems) else { return };
        self.study = fields.require("study", "study: my-study", problems).and_then(|n| study(n, problems));
        self.dataset =
            fields.require("dataset", "dataset: fashion-mnist", problems).and_then(|n| dataset(n, problems));
        self.network =
            fields.require("network", "network: caffenet-28", problems).and_then(|n| network(n, problems));
        self.recipe = fields
            .require("recipe", "recipe: {preset: quick-28}", problems)
            .and_then(|node| recipe::read(node, problems));
        fields.require("split", "split: random-0", problems);
        fields.require("treatment", "treatment: [base, AnB]", problems);
        let network = self.network.as_ref().map(|located| &located.value);
        self.axes = Axes::read(&fields, network, problems);
        self.exclusions =
            fields.get("exclude").map_or_else(Vec::new, |node| exclude::read(node, network, problems));
        self.sources(&fields);
        self.defaults(&fields, root.span);
        match count::beyond_limit(&self.axes) {
            // What follows may look at every cell.
            Some((span, cells)) => self.problems.push(span, Problem::TooManyCells { cells }),
            None => validate::without_pack(self),
        }
    }

    fn sources(&mut self, fields: &Fields<'_>) {
        let problems = &mut self.problems;
        self.source_seed = fields
            .get("source_seed")
            .and_then(|n| reader::number(n, "source_seed", &axes::seeds(), problems));
        if let Some(node) = fields.get("source_images_per_class") {
            let images = axes::images_per_class(node, "source_images_per_class", problems);
            self.source_images_per_class = images.unwrap_or(ImagesPerClass::All);
        }
    }

    /// Fills axes that are absent, not those that could not be read.
    fn defaults(&mut self, fields: &Fields<'_>, span: Span) {
        let axes = &mut self.axes;
        if fields.get("direction").is_none() {
            axes.directions = [Direction::AtoB, Direction::BtoA].map(|value| Located { value, span }).into();
        }
        if fields.get("seed").is_none() {
            axes.seeds = vec![Located { value: 0, span }];
        }
        if fields.get("images_per_class").is_none() {
            axes.images_per_class = vec![Located { value: ImagesPerClass::All, span }];
        }
        let copies = |located: &&Located<NamedTreatment>| located.value.origin() != Origin::None;
        if let (None, Some(located)) = (fields.get("n"), axes.treatments.iter().find(copies)) {
            self.problems.push(located.span, Problem::NeedsN { treatment: located.value.name() });
        }
    }
}

fn study(node: &Node, problems: &mut Problems) -> Option<Name> {
    const EXPECTED: &str = "a study's name: 1 to 64 of a-z 0-9 -";
    let given = reader::text(node, "study", EXPECTED, problems)?;
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    let name = given.parse().ok().filter(|_| given.len() <= 64 && given.bytes().all(allowed));
    if name.is_none() {
        let (path, given) = ("study".to_owned(), reader::shown(given));
        problems.push(node.span, Problem::BadName { path, given, expected: EXPECTED });
    }
    name
}

fn dataset(node: &Node, problems: &mut Problems) -> Option<Located<String>> {
    const EXPECTED: &str = "a pack's name or digest: 1 to 128 of A-Z a-z 0-9 . _ -";
    let given = reader::text(node, "dataset", EXPECTED, problems)?;
    if given.parse::<Name>().is_err() {
        let (path, given) = ("dataset".to_owned(), reader::shown(given));
        problems.push(node.span, Problem::BadName { path, given, expected: EXPECTED });
        return None;
    }
    Some(Located { value: given.to_owned(), span: node.span })
}

fn network(node: &Node, problems: &mut Problems) -> Option<Located<Network>> {
    if matches!(&node.value, Value::Scalar { text, .. } if text.contains('/') || text.ends_with(".yaml")) {
        problems.push(node.span, Problem::Unsupported { what: "network: a network file".to_owned() });
        return None;
    }
    let given = reader::text(node, "network", "the name of a network", problems)?;
    let network = Network::preset(given);
    if network.is_none() {
        let (path, given) = ("network".to_owned(), reader::shown(given));
        let known = network::PRESETS;
        problems.push(node.span, Problem::UnknownChoice { path, what: "network", given, known });
    }
    network.map(|value| Located { value, span: node.span })
}
