//! Packs and workers: who may be given a job for its pack's sake.
//!
//! A pack may be larger than a worker's cache or disk. So a worker says which packs it has and
//! how large a one it could take in, and a job goes only where its pack is or fits. A worker
//! that says nothing of it (an older release) may be given everything: it did well without
//! before, and must not be starved.

use std::collections::BTreeSet;

use super::WaitReason;
use crate::ids::Digest;

/// The pack that a job reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededPack {
    /// Its digest.
    pub digest: Digest,
    /// Length of its files; 0 where that is not known, so that a worker finds out why.
    pub bytes: u64,
}

/// What a worker said of packs when it last asked for a job; by default that it takes all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackRoom {
    /// Packs that it has at hand.
    pub at_hand: BTreeSet<Digest>,
    /// The largest other pack that it could take in, in bytes; none if it did not say.
    pub bytes_max: Option<u64>,
}

impl PackRoom {
    /// Whether this pack is at hand.
    #[must_use]
    pub fn has(&self, pack: &NeededPack) -> bool {
        self.at_hand.contains(&pack.digest)
    }

    /// Whether a job that reads this pack may be given to the worker.
    #[must_use]
    pub fn takes(&self, pack: &NeededPack) -> bool {
        self.has(pack) || self.bytes_max.is_none_or(|bytes_max| pack.bytes <= bytes_max)
    }

    /// The room of several workers: takes exactly the packs that at least one of them takes.
    #[must_use]
    pub fn of_any<'a>(rooms: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut any = Self { at_hand: BTreeSet::new(), bytes_max: Some(0) };
        for room in rooms {
            any.at_hand.extend(&room.at_hand);
            any.bytes_max = any.bytes_max.zip(room.bytes_max).map(|(one, other)| one.max(other));
        }
        any
    }
}

/// Why a pack keeps its jobs waiting: none of these workers may be given them. Without
/// workers it is not the pack's fault.
#[must_use]
pub fn fits_nobody(pack: &NeededPack, rooms: &[PackRoom]) -> Option<WaitReason> {
    let any = PackRoom::of_any(rooms);
    match any.bytes_max {
        Some(largest) if !rooms.is_empty() && !any.takes(pack) => {
            Some(WaitReason::PackFitsNobody { bytes: pack.bytes, largest })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pack(number: u8, bytes: u64) -> NeededPack {
        NeededPack { digest: Digest([number; 32]), bytes }
    }

    fn room(at_hand: &[u8], bytes_max: Option<u64>) -> PackRoom {
        PackRoom { at_hand: at_hand.iter().map(|number| Digest([*number; 32])).collect(), bytes_max }
    }

    #[test]
    fn a_pack_is_taken_where_it_is_or_fits_and_by_who_says_nothing() {
        assert!(room(&[], Some(10)).takes(&pack(1, 10)));
        assert!(!room(&[2], Some(10)).takes(&pack(1, 11)));
        assert!(room(&[1], Some(0)).takes(&pack(1, 11)));
        assert!(PackRoom::default().takes(&pack(1, u64::MAX)));
    }

    #[test]
    fn a_pack_that_nobody_takes_says_what_the_most_is() {
        let told = |rooms: &[PackRoom]| {
            let reason = fits_nobody(&pack(1, 235_000_000_000), rooms);
            reason.map_or_else(String::new, |reason| reason.to_string())
        };
        let (small, large) = (room(&[], Some(20_000_000)), room(&[2], Some(100_000_000_000)));
        assert_eq!(
            told(&[small.clone(), large.clone()]),
            "its pack of 235.0 GB fits no worker: the most that one takes now is 100.0 GB"
        );
        assert_eq!(
            told(std::slice::from_ref(&small)),
            "its pack of 235.0 GB fits no worker: the most that one takes now is 20.0 MB"
        );
        assert_eq!(told(&[]), "");
        assert_eq!(told(&[small.clone(), room(&[1], Some(0))]), "");
        assert_eq!(told(&[small, PackRoom::default()]), "");
    }

    prop_compose! {
        fn any_room()(at_hand in prop::collection::vec(0..4_u8, 0..3), bytes_max in prop::option::of(0..4_u64))
            -> PackRoom { room(&at_hand, bytes_max) }
    }

    proptest! {
        #[test]
        fn the_room_of_several_takes_what_one_of_them_takes(
            rooms in prop::collection::vec(any_room(), 0..4), number in 0..4_u8, bytes in 1..5_u64,
        ) {
            let pack = pack(number, bytes);
            let one_takes = rooms.iter().any(|room| room.takes(&pack));
            prop_assert_eq!(PackRoom::of_any(&rooms).takes(&pack), one_takes);
            prop_assert_eq!(fits_nobody(&pack, &rooms).is_some(), !one_takes && !rooms.is_empty());
        }
    }
}
