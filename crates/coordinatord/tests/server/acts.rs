//! What people do to studies and jobs, over the wire.

use selffer_proto::{client::Connection, v1};
use tonic::Code;

use crate::{
    harness::{GRID, Server, claim, import_pack, open_session, submit},
    worker::Holding,
};

async fn change(
    connection: &Connection,
    study: &str,
    change: v1::InterestChange,
) -> Result<v1::Act, tonic::Status> {
    let request = v1::ChangeInterestRequest {
        study: study.into(),
        change: change.into(),
        reason: "the machines are needed".into(),
    };
    let answer = connection.studies().change_interest(request).await?;
    Ok(answer.into_inner().act.unwrap())
}

async fn summary(connection: &Connection, study: &str) -> v1::GetStudyResponse {
    let request = v1::GetStudyRequest { study: study.into() };
    connection.studies().get_study(request).await.unwrap().into_inner()
}

async fn beat(connection: &Connection, holding: &Holding<'_>) -> v1::Verdict {
    let inventory = vec![v1::Inventory { claim: holding.claim(), ..Default::default() }];
    let request = v1::HeartbeatRequest { session_id: holding.session_id.clone(), inventory };
    let answer = connection.workers().heartbeat(request).await.unwrap().into_inner();
    answer.verdicts[0].verdict()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_pause_holds_claims_back_and_a_resumption_wakes_them() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;

    let act = change(&connection, "last", v1::InterestChange::Pause).await.unwrap();

    assert_eq!((act.name.as_str(), act.changed, act.interest()), ("first", true, v1::Interest::Paused));
    assert!(claim(&connection, &session, "node", 1, 0).await.unwrap().is_none());
    let study = summary(&connection, "first").await;
    let shown = study.study.unwrap();
    assert_eq!((shown.interest(), shown.ended), (v1::Interest::Paused, false));
    assert_eq!(shown.interest_reason, "the machines are needed");
    assert_eq!(
        study.events.last().map(|event| (event.what.as_str(), event.actor.as_str())),
        Some(("pause", "owner"))
    );
    let page = server.get("/studies/first");
    assert!(page.contains("interest-paused") && page.contains("the machines are needed"), "{page}");
    assert!(server.get("/api/studies/first").contains("\"interest\":\"paused\""));

    let waiting = {
        let (connection, session) = (connection.clone(), session.clone());
        tokio::spawn(async move { claim(&connection, &session, "node", 2, 20_000).await })
    };
    let act = change(&connection, "first", v1::InterestChange::Resume).await.unwrap();
    assert!(act.changed);
    assert!(waiting.await.unwrap().unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_cancelled_study_ends_when_its_worker_has_given_its_job_back() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let mut watch = {
        let request = v1::WatchStudyRequest { study: "first".into() };
        connection.studies().watch_study(request).await.unwrap().into_inner()
    };

    let act = change(&connection, "first", v1::InterestChange::Cancel).await.unwrap();

    assert_eq!((act.cancelled, act.ending, act.running), (3, 1, 0));
    assert_eq!(beat(&connection, &holding).await, v1::Verdict::Cancel);
    let request = v1::GiveBackRequest {
        session_id: session.clone(),
        claim: holding.claim(),
        reason: v1::GiveBackReason::WorkerStopping.into(),
    };
    connection.workers().give_back(request).await.unwrap();
    let mut last = None;
    while let Some(message) = watch.message().await.unwrap() {
        last = Some(message);
    }
    let last = last.unwrap();
    assert!(last.ended);
    assert_eq!(last.study.unwrap().interest(), v1::Interest::Cancelled);
    assert!(claim(&connection, &session, "node", 2, 0).await.unwrap().is_none());

    let resumed = change(&connection, "first", v1::InterestChange::Resume).await.unwrap_err();
    assert_eq!(resumed.code(), Code::FailedPrecondition, "{resumed}");
    assert_eq!(
        resumed.message(),
        "not possible for study first: it is cancelled; submitting it again revives it"
    );
    let again = submit(&connection, 2, GRID).await.unwrap();
    assert_eq!((again.existed, again.reopened), (true, 4));
    assert!(claim(&connection, &session, "node", 3, 20_000).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_job_whose_worker_ignores_its_cancellation_is_taken_from_it() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;

    change(&connection, "first", v1::InterestChange::Cancel).await.unwrap();

    // Alive, but deaf: each answer comes when the sweeper has had its time.
    let mut verdicts = Vec::new();
    while verdicts.last() != Some(&v1::Verdict::Revoked) {
        assert!(verdicts.len() < 1_000, "the job is still the worker's");
        verdicts.push(beat(&connection, &holding).await);
        let _ = claim(&connection, &session, "node", 99, 100).await;
    }
    assert!(verdicts[..verdicts.len() - 1].iter().all(|one| *one == v1::Verdict::Cancel), "{verdicts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn jobs_are_cancelled_and_tried_again_one_by_one() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    submit(&connection, 2, &GRID.replace("first", "second")).await.unwrap();
    let mut studies = connection.studies();

    let request = v1::CancelJobRequest { selector: "first:leather-cloth/baseA".into(), ..Default::default() };
    let undecided = studies.cancel_job(request.clone()).await.unwrap_err();
    assert_eq!(undecided.code(), Code::FailedPrecondition);
    assert!(undecided.message().contains("leather-cloth/A1B"), "{undecided}");
    let request = v1::CancelJobRequest { dependants: v1::Fate::Hold.into(), ..request };
    let act = studies.cancel_job(request).await.unwrap().into_inner().act.unwrap();
    assert_eq!((act.cancelled, act.others.len()), (1, 2));
    let request = v1::RetryJobRequest { selector: "leather-cloth/A1B".into(), reason: String::new() };
    let act = studies.retry_job(request).await.unwrap().into_inner().act.unwrap();
    assert_eq!(act.reopened, 2);
    let request = v1::PrioritizeStudyRequest { study: "second".into(), priority: 4, reason: String::new() };
    let act = studies.prioritize_study(request).await.unwrap().into_inner().act.unwrap();
    assert_eq!((act.changed, act.priority), (true, 4));
    let request = v1::RetryStudyRequest { study: "second".into(), only_failed: true, reason: String::new() };
    let act = studies.retry_study(request).await.unwrap().into_inner().act.unwrap();
    assert!(!act.changed);
    let request = v1::CancelJobRequest { selector: "none/baseA".into(), ..Default::default() };
    assert_eq!(studies.cancel_job(request).await.unwrap_err().code(), Code::NotFound);
    let unknown = v1::ChangeInterestRequest { study: "first".into(), ..Default::default() };
    assert_eq!(studies.change_interest(unknown).await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_study_is_extended_and_submitted_under_another_name() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let request = |number: u128, n: &str| v1::SubmitRequest {
        request_id: uuid::Uuid::from_u128(number).to_string(),
        grid_yaml: GRID.replace("n: [1]", n),
        file_name: "grid.yaml".into(),
        ..Default::default()
    };
    let mut studies = connection.studies();

    let extension = v1::SubmitRequest { extend: true, ..request(2, "n: [2]") };
    let extended = studies.submit(extension).await.unwrap().into_inner();
    assert_eq!((extended.jobs, extended.added), (6, 2));
    assert_eq!(summary(&connection, "first").await.grids.len(), 2);
    let named = v1::SubmitRequest { as_name: "again".into(), priority: Some(2), ..request(3, "n: [2]") };
    let submitted = studies.submit(named).await.unwrap().into_inner();
    assert_eq!((submitted.study.as_str(), submitted.jobs, submitted.shared), ("again", 4, 4));
    assert_eq!(summary(&connection, "again").await.study.unwrap().priority, 2);

    let nobody = v1::SubmitRequest { extend: true, as_name: "nobody".into(), ..request(4, "n: [2]") };
    assert_eq!(studies.submit(nobody).await.unwrap_err().code(), Code::NotFound);
    let bad_name = v1::SubmitRequest { as_name: "No/Name".into(), ..request(5, "n: [2]") };
    assert_eq!(studies.submit(bad_name).await.unwrap_err().code(), Code::InvalidArgument);
    let file = v1::GridFile { path: "net.yaml".into(), text: String::new() };
    let many = v1::SubmitRequest { files: vec![file; 17], ..request(6, "n: [2]") };
    assert_eq!(studies.submit(many).await.unwrap_err().code(), Code::InvalidArgument);
}
