//! From axes to cells: the product without what is excluded, with the sources it needs.

use std::collections::HashMap;

use super::{
    axes::Coordinates,
    draft::Draft,
    error::Span,
    names,
    problem::Problem,
    treatment::NamedTreatment,
    validate::ReadySplit,
    warnings::{self, Warning},
};
use crate::{
    cost, identity,
    ids::{Digest, JobKey, Name},
    limits::CELLS_MAX,
    pack::PackFacts,
    recipe::MeanImage,
    spec::{Half, ImagesPerClass, JobSpec, Origin, Source, TRAINER_SEMANTICS_VERSION},
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
}

/// The cells of a grid without mistakes on a pack that it fits.
pub(super) fn study(
    draft: &Draft,
    pack: &PackFacts,
    splits: Vec<ReadySplit>,
) -> Result<Study, (Span, Problem)> {
    let mut expansion = Expansion {
        draft,
        pack,
        template: template(draft, pack),
        splits,
        cells: Vec::new(),
        placed: HashMap::new(),
        dropped: vec![0; draft.exclusions.len()],
    };
    expansion.place_all();
    let cells = expansion.cells.len();
    if cells == 0 {
        return Err((draft.exclusions.first().map_or(Span::at(0), |entry| entry.span), Problem::NoCells));
    }
    if cells > CELLS_MAX {
        return Err((Span::at(0), Problem::TooManyCells { cells: cells as u128 }));
    }
    let warnings = warnings::of(draft, pack, &expansion.cells, &expansion.dropped);
    Ok(Study {
        name: draft.study.clone().expect("a draft without problems has a study"),
        dataset: draft.dataset().unwrap_or_default().to_owned(),
        pack: pack.digest,
        network: expansion.template.network.name.clone(),
        cells: expansion.cells,
        warnings,
    })
}

/// What all jobs of a study share; the rest is filled in for each cell.
fn template(draft: &Draft, pack: &PackFacts) -> JobSpec {
    let network = draft.network.as_ref().expect("a draft without problems has a network");
    let recipe = draft.recipe.as_ref().expect("a draft without problems has a recipe");
    JobSpec {
        semantics_version: TRAINER_SEMANTICS_VERSION,
        pack: pack.digest.unwrap_or(Digest([0; 32])),
        image: pack.image,
        split: String::new(),
        target: crate::spec::Classes { half: Half::W, indices: Vec::new() },
        source: None,
        treatment: NamedTreatment::Base.with(None),
        network: network.value.clone(),
        recipe: recipe.recipe.clone(),
        seed: 0,
        images_per_class: ImagesPerClass::All,
    }
}

#[derive(Clone, Copy)]
enum Listed {
    InGrid,
    AsSource,
}

struct Expansion<'d> {
    draft: &'d Draft,
    pack: &'d PackFacts,
    template: JobSpec,
    splits: Vec<ReadySplit>,
    cells: Vec<Cell>,
    placed: HashMap<Coordinates, usize>,
    /// How many cells each entry of `exclude` dropped.
    dropped: Vec<usize>,
}

impl Expansion<'_> {
    fn place_all(&mut self) {
        let draft = self.draft;
        let mut treatments: Vec<_> = draft.axes.treatments.iter().map(|located| located.value).collect();
        // Base networks first: people look for them there, and they are sources.
        treatments.sort_unstable();
        for split in 0..self.splits.len() {
            for &treatment in &treatments {
                for n in self.depths(treatment) {
                    self.place_replicates(split, treatment, n);
                }
            }
        }
    }

    fn depths(&self, treatment: NamedTreatment) -> Vec<Option<u8>> {
        if treatment.origin() == Origin::None {
            return vec![None];
        }
        self.draft.axes.n.iter().map(|n| u8::try_from(n.value).ok()).collect()
    }

    fn place_replicates(&mut self, split: usize, treatment: NamedTreatment, n: Option<u8>) {
        let axes = &self.draft.axes;
        let targets: Vec<Half> = if self.splits[split].rule != SplitRule::Whole {
            axes.directions.iter().map(|direction| direction.value.target()).collect()
        } else {
            vec![Half::W]
        };
        for images in &axes.images_per_class {
            for seed in &axes.seeds {
                for &target in &targets {
                    let (seed, images_per_class) = (seed.value, images.value);
                    let cell = Coordinates { split, treatment, n, target, seed, images_per_class };
                    if !self.is_excluded(&cell) {
                        self.place(cell, Listed::InGrid);
                    }
                }
            }
        }
    }

    fn is_excluded(&mut self, cell: &Coordinates) -> bool {
        let rule = &self.splits[cell.split].rule;
        let mut excluded = false;
        for (entry, dropped) in self.draft.exclusions.iter().zip(&mut self.dropped) {
            if entry.value.drops(cell, rule) {
                *dropped += 1;
                excluded = true;
            }
        }
        excluded
    }

    /// The index of this cell, which is made with its source if it is not there yet.
    fn place(&mut self, at: Coordinates, listed: Listed) -> usize {
        if let Some(&index) = self.placed.get(&at) {
            return index;
        }
        let source = self.source_of(&at).map(|source| self.place(source, Listed::AsSource));
        let spec = self.spec(&at, source);
        let key = identity::job_key(&spec);
        let index = self.cells.len();
        self.cells.push(Cell {
            name: names::name(&spec.split, &at),
            key,
            source,
            added_as_source: matches!(listed, Listed::AsSource),
            flops: cost::job_flops(&spec, self.pack),
            treatment_name: at.treatment.name(),
            spec,
        });
        self.placed.insert(at, index);
        index
    }

    /// The base network that layers are copied from.
    fn source_of(&self, cell: &Coordinates) -> Option<Coordinates> {
        let (target, images_per_class) = match cell.treatment.origin() {
            Origin::Own => (cell.target, cell.images_per_class),
            Origin::Other => (cell.target.other(), self.draft.source_images_per_class),
            Origin::None | Origin::Random => return None,
        };
        let seed = self.draft.source_seed.unwrap_or(cell.seed);
        let (split, treatment) = (cell.split, NamedTreatment::Base);
        Some(Coordinates { split, treatment, n: None, target, seed, images_per_class })
    }

    fn spec(&self, at: &Coordinates, source: Option<usize>) -> JobSpec {
        let split = &self.splits[at.split];
        let mut spec = self.template.clone();
        spec.split.clone_from(&split.name);
        spec.target = split.classes(at.target).clone();
        spec.treatment = at.treatment.with(at.n);
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
        spec
    }
}
