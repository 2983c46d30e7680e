//! What stays in the cache, and what goes.

use super::*;

fn name(text: &str) -> EntryName {
    EntryName(text.to_owned())
}

fn admit(cache: &Cache, text: &str) -> Cached {
    let part = cache.part(&name(text)).unwrap();
    fs::write(part.join("file"), [0; 1000]).unwrap();
    cache.admit(&name(text), &part).unwrap()
}

#[test]
fn the_least_recently_used_entry_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 2_100).unwrap();
    drop((admit(&cache, "a"), admit(&cache, "b")));
    assert!(cache.get(&name("a")).is_some());

    drop(admit(&cache, "c"));

    assert!(cache.get(&name("b")).is_none());
    assert!(cache.get(&name("a")).is_some() && cache.get(&name("c")).is_some());
}

#[test]
fn an_entry_in_use_stays_even_in_a_full_cache() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 10).unwrap();
    let first = admit(&cache, "a");
    drop(admit(&cache, "b"));
    assert!(first.folder.join("file").is_file());
    drop(first);
    drop(admit(&cache, "c"));
    assert!(cache.get(&name("a")).is_none());
}

#[test]
fn a_damaged_entry_is_fetched_from_nothing_while_it_is_still_held() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 10_000).unwrap();
    let damaged = admit(&cache, "a");
    cache.note_weights(&name("a"), Digest::of(b"a")).unwrap();

    cache.discard(&damaged).unwrap();
    cache.discard(&damaged).unwrap();

    assert!(cache.get(&name("a")).is_none() && cache.weights().is_empty());
    assert_eq!(fs::read_dir(cache.part(&name("a")).unwrap()).unwrap().count(), 0);
    assert!(admit(&cache, "a").folder.join("file").is_file());
}

#[test]
fn an_unfinished_entry_is_not_found_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 10_000).unwrap();
    fs::write(cache.part(&name("a")).unwrap().join("file"), b"half").unwrap();
    assert!(cache.get(&name("a")).is_none());
    assert_eq!(fs::read(cache.part(&name("a")).unwrap().join("file")).unwrap(), b"half");
}

#[test]
fn checkpoints_at_hand_are_named_by_their_weights() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 10_000).unwrap();
    drop((admit(&cache, "a"), admit(&cache, "b")));
    cache.note_weights(&name("a"), Digest::of(b"a")).unwrap();
    cache.note_weights(&name("b"), Digest::of(b"b")).unwrap();
    assert_eq!(cache.weights(), [Digest::of(b"b"), Digest::of(b"a")]);
}

#[test]
fn packs_at_hand_are_named_and_nothing_else_is() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 10_000).unwrap();
    let pack = |text: &str| EntryName::import(ImportKind::Pack, Digest::of(text.as_bytes()));
    let weights = EntryName::import(ImportKind::Weights, Digest::of(b"weights"));
    drop((admit(&cache, &pack("a").0), admit(&cache, &pack("b").0), admit(&cache, &weights.0)));
    cache.part(&pack("unfinished")).unwrap();

    let named: Vec<Digest> = cache.packs().into_iter().map(|(digest, _)| digest).collect();

    assert_eq!(named, [Digest::of(b"b"), Digest::of(b"a")]);
}

fn coming(bytes: u64) -> Coming {
    Coming { bytes, missing: bytes }
}

#[test]
fn room_is_made_by_removing_what_was_used_longest_ago() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 2_200).unwrap();
    drop((admit(&cache, "a"), admit(&cache, "b")));
    cache.part(&name("c")).unwrap();

    drop(cache.make_room(&name("c"), coming(1_000)).unwrap());

    assert!(!cache.has(&name("a")) && cache.has(&name("b")));
}

#[test]
fn what_does_not_fit_beside_what_is_in_use_costs_no_entry() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 2_200).unwrap();
    drop(admit(&cache, "idle"));
    let held = admit(&cache, "held");
    assert!((1_150..=1_200).contains(&cache.bytes_for_one()), "{}", cache.bytes_for_one());

    let refused = cache.make_room(&name("c"), coming(1_500)).unwrap_err();

    assert!(matches!(refused, NoRoom::Bound { bytes: 1_500, bytes_max: 2_200, .. }), "{refused}");
    assert!(cache.has(&name("idle")));
    drop(held);
    drop(cache.make_room(&name("c"), coming(1_500)).unwrap());
    assert!(!cache.has(&name("idle")));
}

#[test]
fn room_that_is_kept_for_one_that_is_fetched_is_not_offered() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 2_200).unwrap();
    let part = cache.part(&name("a")).unwrap();
    let kept = cache.make_room(&name("a"), coming(2_000)).unwrap();
    assert_eq!(cache.bytes_for_one(), 200);
    fs::write(part.join("file"), [0; 1_500]).unwrap();
    assert_eq!(cache.bytes_for_one(), 200, "what came of it so far counts once");

    drop(kept);

    assert_eq!(cache.bytes_for_one(), 2_200, "it was not fetched and may go");
}

#[test]
fn what_no_disk_holds_is_refused_before_anything_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), u64::MAX).unwrap();
    drop(admit(&cache, "a"));
    let most = cache.bytes_for_one();
    assert!(most < 1 << 60, "the disk is the bound");

    let refused = cache.make_room(&name("b"), coming(1 << 60)).unwrap_err();

    assert!(matches!(refused, NoRoom::Disk { bytes, .. } if bytes == 1 << 60), "{refused}");
    assert!(cache.has(&name("a")));
}

#[test]
fn a_file_that_two_entries_share_takes_its_room_once() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path().join("cache"), 1_500).unwrap();
    let first = admit(&cache, "a");
    let part = cache.part(&name("b")).unwrap();
    fs::hard_link(first.folder.join("file"), part.join("file")).unwrap();
    drop((first, cache.admit(&name("b"), &part).unwrap()));
    assert!(cache.has(&name("a")) && cache.has(&name("b")), "1,000 bytes and their notes fit");

    drop(cache.make_room(&name("c"), coming(1_400)).unwrap());

    assert!(!cache.has(&name("a")) && !cache.has(&name("b")), "one alone would have freed nothing");
}
