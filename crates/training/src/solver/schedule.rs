//! The rates of one iteration.

use selffer_core::recipe::Recipe;

/// How fast a tensor learns and decays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Multiplies the gradient.
    pub learning_rate: f32,
    /// Multiplies the value, as part of the gradient.
    pub decay: f32,
}

/// Everything an update needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Of weights.
    pub weight: Rate,
    /// Of biases.
    pub bias: Rate,
    /// Share of the last step that is taken again.
    pub momentum: f32,
}

impl Rates {
    /// The rates of the update after `iteration` others.
    #[must_use]
    pub fn at(recipe: &Recipe, iteration: u32) -> Self {
        let rate = recipe.learning_rate_at(iteration);
        let of = |learning_rate_factor: f64, decay_factor: f64| Rate {
            learning_rate: (rate * learning_rate_factor) as f32,
            decay: (recipe.decay * decay_factor) as f32,
        };
        Self {
            weight: of(1.0, 1.0),
            bias: of(recipe.bias_learning_rate_factor, recipe.bias_decay_factor),
            momentum: recipe.momentum as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caffes_biases_learn_twice_as_fast_and_do_not_decay() {
        let (bias_learning_rate_factor, bias_decay_factor) = (2.0, 0.0);
        let recipe = Recipe { bias_learning_rate_factor, bias_decay_factor, ..Recipe::quick_28() };
        let rates = Rates::at(&recipe, 0);
        assert_eq!(rates.weight, Rate { learning_rate: 0.03, decay: 0.0005 });
        assert_eq!(rates.bias, Rate { learning_rate: 0.06, decay: 0.0 });
    }
}
