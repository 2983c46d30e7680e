//! How long a fleet of equal devices takes, when some networks wait for others.
//!
//! Simulates what placement does: of what can start, sources first, by the work they
//! unlock, then the longest. Fetching, uploads and lost workers take no time here.

use std::{cmp::Reverse, collections::BinaryHeap, num::NonZeroU32};

/// One network to train.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work {
    /// How long one device takes, in microseconds.
    pub micros: u64,
    /// Index of the earlier network that must be there first.
    pub source: Option<usize>,
}

/// What a simulated fleet needed, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Makespan {
    /// From the first start to the last end.
    pub micros: u64,
    /// The longest chain of networks that wait for each other: no fleet is faster.
    pub critical_path_micros: u64,
}

/// A network that can start. The order of the fields is placement's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ready {
    unlocks: u64,
    own: u64,
    index: Reverse<usize>,
}

/// Simulates so many devices on these networks, each of which stands after its source.
///
/// # Panics
/// When a source stands after its dependant.
#[must_use]
pub fn simulate(works: &[Work], devices: NonZeroU32) -> Makespan {
    let mut dependants = vec![Vec::new(); works.len()];
    for (index, work) in works.iter().enumerate() {
        if let Some(source) = work.source {
            assert!(source < index, "a source stands before its dependants");
            dependants[source].push(index);
        }
    }
    let ready = |index: usize| Ready {
        unlocks: sum(dependants[index].iter().map(|dependant| works[*dependant].micros)),
        own: works[index].micros,
        index: Reverse(index),
    };
    let startable = (0..works.len()).filter(|index| works[*index].source.is_none());
    let mut waiting: BinaryHeap<Ready> = startable.map(ready).collect();
    let mut running: BinaryHeap<Reverse<(u64, usize)>> = BinaryHeap::new();
    let (mut now, mut idle) = (0_u64, devices.get());
    loop {
        while idle > 0
            && let Some(Ready { own, index: Reverse(index), .. }) = waiting.pop()
        {
            running.push(Reverse((now.saturating_add(own), index)));
            idle -= 1;
        }
        let Some(&Reverse((end, _))) = running.peek() else { break };
        now = end;
        // All that end together, so that the best of what they release is chosen.
        while let Some(&Reverse((end, index))) = running.peek()
            && end == now
        {
            running.pop();
            idle += 1;
            waiting.extend(dependants[index].iter().copied().map(ready));
        }
    }
    Makespan { micros: now, critical_path_micros: critical_path(works) }
}

// Times of an absurdly slow device stay the largest number there is.
fn sum(micros: impl Iterator<Item = u64>) -> u64 {
    micros.fold(0, u64::saturating_add)
}

fn critical_path(works: &[Work]) -> u64 {
    let mut ends: Vec<u64> = Vec::with_capacity(works.len());
    for work in works {
        let start = work.source.map_or(0, |source| ends[source]);
        ends.push(start.saturating_add(work.micros));
    }
    ends.into_iter().max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn work(micros: u64, source: Option<usize>) -> Work {
        Work { micros, source }
    }

    fn simulated(works: &[Work], devices: u32) -> u64 {
        simulate(works, NonZeroU32::new(devices).unwrap()).micros
    }

    #[test]
    fn one_device_takes_the_sum_and_enough_of_them_the_critical_path() {
        let works = [work(5, None), work(7, None), work(3, Some(0)), work(4, Some(0))];
        assert_eq!(simulated(&works, 1), 19);
        assert_eq!(simulated(&works, 100), 9);
        assert_eq!(simulate(&works, NonZeroU32::MIN).critical_path_micros, 9);
    }

    #[test]
    fn a_source_goes_before_longer_networks_that_nobody_waits_for() {
        // With 1 and 2 first, the two devices would end at 6 + 4 + 9.
        let works = [work(4, None), work(6, None), work(6, None), work(9, Some(0))];
        assert_eq!(simulated(&works, 2), 13);
    }

    #[test]
    fn a_long_network_is_not_left_for_the_end() {
        let works = [work(1, None), work(1, None), work(1, None), work(1, None), work(4, None)];
        assert_eq!(simulated(&works, 2), 4);
    }

    #[test]
    fn a_device_that_never_ends_overflows_nothing() {
        let works = [work(u64::MAX, None), work(u64::MAX, Some(0)), work(1, Some(0))];
        assert_eq!(simulated(&works, 1), u64::MAX);
    }

    #[test]
    fn nothing_takes_no_time() {
        assert_eq!(simulate(&[], NonZeroU32::MIN), Makespan::default());
    }

    proptest! {
        // Graham 1969: a fleet that never idles while something can start.
        #[test]
        fn no_fleet_beats_the_bounds_and_ours_is_near_them(
            lengths in prop::collection::vec((0..1_000_u64, 0..4_usize), 1..80),
            devices in 1..9_u32,
        ) {
            let works: Vec<Work> = lengths
                .iter()
                .enumerate()
                .map(|(index, &(micros, source))| work(micros, (index > 5 && source < 3).then_some(source)))
                .collect();
            let Makespan { micros, critical_path_micros } = simulate(&works, NonZeroU32::new(devices).unwrap());
            let share = works.iter().map(|work| work.micros).sum::<u64>().div_ceil(u64::from(devices));
            prop_assert!(micros >= share.max(critical_path_micros));
            prop_assert!(micros <= share + critical_path_micros);
        }
    }
}
