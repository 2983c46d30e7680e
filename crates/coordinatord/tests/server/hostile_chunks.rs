//! Chunks that are not what they are said to be (fault 51), publishing at the wrong moment (53),
//! states that a crash leaves (54), bytes that nobody must interpret (66).

use std::{
    fs,
    path::{Path, PathBuf},
};

use selffer_core::{ids::Digest, limits::CHUNK_BYTES_MAX};
use selffer_proto::v1;
use tonic::Code;

use crate::{
    harness::{DEADLINE, Server},
    sending::{Sending, beat, content},
    worker::Holding,
};

const INTERMEDIATE: v1::CheckpointKind = v1::CheckpointKind::Intermediate;

/// Fault 51.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_chunk_that_is_not_as_declared_is_refused_and_nothing_is_stored() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    let files_before = server.chunk_files();
    let sending = Sending::new(&holding, INTERMEDIATE, 1, content(1, 3 << 20));
    let id = sending.begin().await.unwrap().checkpoint_id;
    let right: v1::Chunk = (&sending.chunks()[0]).into();
    let bytes = sending.bytes(0).to_vec();
    let flipped = [&[bytes[0] ^ 1], &bytes[1..]].concat();
    let longer = [bytes.as_slice(), b"more"].concat();
    let as_other = v1::Chunk { digest: Digest::of(&flipped).0.to_vec(), ..right.clone() };
    let as_longer = v1::Chunk { bytes: right.bytes + 4, ..right.clone() };
    let as_empty = v1::Chunk { digest: Digest::of(b"").0.to_vec(), bytes: 0 };

    for (what, chunk, bytes) in [
        ("a flipped bit", right.clone(), flipped.as_slice()),
        ("one byte too few", right.clone(), &bytes[1..]),
        ("longer than declared", right.clone(), &longer),
        ("nothing", right.clone(), b""),
        ("declared longer", as_longer, &longer),
        ("of no manifest", as_other, &flipped),
        ("declared empty", as_empty, b""),
    ] {
        let refused = sending.put(&id, chunk, bytes).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{what}: {refused}");
        assert_eq!(server.chunk_files(), files_before, "{what}");
    }
    assert_eq!(sending.begin().await.unwrap().missing.len(), 1);

    // The same chunk twice is a repeat after a lost answer, and harmless.
    sending.put_own(&id, 0).await.unwrap();
    sending.put_own(&id, 0).await.unwrap();
    sending.publish(&id).await.unwrap();
    server.assert_sound().await;
}

/// Fault 51: a manifest with an empty chunk, or with chunks that do not add up.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_manifest_that_does_not_add_up_is_refused_with_the_object() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    for wrong in ["empty", "longer", "too large"] {
        let mut sending = Sending::new(&holding, INTERMEDIATE, 1, b"weights".to_vec());
        let object = &mut sending.manifest.objects[0];
        match wrong {
            "empty" => object.chunks[0].bytes = 0,
            "longer" => object.bytes += 1,
            _ => (object.chunks[0].bytes, object.bytes) = (CHUNK_BYTES_MAX + 1, CHUNK_BYTES_MAX + 1),
        }

        let refused = sending.begin().await.unwrap_err();

        assert_eq!(refused.code(), Code::InvalidArgument, "{wrong}: {refused}");
        assert!(refused.message().contains("state.bin"), "{refused}");
    }
    server.assert_sound().await;
}

/// Fault 53.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn publishing_too_early_or_after_a_chunk_went_is_refused_and_twice_is_once() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    let sending = Sending::new(&holding, INTERMEDIATE, 1, content(1, CHUNK_BYTES_MAX + 1));
    let never_begun = uuid::Uuid::from_u128(7).to_string();
    let refused = sending.publish(&never_begun).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");

    let id = sending.begin().await.unwrap().checkpoint_id;
    sending.put_own(&id, 0).await.unwrap();
    let refused = sending.publish(&id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert_eq!(refused.message(), "1 chunks are missing; begin again to learn which");

    sending.put_own(&id, 1).await.unwrap();
    fs::remove_file(server.chunk_file(sending.bytes(0))).unwrap();
    let refused = sending.publish(&id).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let request = v1::GetCheckpointRequest { checkpoint_id: id.clone() };
    let unseen = connection.checkpoints().get(request.clone()).await.unwrap_err();
    assert_eq!(unseen.code(), Code::NotFound, "{unseen}");

    assert_eq!(sending.begin().await.unwrap().missing, [sending.chunks()[0].digest.0.to_vec()]);
    sending.put_own(&id, 0).await.unwrap();
    for _ in 0..3 {
        sending.publish(&id).await.unwrap();
    }
    connection.checkpoints().get(request).await.unwrap();
    server.assert_sound().await;
}

fn temporary(path: &Path) -> PathBuf {
    PathBuf::from(format!("{}#1", path.display()))
}

/// Fault 54: between sync and rename a temporary file stays, whole as it may be; between rename
/// and row, or if its row went, a chunk that no manifest has; between row and publishing all is
/// there, and nobody sees it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_a_crash_leaves_between_two_steps_is_removed_or_found_again() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    let sending = Sending::new(&holding, INTERMEDIATE, 1, content(1, CHUNK_BYTES_MAX + 100));
    let id = sending.begin().await.unwrap().checkpoint_id;
    sending.put_own(&id, 0).await.unwrap();
    let (first, second) = (server.chunk_file(sending.bytes(0)), server.chunk_file(sending.bytes(1)));
    let orphan = server.chunk_file(b"of no manifest");
    let folder = server.kill();
    for (file, bytes) in [(&temporary(&second), sending.bytes(1)), (&orphan, b"of no manifest")] {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }

    let server = Server::start_with(folder, &[]);

    assert!(!temporary(&second).exists() && first.exists());
    let connection = server.connection();
    let holding = Holding { connection: &connection, ..holding };
    beat(&holding).await;
    let sending = Sending::new(&holding, INTERMEDIATE, 1, content(1, CHUNK_BYTES_MAX + 100));
    let begun = sending.begin().await.unwrap();
    assert_eq!(begun.checkpoint_id, id, "it is the same one");
    assert_eq!(begun.missing, [sending.chunks()[1].digest.0.to_vec()]);
    sending.put_own(&id, 1).await.unwrap();
    let gone = async {
        while orphan.exists() {
            beat(&holding).await;
        }
    };
    tokio::time::timeout(DEADLINE, gone).await.expect("the chunk of no manifest goes");
    assert!(server.log().contains("chunks that no manifest knows will be removed"), "{}", server.log());

    // Everything is there; it dies before it is published.
    let server = Server::start_with(server.kill(), &[]);
    let connection = server.connection();
    let holding = Holding { connection: &connection, ..holding };
    beat(&holding).await;
    let sending = Sending::new(&holding, INTERMEDIATE, 1, content(1, CHUNK_BYTES_MAX + 100));
    let begun = sending.begin().await.unwrap();
    assert_eq!((begun.checkpoint_id.as_str(), begun.missing.len()), (id.as_str(), 0));
    sending.publish(&id).await.unwrap();
    server.assert_sound().await;
}

/// Fault 56: the newest is gone from the disk; whoever would go on from it gets the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_newest_checkpoint_that_an_operator_removed_is_noticed_and_the_one_before_is_used() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    let older = holding.checkpoint(INTERMEDIATE, 2, b"older").await.unwrap();
    let newest = holding.checkpoint(INTERMEDIATE, 4, b"newest").await.unwrap();
    fs::remove_file(server.chunk_file(b"newest")).unwrap();

    let request = v1::ReadCheckpointChunkRequest {
        checkpoint_id: newest.clone(),
        digest: Digest::of(b"newest").0.to_vec(),
    };
    let lost = connection.checkpoints().read_chunk(request).await.unwrap_err();

    assert_eq!(lost.code(), Code::DataLoss, "{lost}");
    let request = v1::GiveBackRequest {
        session_id: holding.session_id.clone(),
        claim: holding.claim(),
        reason: v1::GiveBackReason::WorkerStopping.into(),
    };
    connection.workers().give_back(request).await.unwrap();
    let again = Holding::claimed(&connection, &holding.session_id, "node", 2).await;
    assert_eq!(again.assignment.resume_checkpoint_ids, [older]);
    let log = server.log();
    assert!(log.contains("checkpoint is damaged and was put aside") && log.contains(&newest), "{log}");
    server.assert_sound().await;
}

/// Fault 66: to the coordinator a checkpoint is bytes. No crate of it can read tensors at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_header_that_would_break_its_reader_is_stored_as_it_is() {
    let server = Server::start_patient();
    let connection = server.connection();
    let holding = Holding::running(&connection).await;
    // A safetensors header that says it has 2^63 bytes, and a pickle that would run a command.
    let header = [&(1_u64 << 63).to_le_bytes()[..], br#"{"a":{"dtype":"F32","shape":[-1]}}"#].concat();
    let pickle = b"cposix\nsystem\n(S'true'\ntR.".to_vec();
    for (iteration, bytes) in [(1, header), (2, pickle)] {
        let sending = Sending::new(&holding, INTERMEDIATE, iteration, bytes.clone());
        let id = sending.send().await.unwrap();
        let request =
            v1::ReadCheckpointChunkRequest { checkpoint_id: id, digest: Digest::of(&bytes).0.to_vec() };
        let mut frames = connection.checkpoints().read_chunk(request).await.unwrap().into_inner();
        assert_eq!(frames.message().await.unwrap().unwrap().data, bytes);
    }
    server.assert_sound().await;
    let crates = ["core", "proto", "artifacts", "storage", "report", "coordinatord"];
    for name in crates {
        let manifest = format!("{}/../{name}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(&manifest).unwrap();
        let readers = ["safetensors", "candle", "pickle", "selffer-data", "selffer-training"];
        assert!(!readers.iter().any(|reader| text.contains(reader)), "{manifest} can read tensors");
    }
}
