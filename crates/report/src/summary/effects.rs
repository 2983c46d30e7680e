//! What the treatments do: four paired effects for each n.

use serde::Serialize;

use super::panel;
use crate::{
    results::{Metric, NetworkRow, TreatmentName},
    stats::{Contrast, Estimate},
};

/// A difference between two treatments that means something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// BnB minus own base: what splitting co-adapted layers costs.
    LostCoAdaptation,
    /// AnB minus BnB: what layers being specific to the other classes costs.
    Specificity,
    /// AnB+ minus BnB+: what starting from the other half gains.
    TransferBoost,
    /// BnB+ minus own base: what training longer gains.
    LongerTraining,
}

/// One effect at one n.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EffectRow {
    /// The effect.
    pub effect: Effect,
    /// Layers copied.
    pub n: u32,
    /// Percentage points.
    pub estimate: Estimate,
}

impl Effect {
    /// All four, in the order in which we show them.
    pub const ALL: [Self; 4] =
        [Self::LostCoAdaptation, Self::Specificity, Self::TransferBoost, Self::LongerTraining];

    /// What is compared.
    #[must_use]
    pub fn contrast(self) -> Contrast {
        use TreatmentName::{AnB, AnBPlus, BnB, BnBPlus};
        match self {
            Self::LostCoAdaptation => Contrast::own_base(BnB),
            Self::Specificity => Contrast { treated: AnB, control: BnB },
            Self::TransferBoost => Contrast { treated: AnBPlus, control: BnBPlus },
            Self::LongerTraining => Contrast::own_base(BnBPlus),
        }
    }

    /// The effect in words.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::LostCoAdaptation => "lost co-adaptation (BnB - own base)",
            Self::Specificity => "specificity (AnB - BnB)",
            Self::TransferBoost => "transfer boost (AnB+ - BnB+)",
            Self::LongerTraining => "longer training (BnB+ - own base)",
        }
    }
}

/// Every effect at every n at which its treated networks occur.
pub(super) fn effects(panel: &[&NetworkRow], metric: Metric) -> Vec<EffectRow> {
    let mut rows = Vec::new();
    for effect in Effect::ALL {
        let contrast = effect.contrast();
        for n in panel::layers_of(panel, &contrast.treated) {
            let estimate = contrast.pair(panel, &(n..=n), metric).estimate();
            rows.push(EffectRow { effect, n, estimate });
        }
    }
    rows
}
