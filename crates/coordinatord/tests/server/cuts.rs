//! Uploads that are cut off at every chunk boundary and inside every chunk, by the death of
//! either side (fault 49): what is sent again is at most one chunk.

use selffer_core::limits::CHUNK_BYTES_MAX;
use selffer_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::{
    harness::{GRID, Server, import_pack, open_session, submit},
    sending::{Sending, beat, content},
    worker::Holding,
};

/// Two chunks of full size, and a third of 3 MiB.
const BYTES: u64 = 2 * CHUNK_BYTES_MAX + (3 << 20);
const CHUNKS: usize = 3;

/// Where it is cut off.
#[derive(Clone, Copy, Debug)]
enum Point {
    /// After so many chunks.
    Boundary(usize),
    /// In the middle of the chunk of this number.
    Inside(usize),
}

fn points() -> Vec<Point> {
    let pairs = (0..CHUNKS).flat_map(|chunk| [Point::Boundary(chunk), Point::Inside(chunk)]);
    pairs.chain([Point::Boundary(CHUNKS)]).collect()
}

/// Sends up to the point, and breaks off there by what `die` does while the call is open. Returns
/// the bytes that were sent.
async fn send_until(sending: &Sending<'_>, point: Point, die: impl AsyncFnOnce()) -> u64 {
    let begun = sending.begin().await.unwrap();
    assert_eq!(begun.missing.len(), CHUNKS);
    let (whole, inside) = match point {
        Point::Boundary(whole) => (whole, None),
        Point::Inside(chunk) => (chunk, Some(chunk)),
    };
    let mut sent = 0;
    for index in 0..whole {
        sending.put_own(&begun.checkpoint_id, index).await.unwrap();
        sent += sending.chunks()[index].bytes;
    }
    let Some(index) = inside else {
        die().await;
        return sent;
    };
    let chunk: v1::Chunk = (&sending.chunks()[index]).into();
    let frames = sending.frames(&begun.checkpoint_id, chunk, sending.bytes(index));
    let (give, take) = mpsc::channel(1);
    let mut client = sending.holding.connection.checkpoints();
    let call = tokio::spawn(async move { client.put_chunk(ReceiverStream::new(take)).await });
    let half = frames.len().div_ceil(2);
    for frame in frames.into_iter().take(half) {
        if let Some(v1::put_checkpoint_chunk_request::Frame::Data(data)) = &frame.frame {
            sent += data.len() as u64;
        }
        give.send(frame).await.unwrap();
    }
    die().await;
    call.abort();
    assert!(!matches!(call.await, Ok(Ok(_))), "it was not taken");
    sent
}

/// Goes on from what the coordinator has, and publishes; the bytes that were sent.
async fn go_on(sending: &Sending<'_>) -> u64 {
    let begun = sending.begin().await.unwrap();
    let mut sent = 0;
    for (index, chunk) in sending.chunks().iter().enumerate() {
        if begun.missing.contains(&chunk.digest.0.to_vec()) {
            sending.put_own(&begun.checkpoint_id, index).await.unwrap();
            sent += chunk.bytes;
        }
    }
    sending.publish(&begun.checkpoint_id).await.unwrap();
    sent
}

/// At a boundary nothing is sent again, else not more than the chunk that was cut.
fn check(point: Point, sent: u64, who: &str) {
    let again = sent - BYTES;
    eprintln!("{who} dies at {point:?}: {again} of {BYTES} bytes sent again");
    match point {
        Point::Boundary(_) => assert_eq!(again, 0, "{point:?}"),
        Point::Inside(_) => assert!(again > 0 && again <= CHUNK_BYTES_MAX, "{point:?}: {again}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_sender_that_dies_at_any_point_sends_at_most_one_chunk_again() {
    let server = Server::start_patient();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    for (number, point) in (1..).zip(points()) {
        beat(&holding).await;
        // Its connection goes with it.
        let dying_connection = server.connection();
        let dying = Holding {
            connection: &dying_connection,
            session_id: session.clone(),
            assignment: holding.assignment.clone(),
        };
        let bytes = content(number, BYTES);
        let kind = v1::CheckpointKind::Intermediate;
        let sent = {
            let sending = Sending::new(&dying, kind, number.into(), bytes.clone());
            send_until(&sending, point, async || {}).await
        };

        let sending = Sending::new(&holding, kind, number.into(), bytes);
        check(point, sent + go_on(&sending).await, "a worker");
    }
    server.assert_sound().await;
}

mod slow {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn a_coordinator_that_is_killed_at_any_point_costs_at_most_one_chunk_sent_again() {
        let mut server = Some(Server::start_patient());
        let connection = server.as_ref().unwrap().connection();
        import_pack(&connection).await;
        submit(&connection, 1, &GRID.replace("n: [1]", "n: [1, 2, 3]")).await.unwrap();
        for (number, point) in (1..).zip(points()) {
            // A worker of its own each time: how long a restart takes must not matter.
            let connection = server.as_ref().unwrap().connection();
            let node = format!("node{number}");
            let session = open_session(&connection, u128::from(number), &node).await;
            let holding = Holding::claimed(&connection, &session, &node, number).await;
            let kind = v1::CheckpointKind::Intermediate;
            let bytes = content(number, BYTES);
            let sending = Sending::new(&holding, kind, 1, bytes.clone());
            let mut folder = None;
            let sent = send_until(&sending, point, async || {
                folder = server.take().map(Server::kill);
            });
            let sent = sent.await;

            let again = Server::start_with(folder.unwrap(), &[]);
            let leftovers = again.chunk_files().into_iter().filter(|file| file.contains('#'));
            assert_eq!(leftovers.collect::<Vec<_>>(), Vec::<String>::new());
            let connection = again.connection();
            let holding = Holding {
                connection: &connection,
                session_id: session.clone(),
                assignment: holding.assignment.clone(),
            };
            beat(&holding).await;
            let sending = Sending::new(&holding, kind, 1, bytes);
            check(point, sent + go_on(&sending).await, "the coordinator");
            holding.finish(150).await;
            server = Some(again);
        }
        server.unwrap().assert_sound().await;
    }
}
