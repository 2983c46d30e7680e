//! The one source of chance: everything that happens follows from the seed.

use selffer_core::ids::{ClaimId, SessionId};
use uuid::Uuid;

/// Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators": SplitMix64.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5E1F_FE12)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    /// In `0..bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// In `from..to`.
    pub(crate) fn between(&mut self, from: i64, to: i64) -> i64 {
        from + self.below((to - from) as usize) as i64
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn claim(&mut self) -> ClaimId {
        ClaimId((u128::from(self.next()) << 64 | u128::from(self.next())).to_le_bytes())
    }

    pub(crate) fn session(&mut self) -> SessionId {
        SessionId(Uuid::from_u128(u128::from(self.next()) << 64 | u128::from(self.next())))
    }
}
