//! Where the time of an iteration goes, for those who ask.

use std::{
    collections::BTreeMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// A direction of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// From images to logits.
    Forward,
    /// From the loss to the weights.
    Backward,
}

/// Time that an operator took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OperatorTime {
    /// All forward passes.
    pub forward: Duration,
    /// All backward passes.
    pub backward: Duration,
}

/// Adds up the time of each operator, by (index of the layer, of the operator). Stands still
/// until it is started: a training does not ask.
#[derive(Debug, Default)]
pub struct Clock(Option<Mutex<BTreeMap<(usize, usize), OperatorTime>>>);

impl Clock {
    /// A clock that goes.
    #[must_use]
    pub fn started() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Does `body`, and notes how long it took.
    pub(super) fn time<R>(
        &self,
        operator: (usize, usize),
        direction: Direction,
        body: impl FnOnce() -> R,
    ) -> R {
        let Some(times) = &self.0 else { return body() };
        let started = Instant::now();
        let result = body();
        let elapsed = started.elapsed();
        let mut times = times.lock().expect("nobody panics while they hold it");
        let time = times.entry(operator).or_default();
        match direction {
            Direction::Forward => time.forward += elapsed,
            Direction::Backward => time.backward += elapsed,
        }
        result
    }

    /// The times so far, in the order of layers and operators.
    #[must_use]
    pub fn times(&self) -> BTreeMap<(usize, usize), OperatorTime> {
        let times =
            self.0.as_ref().map(|times| times.lock().expect("nobody panics while they hold it").clone());
        times.unwrap_or_default()
    }
}
