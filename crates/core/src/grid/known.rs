//! What expansion is told about the world: the pack, and imported weights.

use std::collections::BTreeMap;

use crate::{pack::PackFacts, weights::WeightsFacts};

/// Facts about what a grid names.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Of the dataset.
    pub pack: &'a PackFacts,
    /// Of imported weights, by the name or digest that a grid may give. Facts without
    /// layers are of weights that nobody could be asked about.
    pub weights: &'a BTreeMap<String, WeightsFacts>,
}

static NO_WEIGHTS: BTreeMap<String, WeightsFacts> = BTreeMap::new();

impl<'a> From<&'a PackFacts> for Known<'a> {
    fn from(pack: &'a PackFacts) -> Self {
        Self { pack, weights: &NO_WEIGHTS }
    }
}
