//! A grid file as far as it could be read, with what was wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    count,
    error::{GridErrors, Located, Problems, Source, Span},
    expand::{self, Study},
    known::Known,
    problem::Problem,
    product::{self, Given, Product},
    reader::{self, Fields},
    tree::{self, Node, Value},
    validate,
};
use crate::{
    ids::Name,
    limits::{CELLS_MAX, GRID_ENTRIES_MAX},
    network::{self, Network, file::NetworkFile},
};

/// Texts of the files that a grid names, by the path as it is written there.
pub type GridFiles = BTreeMap<String, String>;

/// Keys that only the top level has, beside those of a product.
pub(super) const TOP_LEVEL_KEYS: &[&str] = &["study", "dataset", "network", "grids"];
/// All keys of the top level.
pub(super) const KEYS: &[&str] = &[
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
    "label",
    "grids",
];

/// What could be read of a grid file. Parts that were wrong are missing from it, and its
/// errors say so; it expands only when there are none.
#[derive(Clone, Debug)]
pub struct Draft {
    pub(super) source: Source,
    pub(super) problems: Problems,
    pub(super) study: Option<Name>,
    pub(super) dataset: Option<Located<String>>,
    pub(super) network: Option<Located<Network>>,
    /// The file that the network comes from, if it does.
    network_file: Option<NetworkFile>,
    network_file_errors: Option<GridErrors>,
    /// The whole grid, or the entries of `grids`.
    pub(super) products: Vec<Product>,
}

impl Draft {
    pub(super) fn read(file_name: &str, text: &str, files: &GridFiles) -> Self {
        let mut draft = Self {
            source: Source { file: file_name.into(), text: text.into() },
            problems: Problems::default(),
            study: None,
            dataset: None,
            network: None,
            network_file: None,
            network_file_errors: None,
            products: Vec::new(),
        };
        if let Some(root) = tree::read_reported(&mut draft.source, &mut draft.problems) {
            draft.fill(&root, files);
        }
        draft
    }

    /// The pack that is asked for, if that much could be read.
    #[must_use]
    pub fn dataset(&self) -> Option<&str> {
        self.dataset.as_ref().map(|dataset| dataset.value.as_str())
    }

    /// The imported weights that are asked for, by name or digest.
    #[must_use]
    pub fn weights(&self) -> BTreeSet<&str> {
        let rules = self.products.iter().flat_map(|product| product.treatments.iter());
        rules.filter_map(|rule| rule.value.weights()).map(|name| &**name).collect()
    }

    /// Everything wrong whatever the pack and the weights.
    #[must_use]
    pub fn errors(&self) -> Option<GridErrors> {
        self.errors_with(&self.problems, None)
    }

    /// The cells of the grid on a pack.
    ///
    /// # Errors
    /// Everything that is wrong, whatever is known and with it.
    pub fn expand<'k>(&self, known: impl Into<Known<'k>>) -> Result<Study, GridErrors> {
        let (known, mut problems) = (known.into(), self.problems.clone());
        let recipes = self.products.iter().filter_map(|product| product.recipe.as_ref());
        let outputs = recipes.map(|recipe| validate::outputs_max(recipe, known.pack)).max().unwrap_or(2);
        let fits = |file: &NetworkFile| file.check_shapes(known.pack.image.channels, outputs);
        let misfit = self.network_file.as_ref().and_then(|file| fits(file).err());
        let splits = validate::with_known(self, &known, &mut problems);
        if let Some(errors) = self.errors_with(&problems, misfit) {
            return Err(errors);
        }
        expand::study(self, &known, &splits).map_err(|found| {
            for (span, problem) in found {
                problems.push(span, problem);
            }
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
        self.errors_with(&problems, None).expect("a draft without a dataset has problems")
    }

    /// The grid's problems, then those of its network file.
    fn errors_with(&self, problems: &Problems, misfit: Option<GridErrors>) -> Option<GridErrors> {
        let files = [problems.errors(&self.source), self.network_file_errors.clone(), misfit];
        let errors = files.into_iter().flatten().reduce(GridErrors::followed_by)?;
        Some(errors.within(&self.source.file))
    }

    /// Whether the network comes from a file, whose shapes are checked there.
    pub(super) fn has_network_file(&self) -> bool {
        self.network_file.is_some()
    }

    fn fill(&mut self, root: &Node, files: &GridFiles) {
        let problems = &mut self.problems;
        let Some(fields) = reader::mapping(root, "", KEYS, &[], problems) else { return };
        const STUDY: &str = "a study's name (1 to 64 of a-z 0-9 -)";
        self.study = fields
            .require("study", "study: my-study", problems)
            .and_then(|node| reader::short_name(node, "study", STUDY, problems));
        self.dataset =
            fields.require("dataset", "dataset: fashion-mnist", problems).and_then(|n| dataset(n, problems));
        if let Some(node) = fields.require("network", "network: caffenet-28", &mut self.problems) {
            self.read_network(node, files);
        }
        self.read_products(&fields);
        if let Some((span, cells)) = count::beyond_limit(&self.products) {
            // What follows may look at every cell.
            self.problems.push(span, Problem::TooManyCells { cells });
        } else {
            validate::without_pack(self);
        }
    }

    fn read_network(&mut self, node: &Node, files: &GridFiles) {
        let Some(given) = reader::text(node, "network", "the name of a network", &mut self.problems) else {
            return;
        };
        let span = node.span;
        if !is_path(given) {
            match Network::preset(given) {
                Some(value) => self.network = Some(Located { value, span }),
                None => {
                    let (path, given) = ("network".to_owned(), reader::shown(given));
                    let known = network::PRESETS;
                    self.problems.push(span, Problem::UnknownChoice { path, what: "network", given, known });
                }
            }
            return;
        }
        let Some(text) = files.get(given) else {
            self.problems.push(span, Problem::MissingFile { given: reader::shown(given) });
            return;
        };
        match network::file::read(&beside(&self.source.file, given), text) {
            Ok(file) => {
                self.network = Some(Located { value: file.network().clone(), span });
                self.network_file = Some(file);
            }
            Err(errors) => self.network_file_errors = Some(errors),
        }
    }

    /// Reads the whole grid as one product, or the entries of `grids`.
    fn read_products(&mut self, fields: &Fields<'_>) {
        let network = self.network.as_ref().map(|located| &located.value);
        let problems = &mut self.problems;
        let top = Given::read(fields, network, None, problems);
        let Some(node) = fields.get("grids") else {
            self.products = vec![top.complete(fields, problems)];
            return;
        };
        if let Value::List(items) = &node.value
            && items.len() > GRID_ENTRIES_MAX
        {
            let (path, range) = ("grids".to_owned(), format!("1..{GRID_ENTRIES_MAX}"));
            let given = format!("a list of {} entries", items.len());
            let span = Span::at(node.span.start);
            problems.push(span, Problem::OutOfRange { path, given, range, reason: None });
            return;
        }
        let (mut values, mut index) = (top.values(), 0);
        let entries = reader::list(node, "grids", problems, |item, problems| {
            let path = format!("grids[{index}]");
            index += 1;
            let fields = reader::mapping(item, &path, product::KEYS, TOP_LEVEL_KEYS, problems)?;
            if values > CELLS_MAX {
                // Each value makes a cell; and memory for more is not spent.
                problems.push(fields.span(), Problem::TooManyCells { cells: values as u128 });
                return None;
            }
            let given = Given::read(&fields, network, Some(&top), problems);
            values += given.values();
            Some(given.or(&top).complete(&fields, problems))
        });
        self.products = entries.into_iter().map(|entry| entry.value).collect();
    }
}

fn dataset(node: &Node, problems: &mut Problems) -> Option<Located<String>> {
    const EXPECTED: &str = "a pack's name or digest (1 to 128 of A-Z a-z 0-9 . _ -)";
    let given = reader::text(node, "dataset", EXPECTED, problems)?;
    if given.parse::<Name>().is_err() {
        let (path, given) = ("dataset".to_owned(), reader::shown(given));
        problems.push(node.span, Problem::BadName { path, given, expected: EXPECTED });
        return None;
    }
    Some(Located { value: given.to_owned(), span: node.span })
}

/// Paths of the files that a grid names, as they are written there. A file that cannot be
/// read names none.
#[must_use]
pub fn files_named(text: &str) -> Vec<String> {
    let Ok(Node { value: Value::Map(entries), .. }) = tree::read(text) else { return Vec::new() };
    let value_of = |(key, value): &(Node, Node)| match (&key.value, &value.value) {
        (Value::Scalar { text: key, .. }, Value::Scalar { text, .. }) if key == "network" => {
            Some(text.clone())
        }
        _ => None,
    };
    // A doubled key counts once, the first, as in the reader.
    entries.iter().find_map(value_of).filter(|given| is_path(given)).into_iter().collect()
}

/// Whether the value of `network` is a path and not a preset's name.
fn is_path(given: &str) -> bool {
    given.contains('/') || given.ends_with(".yaml") || given.ends_with(".yml")
}

/// A file beside the grid file, as messages name it.
fn beside(grid_file: &str, given: &str) -> String {
    match grid_file.rfind('/') {
        Some(slash) if !given.starts_with('/') => format!("{}/{given}", &grid_file[..slash]),
        _ => given.to_owned(),
    }
}
