//! Workers that are set aside and studies with terms, over the wire and across a restart.

use selffer_proto::{client::Connection, v1};
use tonic::{Code, Status};

use crate::{
    harness::{GRID, Server, claim, import_pack, open_session, submit},
    worker::Holding,
};

async fn fail(holding: &Holding<'_>) {
    let failure =
        v1::Failure { class: v1::FailureClass::TrainerError.into(), message: "assertion failed".into() };
    let request = v1::FailAttemptRequest {
        session_id: holding.session_id.clone(),
        claim: holding.claim(),
        failure: Some(failure),
        iteration: 0,
    };
    holding.connection.workers().fail_attempt(request).await.unwrap();
}

async fn aside(connection: &Connection, worker: &str) -> Option<v1::SetAside> {
    let listed = connection.studies().list_workers(v1::ListWorkersRequest {}).await.unwrap().into_inner();
    listed.workers.into_iter().find(|one| one.worker == worker).unwrap().set_aside
}

async fn beat(connection: &Connection, session: &str) -> v1::HeartbeatResponse {
    let request = v1::HeartbeatRequest { session_id: session.into(), inventory: Vec::new() };
    connection.workers().heartbeat(request).await.unwrap().into_inner()
}

async fn release(connection: &Connection, name: &str) -> Result<v1::WorkersAct, Status> {
    let request = v1::ReleaseWorkersRequest { name: name.into(), reason: "looked at".into() };
    Ok(connection.studies().release_workers(request).await?.into_inner().act.unwrap())
}

/// Three studies of two sources each.
async fn six_jobs(connection: &Connection) {
    import_pack(connection).await;
    for seed in 0..3 {
        let name = format!("study-{seed}");
        let grid = GRID.replace("first", &name) + &format!("seed: [{seed}]\n");
        submit(connection, seed + 1, &grid).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_black_hole_is_quarantined_until_a_person_releases_it_also_across_a_restart() {
    let server = Server::start();
    let connection = server.connection();
    six_jobs(&connection).await;
    let session = open_session(&connection, 1, "node").await;
    // One that is tried again in between counts once.
    for number in 1.. {
        assert!(number < 12, "six jobs, each twice at the most");
        // A machine may be slow; a session that was silent claims nothing.
        beat(&connection, &session).await;
        let holding = Holding::claimed(&connection, &session, "node", number).await;
        fail(&holding).await;
        if aside(&connection, "node/cpu0").await.is_some() {
            break;
        }
    }

    let why = aside(&connection, "node/cpu0").await.unwrap();
    assert_eq!((why.kind.as_str(), why.actor.as_str()), ("quarantined", "coordinator"));
    assert!(why.reason.starts_with("5 different jobs in a row"), "{}", why.reason);
    assert!(beat(&connection, &session).await.drain);
    assert!(claim(&connection, &session, "node", 99, 0).await.unwrap().is_none());
    let page = server.get("/");
    assert!(page.contains("quarantined") && page.contains("5 different jobs in a row"), "{page}");
    assert!(server.get("/api/workers").contains("\"kind\":\"quarantined\""));
    let jobs = v1::ListJobsRequest { study: "study-0".into(), ..Default::default() };
    let jobs = connection.studies().list_jobs(jobs).await.unwrap().into_inner().jobs;
    let ready = jobs.iter().find(|job| job.state() == v1::JobState::Ready).unwrap();
    assert_eq!(ready.reason, "the only worker is set aside");

    server.assert_sound().await;
    let server = Server::start_in(server.kill());
    let connection = server.connection();
    let session = open_session(&connection, 2, "node").await;
    assert!(beat(&connection, &session).await.drain, "a restart of both does not end it");

    let waiting = {
        let (connection, session) = (connection.clone(), session.clone());
        tokio::spawn(async move { claim(&connection, &session, "node", 100, 20_000).await })
    };
    assert!(release(&connection, "node/cpu0").await.unwrap().changed);
    // It asked while it was set aside: then it asks again, and is given a job.
    if waiting.await.unwrap().unwrap().is_none() {
        assert!(claim(&connection, &session, "node", 100, 20_000).await.unwrap().is_some());
    }
    assert!(!beat(&connection, &session).await.drain);
    assert_eq!(release(&connection, "nobody").await.unwrap_err().code(), Code::NotFound);
    server.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_drained_node_hears_so_with_its_heartbeat() {
    let server = Server::start();
    let connection = server.connection();
    six_jobs(&connection).await;
    let session = open_session(&connection, 1, "node").await;
    let holding = Holding::claimed(&connection, &session, "node", 1).await;

    let request = v1::DrainWorkersRequest { name: "node".into(), now: true, reason: "new kernel".into() };
    let act = connection.studies().drain_workers(request).await.unwrap().into_inner().act.unwrap();

    assert_eq!((act.changed, act.running, act.ending), (true, 0, 1));
    let inventory = vec![v1::Inventory { claim: holding.claim(), ..Default::default() }];
    let request = v1::HeartbeatRequest { session_id: session.clone(), inventory };
    let answer = connection.workers().heartbeat(request).await.unwrap().into_inner();
    assert!(answer.drain);
    assert_eq!(answer.verdicts[0].verdict(), v1::Verdict::Cancel);
    let request = v1::GiveBackRequest {
        session_id: session.clone(),
        claim: holding.claim(),
        reason: v1::GiveBackReason::WorkerStopping.into(),
    };
    connection.workers().give_back(request).await.unwrap();
    assert!(claim(&connection, &session, "node", 2, 0).await.unwrap().is_none());
    let other = open_session(&connection, 2, "other").await;
    let goes_on = Holding::claimed(&connection, &other, "other", 3).await;
    assert_eq!(goes_on.assignment.key, holding.assignment.key, "another worker has it at once");
    assert_eq!(aside(&connection, "node/cpu0").await.unwrap().reason, "new kernel");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_dispatcher_keeps_to_a_studys_limit_and_the_sweeper_to_its_deadline() {
    let server = Server::start();
    let connection = server.connection();
    six_jobs(&connection).await;
    let mut studies = connection.studies();
    for study in ["study-0", "study-1", "study-2"] {
        let request =
            v1::LimitStudyRequest { study: study.into(), parallel_max: Some(1), reason: String::new() };
        assert!(studies.limit_study(request).await.unwrap().into_inner().act.unwrap().changed);
    }
    let sessions: Vec<String> = {
        let mut sessions = Vec::new();
        for number in 1..=4 {
            sessions.push(open_session(&connection, number, &format!("node{number}")).await);
        }
        sessions
    };

    let mut had = Vec::new();
    for (number, session) in (1..).zip(&sessions[..3]) {
        let holding = Holding::claimed(&connection, session, &format!("node{number}"), number).await;
        had.push(holding.assignment.name.split(':').next().unwrap().to_owned());
    }
    had.sort();
    assert_eq!(had, ["study-0", "study-1", "study-2"], "one of each");
    assert!(claim(&connection, &sessions[3], "node4", 4, 0).await.unwrap().is_none(), "all are full");

    let zero =
        v1::LimitStudyRequest { study: "study-0".into(), parallel_max: Some(0), reason: String::new() };
    assert_eq!(studies.limit_study(zero).await.unwrap_err().code(), Code::InvalidArgument);
    let request = v1::SetDeadlineRequest {
        study: "study-1".into(),
        when: Some(v1::set_deadline_request::When::InMs(1)),
        reason: String::new(),
    };
    studies.set_deadline(request).await.unwrap();
    let mut watch = {
        let request = v1::WatchStudyRequest { study: "study-1".into() };
        connection.studies().watch_study(request).await.unwrap().into_inner()
    };
    loop {
        let study = watch.message().await.unwrap().unwrap().study.unwrap();
        if study.interest() == v1::Interest::Stopped {
            assert!(study.interest_reason.starts_with("its deadline was"), "{}", study.interest_reason);
            break;
        }
    }
    server.assert_sound().await;
}
