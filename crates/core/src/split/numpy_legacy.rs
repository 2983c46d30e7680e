//! The random generator that the authors of Yosinski et al. 2014 drew their halves with:
//! numpy's `RandomState`, as far as a permutation needs it.
//!
//! Promises the same numbers as numpy, whose legacy generator is frozen. Nothing but
//! splits uses this; trainings draw from [`crate::stream`].

const STATE_WORDS: usize = 624;
const SHIFT_WORDS: usize = 397;

/// numpy's `RandomState` over MT19937 (Matsumoto and Nishimura 1998).
pub(super) struct RandomState {
    words: [u32; STATE_WORDS],
    next: usize,
}

impl RandomState {
    /// `RandomState([seed])`: seeded with a list of one number, which is not
    /// `RandomState(seed)`.
    pub(super) fn from_list_of_one(seed: u32) -> Self {
        Self::from_list(&[seed])
    }

    // `init_by_array` of the reference implementation, for lists of up to 624 words.
    fn from_list(seeds: &[u32]) -> Self {
        let mut words = words_from(19_650_218);
        let mut at = 1;
        for step in 0..STATE_WORDS {
            let seed_index = step % seeds.len();
            let mixed = words[at] ^ mix(words[at - 1]).wrapping_mul(1_664_525);
            words[at] = mixed.wrapping_add(seeds[seed_index]).wrapping_add(seed_index as u32);
            at = following(&mut words, at);
        }
        for _ in 1..STATE_WORDS {
            let mixed = words[at] ^ mix(words[at - 1]).wrapping_mul(1_566_083_941);
            words[at] = mixed.wrapping_sub(at as u32);
            at = following(&mut words, at);
        }
        words[0] = 0x8000_0000;
        Self { words, next: STATE_WORDS }
    }

    fn next_u32(&mut self) -> u32 {
        if self.next == STATE_WORDS {
            self.twist();
        }
        let mut word = self.words[self.next];
        self.next += 1;
        word ^= word >> 11;
        word ^= (word << 7) & 0x9d2c_5680;
        word ^= (word << 15) & 0xefc6_0000;
        word ^ (word >> 18)
    }

    fn twist(&mut self) {
        for at in 0..STATE_WORDS {
            let following = self.words[(at + 1) % STATE_WORDS];
            let joined = (self.words[at] & 0x8000_0000) | (following & 0x7fff_ffff);
            let odd = if joined & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[at] = self.words[(at + SHIFT_WORDS) % STATE_WORDS] ^ (joined >> 1) ^ odd;
        }
        self.next = 0;
    }

    // numpy's `random_interval`: a whole number in 0..=max, by masking and rejection.
    // `max` is at least 1.
    fn interval(&mut self, max: u32) -> u32 {
        let mask = u32::MAX >> max.leading_zeros();
        loop {
            let value = self.next_u32() & mask;
            if value <= max {
                return value;
            }
        }
    }

    /// `permutation(items)`: Fisher-Yates from the last place down.
    pub(super) fn permutation(&mut self, mut items: Vec<u32>) -> Vec<u32> {
        for last in (1..items.len()).rev() {
            let other = self.interval(last as u32) as usize;
            items.swap(last, other);
        }
        items
    }
}

fn mix(word: u32) -> u32 {
    word ^ (word >> 30)
}

// `init_genrand` of the reference implementation.
fn words_from(seed: u32) -> [u32; STATE_WORDS] {
    let mut words = [seed; STATE_WORDS];
    for at in 1..STATE_WORDS {
        words[at] = mix(words[at - 1]).wrapping_mul(1_812_433_253).wrapping_add(at as u32);
    }
    words
}

fn following(words: &mut [u32; STATE_WORDS], at: usize) -> usize {
    if at + 1 < STATE_WORDS {
        return at + 1;
    }
    words[0] = words[STATE_WORDS - 1];
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    // Matsumoto and Nishimura, mt19937ar.out, first line.
    #[test]
    fn the_first_numbers_are_those_of_the_reference_implementation() {
        let mut state = RandomState::from_list(&[0x123, 0x234, 0x345, 0x456]);
        let numbers: Vec<_> = (0..5).map(|_| state.next_u32()).collect();
        assert_eq!(numbers, [1_067_595_299, 955_945_823, 477_289_528, 4_107_218_783, 4_228_976_476]);
    }

    // numpy 2.4.6: RandomState([0]).bytes(20), as little-endian words.
    #[test]
    fn a_list_of_one_seeds_as_in_numpy() {
        let mut state = RandomState::from_list_of_one(0);
        let numbers: Vec<_> = (0..5).map(|_| state.next_u32()).collect();
        assert_eq!(numbers, [0xd82c_07cd, 0x629f_6fbe, 0xc209_4cac, 0xe3e7_0682, 0x6baa_9455]);
    }
}
