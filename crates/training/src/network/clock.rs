//! Where the time of an iteration goes, for those who ask.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// A part of an iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// An operator of the network.
    Operator {
        /// Index of its layer.
        layer: usize,
        /// Its index in the layer.
        operator: usize,
    },
    /// The loss and its gradient.
    Loss,
    /// The solver's update.
    Update,
}

/// A direction of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From images to logits.
    Forward,
    /// From the loss to the weights.
    Backward,
}

/// Time that a part took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PartTime {
    /// All forward passes.
    pub forward: Duration,
    /// All backward passes.
    pub backward: Duration,
}

/// Adds up the time of each part of an iteration. Stands still until it is started: a training
/// does not ask.
#[derive(Debug, Default)]
pub struct Clock(Option<Mutex<BTreeMap<Part, PartTime>>>);

impl Clock {
    /// A clock that goes.
    #[must_use]
    pub fn started() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Does `body`, and notes how long it took.
    pub(crate) fn time<R>(&self, part: Part, direction: Direction, body: impl FnOnce() -> R) -> R {
        let Some(times) = &self.0 else { return body() };
        let started = Instant::now();
        let result = body();
        let elapsed = started.elapsed();
        let mut times = times.lock().expect("nobody panics while they hold it");
        let time = times.entry(part).or_default();
        match direction {
            Direction::Forward => time.forward += elapsed,
            Direction::Backward => time.backward += elapsed,
        }
        result
    }

    /// The times so far, in the order of an iteration.
    #[must_use]
    pub fn times(&self) -> BTreeMap<Part, PartTime> {
        let times =
            self.0.as_ref().map(|times| times.lock().expect("nobody panics while they hold it").clone());
        times.unwrap_or_default()
    }
}
