//! From axes to cells: the products without what is excluded, with the sources they need,
//! and each network once.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    axes::Coordinates,
    draft::Draft,
    error::Span,
    known::Known,
    names,
    problem::Problem,
    product::Product,
    same_names,
    treatment::{self, TreatmentRule},
    validate::ReadySplit,
    warnings::{self, Warning},
};
use crate::{
    cost,
    identity::KeyMaker,
    ids::{Digest, JobKey, Name},
    limits::CELLS_MAX,
    recipe::MeanImage,
    spec::{Half, ImagesPerClass, Imported, JobSpec, Origin, Source, TRAINER_SEMANTICS_VERSION, Treatment},
    split::SplitRule,
};

/// A grid on a pack: every network to train.
#[derive(Clone, Debug, PartialEq)]
pub struct Study {
    /// The study's name.
    pub name: Name,
    /// The pack as the grid names it.
    pub dataset: String,
    /// The pack's digest. Without it the cells' keys stand for nothing outside this study.
    pub pack: Option<Digest>,
    /// The network's name.
    pub network: String,
    /// The networks; a source stands before those copied from it.
    pub cells: Vec<Cell>,
    /// What the person should know, though nothing is wrong.
    pub warnings: Vec<Warning>,
}

/// One network of a study.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// Unique within the study, e.g. `random-0/A3B`.
    pub name: String,
    /// The job's identity.
    pub key: JobKey,
    /// The job.
    pub spec: JobSpec,
    /// Index of the earlier cell that it copies layers from.
    pub source: Option<usize>,
    /// Not listed in the grid; there because others copy from it.
    pub added_as_source: bool,
    /// Operations of its training; see [`cost::job_flops`].
    pub flops: f64,
    /// The paper's name of the treatment, e.g. `BnB+`.
    pub treatment_name: &'static str,
    /// Whether the key is the job's; not while the digest of the pack or of imported weights
    /// is unknown.
    pub key_is_known: bool,
}

/// The cells of a grid without mistakes on a pack that it fits; `splits` are those of each
/// product.
pub(super) fn study(
    draft: &Draft,
    known: &Known<'_>,
    splits: &[Vec<Arc<ReadySplit>>],
) -> Result<Study, Vec<(Span, Problem)>> {
    let template = template(draft, known);
    let network = template.network.name.clone();
    let mut expansion = Expansion {
        known,
        template,
        keys: KeyMaker::default(),
        cells: Vec::new(),
        products: Vec::new(),
        placed: HashMap::new(),
        bases: HashMap::new(),
        dropped: HashSet::new(),
    };
    for (index, (product, splits)) in draft.products.iter().zip(splits).enumerate() {
        expansion.place_all(&Part { index, product, splits });
    }
    let Expansion { cells, products, dropped, .. } = expansion;
    check_count(draft, cells.len()).map_err(|problem| vec![problem])?;
    let same = same_names::find(draft, &cells, &products);
    if !same.is_empty() {
        return Err(same);
    }
    let warnings = warnings::of(draft, known, &cells, &products, &dropped);
    Ok(Study {
        name: draft.study.clone().expect("a draft without problems has a study"),
        dataset: draft.dataset().unwrap_or_default().to_owned(),
        pack: known.pack.digest,
        network,
        cells,
        warnings,
    })
}

fn check_count(draft: &Draft, cells: usize) -> Result<(), (Span, Problem)> {
    if cells == 0 {
        let exclusions = draft.products.iter().flat_map(Product::exclusions);
        let span = exclusions.map(|entry| entry.span).next().unwrap_or_default();
        return Err((span, Problem::NoCells));
    }
    if cells > CELLS_MAX {
        return Err((Span::at(0), Problem::TooManyCells { cells: cells as u128 }));
    }
    Ok(())
}

/// What all jobs of a study share; the rest is filled in for each product and cell.
fn template(draft: &Draft, known: &Known<'_>) -> JobSpec {
    let network = draft.network.as_ref().expect("a draft without problems has a network");
    let recipe = draft.products.iter().find_map(|product| product.recipe.as_ref());
    let recipe = recipe.expect("a draft without problems has a recipe");
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: known.pack.digest.unwrap_or(Digest([0; 32])),
        image: known.pack.image,
        split: String::new(),
        target: crate::spec::Classes { half: Half::W, indices: Vec::new().into() },
        source: None,
        imported: None,
        treatment: BASE,
        network: network.value.clone().into(),
        recipe: recipe.recipe.clone(),
        seed: 0,
        images_per_class: ImagesPerClass::All,
    }
}

const BASE: Treatment = Treatment { origin: Origin::None, layers_copied: 0, layers_frozen: 0 };

#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    InGrid,
    AsSource,
}

/// One product with its splits on the pack.
struct Part<'d> {
    index: usize,
    product: &'d Product,
    splits: &'d [Arc<ReadySplit>],
}

struct Expansion<'d> {
    known: &'d Known<'d>,
    template: JobSpec,
    keys: KeyMaker,
    cells: Vec<Cell>,
    /// For each cell the product that it came from first.
    products: Vec<usize>,
    placed: HashMap<JobKey, usize>,
    /// Base networks of the product at hand: those that are asked for again and again.
    bases: HashMap<Coordinates, usize>,
    /// The entries of `exclude` that dropped a cell, by where they stand.
    dropped: HashSet<usize>,
}

impl<'d> Expansion<'d> {
    fn place_all(&mut self, part: &Part<'d>) {
        let Some(recipe) = &part.product.recipe else { return };
        self.template.recipe = recipe.recipe.clone();
        self.bases.clear();
        let mut rules: Vec<_> = part.product.treatments.iter().map(|located| &located.value).collect();
        // Base networks first: people look for them there, and they are sources.
        rules.sort_unstable();
        for split in 0..part.splits.len() {
            for rule in &rules {
                for treatment in part.product.treatments_of(rule) {
                    self.place_replicates(part, split, rule, treatment);
                }
            }
        }
    }

    fn place_replicates(
        &mut self,
        part: &Part<'d>,
        split: usize,
        rule: &TreatmentRule,
        treatment: Treatment,
    ) {
        let product = part.product;
        let targets: Vec<Half> = if part.splits[split].rule != SplitRule::Whole {
            product.directions.iter().map(|direction| direction.value.target()).collect()
        } else {
            vec![Half::W]
        };
        for images in product.images_per_class.iter() {
            for seed in product.seeds.iter() {
                for &target in &targets {
                    let (seed, images_per_class) = (seed.value, images.value);
                    let cell = Coordinates { split, treatment, target, seed, images_per_class };
                    if !self.is_excluded(part, &cell) {
                        self.place(part, rule, cell, Listed::InGrid);
                    }
                }
            }
        }
    }

    fn is_excluded(&mut self, part: &Part<'d>, cell: &Coordinates) -> bool {
        let rule = &part.splits[cell.split].rule;
        let mut excluded = false;
        for entry in part.product.exclusions() {
            if entry.value.drops(cell, rule) {
                self.dropped.insert(entry.span.start);
                excluded = true;
            }
        }
        excluded
    }

    /// The index of this cell, which is made with its source if it is not there yet.
    fn place(&mut self, part: &Part<'d>, rule: &TreatmentRule, at: Coordinates, listed: Listed) -> usize {
        let is_base = at.treatment == BASE;
        if let Some(&index) = self.bases.get(&at).filter(|_| is_base) {
            self.cells[index].added_as_source &= listed == Listed::AsSource;
            return index;
        }
        let source = source_of(part.product, &at).map(|at| self.place(part, rule, at, Listed::AsSource));
        let (spec, key_is_known) = self.spec(part, rule, &at, source);
        let key = self.keys.key(&spec);
        let index = *self.placed.entry(key).or_insert(self.cells.len());
        if is_base {
            self.bases.insert(at, index);
        }
        if let Some(cell) = self.cells.get_mut(index) {
            cell.added_as_source &= listed == Listed::AsSource;
            return index;
        }
        let label = part.product.label.as_ref().map(Name::as_str);
        self.cells.push(Cell {
            name: names::name(&spec.split, &at, label),
            key,
            source,
            added_as_source: listed == Listed::AsSource,
            flops: cost::job_flops(&spec, self.known.pack),
            treatment_name: treatment::name(at.treatment),
            key_is_known,
            spec,
        });
        self.products.push(part.index);
        index
    }

    /// The job, and whether its digests are known.
    fn spec(
        &self,
        part: &Part<'_>,
        rule: &TreatmentRule,
        at: &Coordinates,
        source: Option<usize>,
    ) -> (JobSpec, bool) {
        let split = &part.splits[at.split];
        let mut spec = self.template.clone();
        spec.split.clone_from(&split.name);
        spec.target = split.classes(at.target).clone();
        spec.treatment = at.treatment;
        spec.seed = at.seed;
        spec.images_per_class = at.images_per_class;
        spec.source = source.map(|index| {
            let source = &self.cells[index];
            let (classes, images_per_class) = (source.spec.target.clone(), source.spec.images_per_class);
            Source { classes, images_per_class, job: source.key }
        });
        if spec.source.is_none() {
            // There is no other half to take it from; and the same network has one identity.
            spec.recipe.mean_image = MeanImage::Target;
        }
        let mut key_is_known = self.known.pack.digest.is_some();
        if let (Origin::Imported, Some(name)) = (at.treatment.origin, rule.weights()) {
            let digest = self.known.weights.get(&**name).and_then(|facts| facts.digest);
            key_is_known &= digest.is_some();
            // Other weights must have other keys, known or not.
            let weights = digest.unwrap_or_else(|| Digest::of(name.as_bytes()));
            spec.imported = Some(Imported { weights });
        }
        (spec, key_is_known)
    }
}

/// The base network that layers are copied from.
fn source_of(product: &Product, cell: &Coordinates) -> Option<Coordinates> {
    let (target, images_per_class) = match cell.treatment.origin {
        Origin::Own => (cell.target, cell.images_per_class),
        Origin::Other => (cell.target.other(), product.source_images_per_class),
        Origin::None | Origin::Random | Origin::Imported => return None,
    };
    let seed = product.source_seed.unwrap_or(cell.seed);
    Some(Coordinates { split: cell.split, treatment: BASE, target, seed, images_per_class })
}
