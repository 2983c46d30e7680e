//! Packs of jobs: how large they are, and that jobs which no waiting worker may take are left out.

use std::collections::{BTreeMap, BTreeSet};

use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    grid::{self, Study},
    ids::Digest,
    import::ImportManifest,
    pack::{self, Class, Encoding, PackFacts, PackManifest, Subset},
    placement::PackRoom,
    spec::ImageShape,
};
use selffer_storage::Submission;

use crate::harness::{Db, bases, submission, uuid};

// Announces a pack of so many bytes.
async fn import(db: &Db, class: &str, bytes: u64) -> Digest {
    let subset = Subset { images_per_class: vec![3], shards: vec![] };
    let manifest = ImportManifest::Pack(PackManifest {
        schema: pack::SCHEMA.to_owned(),
        image: ImageShape { height: 28, width: 28, channels: 1 },
        preparation: None,
        encoding: Encoding::Pixels,
        classes: vec![Class::named(class)],
        groupings: BTreeMap::new(),
        train: subset.clone(),
        validation: subset,
    });
    let chunk = Chunk { digest: Digest::of(class.as_bytes()), bytes };
    let objects = Manifest { objects: vec![Object { name: "shard".to_owned(), bytes, chunks: vec![chunk] }] };
    db.begin_import(&manifest, &objects).await.unwrap()
}

// Two base networks on this pack for each split.
async fn submit(db: &Db, name: &str, splits: u32, (pack, priority): (Digest, i32)) {
    let facts = PackFacts { digest: Some(pack), ..PackFacts::well_known("fashion-mnist").unwrap() };
    let yaml = bases(name, splits);
    let grid = grid::parse("grid.yaml", &yaml, &grid::GridFiles::new()).unwrap();
    let study: Study = grid::expand(&grid, &facts).unwrap();
    let files = BTreeMap::new();
    let plain = submission(&study, uuid(), &files);
    db.submit(&Submission { pack, priority: Some(priority), ..plain }).await.unwrap();
}

fn room(at_hand: &[Digest], bytes_max: u64) -> PackRoom {
    PackRoom { at_hand: at_hand.iter().copied().collect(), bytes_max: Some(bytes_max) }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_nobody_may_take_do_not_fill_the_list_in_front_of_others() {
    let db = Db::fresh().await;
    let (large, small) = (import(&db, "large", 1_000).await, import(&db, "small", 10).await);
    submit(&db, "first", 150, (large, 5)).await;
    submit(&db, "behind", 1, (small, 0)).await;
    let packs = async |room: &PackRoom| {
        let candidates = db.candidates_for(room, 256).await.unwrap();
        let packs: BTreeSet<_> = candidates.iter().map(|one| (one.pack.digest, one.pack.bytes)).collect();
        (candidates.len(), packs)
    };

    assert_eq!(packs(&room(&[], 999)).await, (2, [(small, 10)].into()));
    assert_eq!(packs(&room(&[], 1_000)).await, (256, [(large, 1_000)].into()));
    assert_eq!(packs(&room(&[large], 0)).await, (256, [(large, 1_000)].into()));
    assert_eq!(packs(&room(&[], 9)).await, (0, [].into()));
    assert_eq!(packs(&PackRoom::default()).await, (256, [(large, 1_000)].into()));
    assert_eq!(packs(&room(&[], u64::MAX)).await, (256, [(large, 1_000)].into()));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_was_never_imported_keeps_nobody_waiting() {
    let db = Db::fresh().await;
    let nowhere = Digest::of(b"nowhere");
    submit(&db, "lost", 1, (nowhere, 0)).await;
    let candidates = db.candidates_for(&room(&[], 0), 9).await.unwrap();
    assert_eq!(candidates.len(), 2);
    assert!(candidates.iter().all(|one| (one.pack.digest, one.pack.bytes) == (nowhere, 0)));
    db.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_know_what_a_job_reads() {
    let db = Db::fresh().await;
    let pack = import(&db, "large", 1_000).await;
    submit(&db, "first", 1, (pack, 0)).await;
    let jobs = db.study_jobs("first", None, 9).await.unwrap();
    assert!(jobs.iter().all(|job| (job.pack.digest, job.pack.bytes) == (pack, 1_000)));
    db.finish().await;
}
