//! Linear axes with round ticks.

/// A range of values along pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    // Pixels of `low` and `high`.
    start: f64,
    end: f64,
}

impl Axis {
    /// Maps `low..=high` to the pixels from `start` to `end`; `low < high`.
    pub(super) fn new(range: [f64; 2], pixels: [f64; 2]) -> Self {
        Self { low: range[0], high: range[1], start: pixels[0], end: pixels[1] }
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)
    }

    /// Whether a value is on the axis.
    pub(super) fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Four to ten round values, increasing, with the decimals that they need.
    pub(super) fn ticks(&self) -> (Vec<f64>, usize) {
        let step = round_step((self.high - self.low) / 8.0);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let first = (self.low / step).ceil() as i64;
        let last = (self.high / step).floor() as i64;
        // `+ 0.0` turns a negative zero into zero.
        ((first..=last).map(|index| index as f64 * step + 0.0).collect(), decimals)
    }
}

/// The range of these values with room around them; at least `width_min` wide.
pub(super) fn padded_range(values: impl IntoIterator<Item = f64>, width_min: f64) -> Option<[f64; 2]> {
    let range = values.into_iter().fold(None, |range: Option<[f64; 2]>, value| {
        Some(range.map_or([value; 2], |[low, high]| [low.min(value), high.max(value)]))
    });
    range.map(|[low, high]| {
        let room = (0.08 * (high - low)).max((width_min - (high - low)) / 2.0);
        [low - room, high + room]
    })
}

/// 1, 2 or 5 times a power of ten, nearest above.
fn round_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= step * 0.999);
    factor.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        for (range, expected, decimals) in [
            ([53.0, 66.0], vec![54.0, 56.0, 58.0, 60.0, 62.0, 64.0, 66.0], 0),
            ([18.2, 97.4], (2..=9).map(|ten| f64::from(ten) * 10.0).collect(), 0),
            ([-1.2, 1.1], vec![-1.0, -0.5, 0.0, 0.5, 1.0], 1),
        ] {
            assert_eq!(Axis::new(range, [0.0, 1.0]).ticks(), (expected, decimals));
        }
    }

    #[test]
    fn one_value_still_has_a_range() {
        assert_eq!(padded_range([5.0], 2.0), Some([4.0, 6.0]));
        assert_eq!(padded_range([], 2.0), None);
    }
}
