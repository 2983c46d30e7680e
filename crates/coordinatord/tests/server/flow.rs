//! A study from submission to its last result, as workers and people call it.

use selffer_proto::{client::Connection, v1};
use tonic::Code;

use crate::{
    harness::{GRID, Server, claim, import_pack, open_session, submit},
    worker::Holding,
};

async fn job(connection: &Connection, selector: &str) -> v1::GetJobResponse {
    let request = v1::GetJobRequest { selector: selector.into() };
    connection.studies().get_job(request).await.unwrap().into_inner()
}

async fn state(connection: &Connection, selector: &str) -> v1::JobState {
    job(connection, selector).await.job.unwrap().state()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_study_runs_from_submission_to_its_last_result() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    let submitted = submit(&connection, 1, GRID).await.unwrap();
    assert_eq!((submitted.jobs, submitted.existed, submitted.succeeded), (4, false, 0));
    let mut watch = watch(&connection, "last").await;
    let session = open_session(&connection, 1, "node").await;

    for (number, is_source) in [(1, true), (2, true), (3, false), (4, false)] {
        let holding = Holding::claimed(&connection, &session, "node", number).await;
        let name = holding.assignment.name.clone();
        assert_eq!(name.contains("/base"), is_source, "{name} came as number {number}");
        assert_eq!(holding.assignment.source_checkpoint_id.is_empty(), is_source, "{name}");
        holding.finish(150 + u64::from(number)).await;
        assert_eq!(state(&connection, &name).await, v1::JobState::Succeeded);
    }

    let mut seen = std::collections::BTreeMap::new();
    while let Some(message) = watch.message().await.unwrap() {
        seen.extend(message.jobs.iter().map(|job| (job.name.clone(), job.state())));
        if message.ended {
            let study = message.study.unwrap();
            assert_eq!(study.work_done, study.work_total);
            assert_eq!(study.eta_s, Some(0.0));
        }
    }
    assert_eq!(seen.len(), 4);
    assert!(seen.values().all(|state| *state == v1::JobState::Succeeded), "{seen:?}");
    assert!(claim(&connection, &session, "node", 9, 0).await.unwrap().is_none());
    let again = submit(&connection, 2, &GRID.replace("first", "second")).await.unwrap();
    assert_eq!((again.jobs, again.shared, again.succeeded), (4, 4, 4));
}

async fn watch(connection: &Connection, study: &str) -> tonic::Streaming<v1::WatchStudyResponse> {
    let request = v1::WatchStudyRequest { study: study.into() };
    connection.studies().watch_study(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn repeats_answer_the_same_and_stale_claims_are_aborted() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;

    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let repeat = claim(&connection, &session, "node", 1, 0).await.unwrap();
    assert_eq!(repeat.as_ref(), Some(&holding.assignment), "the same lease again");
    let checkpoint = holding.checkpoint(v1::CheckpointKind::Final, 8, b"weights").await.unwrap();
    let before = holding.complete("0198a8e2-0000-7000-8000-000000000001", 1).await.unwrap_err();
    assert_eq!(before.code(), Code::FailedPrecondition, "{before}");
    holding.complete(&checkpoint, 150).await.unwrap();
    holding.complete(&checkpoint, 150).await.unwrap();

    let request = v1::ConfirmRequest { session_id: session.clone(), claim: holding.claim() };
    let stale = connection.workers().confirm(request).await.unwrap_err();
    assert_eq!(stale.code(), Code::Aborted, "{stale}");
    let detail = job(&connection, &holding.assignment.name).await;
    assert_eq!(detail.attempts.len(), 1);
    assert_eq!(detail.final_checkpoint_id, checkpoint);
    assert_eq!(detail.job.unwrap().result.unwrap().correct_bits.len(), 25);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn heartbeats_carry_progress_and_logs_are_read_back() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let name = holding.assignment.name.clone();

    let point = |sequence, value| v1::MetricPoint { sequence, iteration: sequence + 1, value: Some(value) };
    let loss = v1::metric_point::Value::TrainingLoss;
    let inventory = v1::Inventory {
        claim: holding.claim(),
        phase: v1::Phase::Training.into(),
        iteration: 2,
        images_per_s: 640.0,
        metrics: vec![point(0, loss(1.5)), point(1, loss(1.25))],
        ..Default::default()
    };
    let gone = v1::Inventory {
        claim: Some(v1::JobClaim { claim_id: vec![99; 16], ..holding.claim().unwrap() }),
        ..Default::default()
    };
    let request = v1::HeartbeatRequest { session_id: session.clone(), inventory: vec![inventory, gone] };
    let answer = connection.workers().heartbeat(request).await.unwrap().into_inner();
    assert_eq!(answer.next_heartbeat_ms, 500);
    let verdicts: Vec<_> = answer.verdicts.iter().map(v1::JobVerdict::verdict).collect();
    assert_eq!(verdicts, [v1::Verdict::Ok, v1::Verdict::Revoked]);
    assert_eq!(answer.verdicts[0].metrics_stored, 2);

    let log = |offset, text: &str| v1::AppendLogRequest {
        session_id: session.clone(),
        claim: holding.claim(),
        offset,
        text: text.into(),
    };
    let mut workers = connection.workers();
    workers.append_log(log(0, "one\n")).await.unwrap();
    let stored = workers.append_log(log(4, "two\n")).await.unwrap().into_inner().stored_bytes;
    assert_eq!(stored, 8);
    let request = v1::GetLogRequest { selector: name.clone(), offset: 4, attempt: 0 };
    let part = connection.studies().get_log(request).await.unwrap().into_inner();
    assert_eq!((part.text.as_str(), part.next_offset, part.ended), ("two\n", 8, false));

    let summary = job(&connection, &name).await.job.unwrap();
    assert_eq!(
        (summary.state(), summary.phase(), summary.iteration),
        (v1::JobState::Running, v1::Phase::Training, 2)
    );
    assert!(summary.eta_s.is_some());
    let request = v1::GetStudyRequest { study: "last".into() };
    let study = connection.studies().get_study(request).await.unwrap().into_inner().study.unwrap();
    assert!(study.eta_s.is_some() && study.grid_yaml == GRID, "{study:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_silent_workers_job_goes_to_another_and_the_old_claim_is_void() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, &GRID.replace("[base, AnB]", "[base]").replace("n: [1]\n", "direction: [AtoB]\n"))
        .await
        .unwrap();
    let silent = open_session(&connection, 1, "silent").await;
    let holding = Holding::claimed(&connection, &silent, "silent", 1).await;

    // The silent one never says anything again; the other waits for the job and says so.
    let other = open_session(&connection, 2, "other").await;
    let mut taken = None;
    for number in 10..40 {
        let request = v1::HeartbeatRequest { session_id: other.clone(), inventory: Vec::new() };
        connection.workers().heartbeat(request).await.unwrap();
        taken = claim(&connection, &other, "other", number, 1_000).await.unwrap();
        if taken.is_some() {
            break;
        }
    }

    let taken = taken.expect("the job of the silent worker");
    assert_eq!(taken.attempt, 2);
    assert_eq!(taken.key, holding.assignment.key);
    let late = holding.checkpoint(v1::CheckpointKind::Final, 8, b"late").await.unwrap_err();
    assert_eq!(late.code(), Code::Aborted, "{late}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_job_given_back_is_ready_at_once_and_wakes_the_next_claim() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, &GRID.replace("[base, AnB]", "[base]").replace("n: [1]\n", "direction: [AtoB]\n"))
        .await
        .unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let other = open_session(&connection, 2, "other").await;
    let waiting = {
        let connection = connection.clone();
        tokio::spawn(async move { claim(&connection, &other, "other", 2, 20_000).await })
    };

    let request = v1::GiveBackRequest {
        session_id: session,
        claim: holding.claim(),
        reason: v1::GiveBackReason::WorkerStopping.into(),
    };
    connection.workers().give_back(request).await.unwrap();

    let assignment = waiting.await.unwrap().unwrap().expect("the job that was given back");
    assert_eq!(assignment.key, holding.assignment.key);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_submissions_are_told_at_once_and_nothing_is_inserted() {
    let server = Server::start();
    let connection = server.connection();
    let missing = submit(&connection, 1, GRID).await.unwrap_err();
    assert_eq!(missing.code(), Code::InvalidArgument);
    assert!(missing.message().contains("grid.yaml:2"), "{missing}");
    import_pack(&connection).await;

    let wrong = GRID.replace("n: [1]", "n: [9]").replace("treatment", "treatmnt");
    let status = submit(&connection, 2, &wrong).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("treatmnt") && status.message().contains('9'), "{status}");
    let status = submit(&connection, 3, &" ".repeat((1 << 20) + 1)).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    let request = v1::ListStudiesRequest {};
    let studies = connection.studies().list_studies(request).await.unwrap().into_inner().studies;
    assert!(studies.is_empty(), "{studies:?}");

    submit(&connection, 4, GRID).await.unwrap();
    assert!(submit(&connection, 5, GRID).await.unwrap().existed, "the same content is the same study");
    assert_eq!(submit(&connection, 4, GRID).await.unwrap().jobs, 4, "a repeated request answers the same");
    let other = submit(&connection, 6, &GRID.replace("[1]", "[2]")).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists, "{other}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn jobs_come_in_pages_and_are_found_by_name_and_key() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let mut studies = connection.studies();

    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let request =
            v1::ListJobsRequest { study: "first".into(), page_rows: 3, page_token, with_results: true };
        let page = studies.list_jobs(request).await.unwrap().into_inner();
        names.extend(page.jobs.into_iter().map(|job| job.name));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names.len(), 4, "{names:?}");

    let by_name = job(&connection, "leather-cloth/B1A").await;
    let summary = by_name.job.unwrap();
    assert_eq!((summary.treatment.as_str(), summary.layers_copied, summary.target.as_str()), ("AnB", 1, "A"));
    assert_eq!(summary.state(), v1::JobState::Waiting);
    assert_eq!(by_name.studies, ["first:leather-cloth/B1A"]);
    assert_eq!(by_name.source_name, "leather-cloth/baseB");
    let key = &summary.key[..4].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    assert_eq!(job(&connection, key).await.job.unwrap().name, "leather-cloth/B1A");
    let request = v1::GetJobRequest { selector: "first:none".into() };
    assert_eq!(studies.get_job(request).await.unwrap_err().code(), Code::NotFound);
    let request = v1::LookUpJobsRequest { keys: vec![summary.key.clone(), vec![7; 32]] };
    let known = studies.look_up_jobs(request).await.unwrap().into_inner().known;
    assert_eq!(known.len(), 1);
    assert_eq!(known[0].state(), v1::JobState::Waiting);
}

/// Fault 63: whatever points come, the lease is renewed, and no point is stored that cannot be.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn points_that_cannot_be_cost_no_lease_and_are_not_stored() {
    let server = Server::start();
    let connection = server.connection();
    import_pack(&connection).await;
    submit(&connection, 1, GRID).await.unwrap();
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;
    let point = |sequence: u32, loss: f64| v1::MetricPoint {
        sequence,
        iteration: sequence,
        value: Some(v1::metric_point::Value::TrainingLoss(loss)),
    };
    let beat = async |metrics: Vec<v1::MetricPoint>| {
        let inventory = v1::Inventory { claim: holding.claim(), metrics, ..Default::default() };
        let request = v1::HeartbeatRequest { session_id: session.clone(), inventory: vec![inventory] };
        let answer = connection.workers().heartbeat(request).await.unwrap().into_inner();
        assert_eq!(answer.verdicts[0].verdict(), v1::Verdict::Ok);
        answer.verdicts[0].metrics_stored
    };

    assert_eq!(beat(vec![point(0, 1.0), point(1, 2.0)]).await, 2);
    for impossible in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(beat(vec![point(2, impossible)]).await, 2, "{impossible}");
    }
    assert_eq!(beat(vec![v1::MetricPoint { sequence: 2, iteration: 2, value: None }]).await, 2);
    assert_eq!(beat(vec![point(3, 4.0), point(1, 9.0), point(2, 3.0), point(2, 3.0)]).await, 4);
    let many: Vec<_> = (4..20_004).map(|sequence| point(sequence, 5.0)).collect();
    assert_eq!(beat(many).await, 1_004, "a heartbeat's worth of them");

    let shown = job(&connection, &holding.assignment.name).await.metrics;
    assert_eq!(shown.len(), 1_004);
    assert_eq!(shown[1], point(1, 2.0), "what was stored once stays");
}
