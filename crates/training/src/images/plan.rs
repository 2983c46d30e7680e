//! Which batches a training needs, one after the other: those of its updates, and those of
//! its tests between them.

use std::ops::Range;

use selffer_core::{
    recipe::{Recipe, TestImages},
    spec::JobSpec,
};

/// A batch that a training needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// That of an update.
    Training {
        /// Updates done before.
        iteration: u32,
    },
    /// Part of a test.
    Test {
        /// Updates done before.
        iteration: u32,
        /// Places of the validation images, counted on past the last, where they begin again.
        positions: Range<usize>,
    },
}

impl Wanted {
    /// Updates done before it is needed.
    pub(super) fn iteration(&self) -> u32 {
        match self {
            Self::Training { iteration } | Self::Test { iteration, .. } => *iteration,
        }
    }
}

/// The batches from somewhere in a training to its end; nothing in it is drawn or read.
#[derive(Clone)]
pub(crate) struct Plan {
    recipe: Recipe,
    /// Images of a test.
    images_per_test: usize,
    /// Images tested at a time, at most.
    test_batch: usize,
    iteration: u32,
    /// Validation images tested so far, where tests go on where the last one stopped.
    tested: usize,
    /// What is left of a test that has begun.
    test: Range<usize>,
}

impl Plan {
    /// Goes on after so many updates and tests, with so many validation images.
    pub(crate) fn new(
        spec: &JobSpec,
        (iteration, tests): (u32, usize),
        (validation, test_batch): (usize, usize),
    ) -> Self {
        let recipe = spec.recipe.clone();
        let images_per_test = images_per_test(&recipe, validation);
        let tested = match recipe.test_images {
            TestImages::All => 0,
            TestImages::Count(count) => tests * count as usize % validation,
        };
        Self { recipe, images_per_test, test_batch, iteration, tested, test: 0..0 }
    }
}

impl Iterator for Plan {
    type Item = Wanted;

    fn next(&mut self) -> Option<Wanted> {
        if !self.test.is_empty() {
            let end = self.test.end.min(self.test.start + self.test_batch);
            let positions = self.test.start..end;
            self.test.start = end;
            return Some(Wanted::Test { iteration: self.iteration, positions });
        }
        if self.iteration >= self.recipe.iterations {
            return None;
        }
        let iteration = self.iteration;
        self.iteration += 1;
        if is_test_due(&self.recipe, self.iteration) {
            self.test = self.tested..self.tested + self.images_per_test;
            if let TestImages::Count(_) = self.recipe.test_images {
                self.tested = self.test.end;
            }
        }
        Some(Wanted::Training { iteration })
    }
}

/// Whether the network is tested after so many updates, at least 1.
pub(crate) fn is_test_due(recipe: &Recipe, iteration: u32) -> bool {
    iteration == recipe.iterations || iteration.is_multiple_of(recipe.test_every)
}

/// How many images a test covers, of so many validation images.
pub(crate) fn images_per_test(recipe: &Recipe, validation: usize) -> usize {
    match recipe.test_images {
        TestImages::All => validation,
        TestImages::Count(count) => count as usize,
    }
}
