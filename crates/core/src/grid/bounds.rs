//! Which numbers a key accepts, and how they are written in messages.

use std::{fmt, ops::RangeInclusive};

use super::{problem::Problem, reader::shown};

/// Numbers that a key accepts.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) allowed: RangeInclusive<u64>,
    /// Why, where that is not plain.
    pub(crate) reason: Option<String>,
    /// What the key accepts.
    pub(crate) expected: &'static str,
}

impl Bounds {
    pub(crate) fn new(allowed: RangeInclusive<u64>) -> Self {
        Self { allowed, reason: None, expected: "a whole number" }
    }

    /// The number in this text, if it is one and allowed.
    pub(crate) fn check(&self, number: u64, given: &str, path: &str) -> Result<u64, Problem> {
        if self.allowed.contains(&number) { Ok(number) } else { Err(self.out_of_range(given, path)) }
    }

    pub(crate) fn out_of_range(&self, given: &str, path: &str) -> Problem {
        Problem::OutOfRange {
            path: path.to_owned(),
            given: shown(given),
            range: format!("{}..{}", self.allowed.start(), self.allowed.end()),
            reason: self.reason.clone(),
        }
    }
}

/// What a text is as a whole number.
pub(crate) enum Whole {
    /// A number that fits.
    Number(u64),
    /// A whole number, but negative or too large for any key.
    Outside,
    /// Something else.
    Not,
}

/// Reads digits with an optional minus; `1_000`, `1e3` and `0x10` are not whole numbers here.
pub(crate) fn whole(text: &str) -> Whole {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Whole::Not;
    }
    text.parse().map_or(Whole::Outside, Whole::Number)
}

/// Numbers with a fraction that a key accepts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RealBounds {
    pub(crate) low: f64,
    pub(crate) low_belongs: bool,
    pub(crate) high: f64,
    pub(crate) high_belongs: bool,
}

impl RealBounds {
    /// `[low, high]`
    pub(crate) const fn closed(low: f64, high: f64) -> Self {
        Self { low, low_belongs: true, high, high_belongs: true }
    }

    /// `(low, high]`
    pub(crate) const fn above(low: f64, high: f64) -> Self {
        Self { low_belongs: false, ..Self::closed(low, high) }
    }

    /// `[low, high)`
    pub(crate) const fn below(low: f64, high: f64) -> Self {
        Self { high_belongs: false, ..Self::closed(low, high) }
    }

    /// `(low, high)`
    pub(crate) const fn open(low: f64, high: f64) -> Self {
        Self { low_belongs: false, ..Self::below(low, high) }
    }

    /// Whether the number lies within.
    pub(crate) fn contain(&self, number: f64) -> bool {
        let above = if self.low_belongs { number >= self.low } else { number > self.low };
        let below = if self.high_belongs { number <= self.high } else { number < self.high };
        above && below
    }
}

impl fmt::Display for RealBounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.low_belongs { '[' } else { '(' };
        let close = if self.high_belongs { ']' } else { ')' };
        write!(f, "{open}{}, {}{close}", self.low, self.high)
    }
}
