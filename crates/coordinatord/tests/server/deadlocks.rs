//! Transactions that the database breaks off, for a deadlock or because they cannot be put in
//! an order, wherever they write: fault 39 of the reliability page.

use selffer_proto::v1;
use tonic::{Code, Status};

use crate::{
    external::Shared,
    harness::{DEADLINE, GRID, claim, import_pack, open_session, submit},
    worker::Holding,
};

/// One write in twelve or so, of whatever table, is broken off, in turn for either reason.
/// Sequences are not rolled back, so whoever tries again has another chance.
const BREAK_OFF: &str = "
CREATE SEQUENCE writes;
CREATE FUNCTION break_off() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE number bigint := nextval('writes');
BEGIN
    IF hashint8(number) % 24 = 0 THEN RAISE 'deadlock detected' USING ERRCODE = '40P01'; END IF;
    IF hashint8(number) % 24 = 12 THEN RAISE 'could not serialize access' USING ERRCODE = '40001'; END IF;
    RETURN NULL;
END $$;
DO $$
DECLARE of_table text;
BEGIN
    FOR of_table IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE '\\_%' LOOP
        EXECUTE format('CREATE TRIGGER break_off AFTER INSERT OR UPDATE OR DELETE ON %I
            EXECUTE FUNCTION break_off()', of_table);
    END LOOP;
END $$";

/// Calls until the answer is another one than that it should be tried again; what it is, and how
/// often it was not.
async fn until_done<T>(broken_off: &mut u32, mut call: impl AsyncFnMut() -> Result<T, Status>) -> T {
    let calling = async {
        loop {
            match call().await {
                Ok(answer) => return answer,
                Err(status) if status.code() == Code::Unavailable => *broken_off += 1,
                Err(status) => panic!("{status}"),
            }
        }
    };
    tokio::time::timeout(DEADLINE, calling).await.expect("an answer in the end")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_transaction_is_broken_off_is_done_once_by_whoever_tries_again() {
    let shared = Shared::start().await;
    let server = shared.patient_coordinator();
    let connection = server.connection();
    import_pack(&connection).await;
    let session = open_session(&connection, 1, "node").await;
    shared.psql(BREAK_OFF);
    let broken_off = &mut 0;

    let submitted = until_done(broken_off, async || submit(&connection, 1, GRID).await).await;
    for number in 1..=submitted.jobs as u8 {
        let assignment = until_done(broken_off, async || {
            claim(&connection, &session, "node", number, 1_000)
                .await?
                .ok_or_else(|| Status::unavailable("none yet"))
        });
        let assignment = assignment.await;
        let holding = Holding { connection: &connection, session_id: session.clone(), assignment };
        let confirm = v1::ConfirmRequest { session_id: session.clone(), claim: holding.claim() };
        until_done(broken_off, async || connection.workers().confirm(confirm.clone()).await).await;
        let weights = holding.assignment.name.as_bytes();
        let checkpoint =
            until_done(broken_off, async || holding.checkpoint(v1::CheckpointKind::Final, 8, weights).await);
        let checkpoint = checkpoint.await;
        until_done(broken_off, async || holding.complete(&checkpoint, 150).await).await;
    }

    assert!(*broken_off > 0, "nothing was broken off");
    assert_eq!(shared.psql("SELECT DISTINCT state FROM jobs"), "succeeded");
    let once = "SELECT COUNT(*) FROM attempts WHERE outcome = 'succeeded'";
    assert_eq!(shared.psql(once), submitted.jobs.to_string());
    let told =
        "SELECT COUNT(*) FROM (SELECT job_id, what FROM events GROUP BY 1, 2 HAVING COUNT(*) > 1) AS t";
    assert_eq!(shared.psql(told), "0", "something happened twice");
    drop(server);
    shared.stop().await;
}
