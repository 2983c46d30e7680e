//! One stream: a pure function from an index to a random number.
//!
//! Any thread, device or resumed attempt finds the same number at the same place. Words
//! come from Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2,
//! 3"), logarithm and cosine from `libm`, not from the machine.

use serde::Serialize;

use crate::identity::canonical_json;

/// One stream of random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    key: [u32; 2],
    // The upper half of every counter; with the key, 128 bits tell streams apart.
    counter_high: [u32; 2],
}

impl Stream {
    /// The stream for this purpose; purposes with unlike canonical JSON share nothing.
    pub(crate) fn keyed_by<T: Serialize>(purpose: &T) -> Self {
        let digest = blake3::hash(canonical_json(purpose).as_bytes());
        let word = |index: usize| {
            let bytes = &digest.as_bytes()[4 * index..4 * index + 4];
            u32::from_le_bytes(bytes.try_into().expect("four bytes"))
        };
        Self { key: [word(0), word(1)], counter_high: [word(2), word(3)] }
    }

    /// Four uniform words. The other functions draw from the same blocks, so a stream is
    /// used through one of them only.
    #[must_use]
    pub fn block(&self, counter: u64) -> [u32; 4] {
        let [high_0, high_1] = self.counter_high;
        philox4x32_10([counter as u32, (counter >> 32) as u32, high_0, high_1], self.key)
    }

    /// The uniform word of element `index`: `block(index / 4)[index % 4]`.
    #[must_use]
    pub fn uniform_u32(&self, index: u64) -> u32 {
        self.block(index / 4)[(index % 4) as usize]
    }

    /// A whole number in `0..bound` for element `index`, by multiply and shift. No value's
    /// probability is off by more than 2⁻³² (of 1 / bound). `bound` is at least 1.
    #[must_use]
    pub fn below(&self, index: u64, bound: u32) -> u32 {
        ((u64::from(self.uniform_u32(index)) * u64::from(bound)) >> 32) as u32
    }

    /// The standard normal number of element `index`, from `block(index)`, by the
    /// transformation of Box and Muller (1958) in f64; its size is at most 8.6.
    #[must_use]
    pub fn normal(&self, index: u64) -> f32 {
        let [a, b, c, d] = self.block(index);
        // In (0, 1], so that the logarithm is finite.
        let radius_uniform = (fraction_53(a, b) + 1) as f64 * 2f64.powi(-53);
        let angle_uniform = fraction_53(c, d) as f64 * 2f64.powi(-53);
        let radius = libm::sqrt(-2.0 * libm::log(radius_uniform));
        (radius * libm::cos(std::f64::consts::TAU * angle_uniform)) as f32
    }

    /// A permutation of `0..len`: Fisher-Yates from the last place down, place `i` drawing
    /// `below(i, i + 1)`.
    #[must_use]
    pub fn permutation(&self, len: u32) -> Vec<u32> {
        let mut items: Vec<u32> = (0..len).collect();
        for last in (1..len).rev() {
            items.swap(last as usize, self.below(u64::from(last), last + 1) as usize);
        }
        items
    }
}

fn fraction_53(low: u32, high: u32) -> u64 {
    (u64::from(high) << 32 | u64::from(low)) >> 11
}

/// Philox4x32 with ten rounds, with the constants of Salmon et al. 2011.
fn philox4x32_10(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let product_0 = u64::from(counter[0]) * 0xd251_1f53;
        let product_1 = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [
            (product_1 >> 32) as u32 ^ counter[1] ^ key[0],
            product_1 as u32,
            (product_0 >> 32) as u32 ^ counter[3] ^ key[1],
            product_0 as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    // Random123 1.14, tests/kat_vectors, the lines "philox4x32 10".
    #[test]
    fn philox_gives_the_published_known_answers() {
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let cases = [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([u32::MAX; 4], [u32::MAX; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (pi, [0xa409_3822, 0x299f_31d0], [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
        ];
        for (counter, key, expected) in cases {
            assert_eq!(philox4x32_10(counter, key), expected);
        }
    }

    #[test]
    fn normal_numbers_have_mean_0_and_deviation_1() {
        let stream = Stream::keyed_by(&"normal");
        let numbers: Vec<f64> = (0..100_000).map(|index| f64::from(stream.normal(index))).collect();
        let mean = numbers.iter().sum::<f64>() / 1e5;
        let variance = numbers.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / 1e5;
        let beyond_two = numbers.iter().filter(|number| number.abs() > 2.0).count();
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        assert!((4_300..4_800).contains(&beyond_two), "{beyond_two} of 100,000; 4,550 expected");
    }

    #[test]
    fn a_permutation_holds_everything_once() {
        let stream = Stream::keyed_by(&"order");
        let mut items = stream.permutation(30_000);
        assert_ne!(items[..10], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        items.sort_unstable();
        assert!(items.into_iter().eq(0..30_000));
        assert!(stream.permutation(0).is_empty());
    }

    #[test]
    fn bounded_numbers_are_spread_evenly() {
        let stream = Stream::keyed_by(&"crops");
        let mut counts = [0; 5];
        for index in 0..50_000 {
            counts[stream.below(index, 5) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
    }
}
