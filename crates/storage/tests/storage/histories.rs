//! The model of the store, over which core's simulation runs, and the store itself: the same
//! random histories of calls on both, and after every call the same answer and the same rows.
//! So what the simulation proves of the one holds of the other. A failure names its seed.
//!
//! Time is not compared: a sweep takes all it could ever take, and a retry's delay is over at once.

use std::{collections::BTreeMap, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use selffer_core::{
    brake::Allowed,
    grid::Study,
    ids::{ClaimId, JobId, JobKey, SessionId},
    interest::InterestChange,
    job::{Budgets, Failure, FailureClass, GiveBackReason, StateKind},
    outcome::{MetricPoint, MetricValue},
};
use selffer_storage::{
    Act, CheckpointKind, Claim, Holder, InventoryItem, NewCheckpoint, NewClaim, StoreError,
};
use sqlx::{PgConnection, types::Json};
use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};
use uuid::Uuid;

use crate::{
    claims::item,
    harness::{Db, TRANSFER, manifest, new_session, result, study, submit},
    model::{self, Bounds, Due, Kind, Model, Overdue, Refusal, Stage, Without},
    random::Random,
};

const HISTORIES: u64 = 24;
const STEPS: usize = 150;
const NODES: usize = 2;
const ACT: Act<'_> = Act { actor: "tester", reason: "by chance" };
const CHANGES: [InterestChange; 4] =
    [InterestChange::Pause, InterestChange::Resume, InterestChange::Stop, InterestChange::Cancel];

const OTHER: &str = "\
study: other
dataset: fashion-mnist
network: caffenet-28-slim
recipe: {preset: quick-28}
split: random-0
treatment: [base, BnB]
n: [4, 6]
direction: [AtoB, BtoA]
";

type Came<T> = Result<T, Refusal>;

#[derive(Clone, Copy, Debug)]
struct Known {
    job: usize,
    claim: ClaimId,
    session: SessionId,
}

struct History {
    db: Db,
    raw: PgConnection,
    model: Model,
    studies: Vec<Study>,
    keys: Vec<JobKey>,
    ids: BTreeMap<JobKey, JobId>,
    random: Random,
    requests: Vec<(u64, Uuid, usize)>,
    sessions: Vec<(SessionId, usize)>,
    claims: Vec<Known>,
    checkpoints: BTreeMap<u32, selffer_core::ids::CheckpointId>,
    second: i64,
}

fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::StaleClaim { .. } => Refusal::StaleClaim,
        StoreError::SessionEnded { .. } => Refusal::SessionEnded,
        StoreError::SessionSilent { .. } => Refusal::SessionSilent,
        StoreError::NotFound { .. } => Refusal::Missing,
        StoreError::NotPublished { .. } => Refusal::NotPublished,
        StoreError::NotPossible { .. } => Refusal::NotPossible,
        StoreError::Unwanted { .. } => Refusal::Unwanted,
        StoreError::InterestGone { .. } => Refusal::InterestGone,
        other => panic!("{other:?}"),
    }
}

fn came<T>(answer: Result<T, StoreError>) -> Came<T> {
    answer.map_err(|error| refusal(&error))
}

// Networks of all studies, each once, sources first; and each study's.
fn networks(studies: &[Study]) -> (Vec<JobKey>, Vec<Option<usize>>, Vec<Vec<usize>>) {
    let (mut keys, mut sources, mut of_studies) = (Vec::new(), Vec::new(), Vec::new());
    for study in studies {
        let mut places = Vec::new();
        for cell in &study.cells {
            let known = keys.iter().position(|key| *key == cell.key);
            places.push(known.unwrap_or_else(|| {
                keys.push(cell.key);
                sources.push(cell.source.map(|source| places[source]));
                keys.len() - 1
            }));
        }
        of_studies.push(places);
    }
    (keys, sources, of_studies)
}

impl History {
    async fn new(seed: u64) -> Self {
        let db = Db::fresh().await;
        let studies: Vec<Study> = [TRANSFER, OTHER].map(study).into();
        let (keys, sources, of_studies) = networks(&studies);
        Self {
            raw: db.raw().await,
            db,
            model: Model::new(sources, of_studies, Without::Nothing),
            studies,
            keys,
            ids: BTreeMap::new(),
            random: Random::new(seed),
            requests: Vec::new(),
            sessions: Vec::new(),
            claims: Vec::new(),
            checkpoints: BTreeMap::new(),
            second: 0,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(self.second)
    }

    fn any<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.random.below(of.len())])
    }

    fn id(&self, job: usize) -> JobId {
        self.ids[&self.keys[job]]
    }

    fn holder(&self, known: Known) -> Holder {
        let claim = Claim { job_id: self.id(known.job), claim_id: known.claim };
        Holder { session_id: known.session, claim }
    }

    fn some_claim(&mut self) -> Option<Known> {
        let claims = self.claims.clone();
        let open: Vec<Known> =
            claims.iter().copied().filter(|known| self.model.open.contains(&known.claim)).collect();
        let which = if self.random.one_in(8) { claims } else { open };
        let mut known = self.any(&which)?;
        let lease = self.model.jobs[known.job].job.state.lease();
        if let Some(lease) = lease.filter(|lease| lease.claim_id == known.claim)
            && !self.random.one_in(8)
        {
            known.session = lease.session_id;
        }
        Some(known)
    }

    async fn step(&mut self) {
        self.second += 1;
        match self.random.below(24) {
            0 | 1 => self.submit().await,
            2 | 3 => self.open_session().await,
            4 => self.close_session().await,
            5..=8 => self.claim().await,
            9 | 10 => self.confirm().await,
            11 | 12 => self.heartbeat().await,
            13 => self.give_back().await,
            14 => self.fail().await,
            15 | 16 => self.publish().await,
            17 => self.complete().await,
            18 => self.sweep().await,
            19 => self.quarantine().await,
            20 => self.change_interest().await,
            21 => self.cancel_or_retry().await,
            _ => self.train_to_the_end().await,
        }
    }

    async fn submit(&mut self) {
        let study = self.random.below(self.studies.len());
        let number = self.requests.len() as u64;
        let repeated = self.requests.get(self.random.below(self.requests.len() + 1)).copied();
        let request = repeated.filter(|_| self.random.one_in(3));
        let request = request.unwrap_or((number, Uuid::from_u128(u128::from(number) + 1), study));
        let (number, id, study) = request;
        let first = !self.requests.contains(&request);
        came(submit(&self.db, &self.studies[study], id).await).unwrap();
        self.model.submit(number, study, self.now()).unwrap();
        if first {
            self.requests.push(request);
        }
        let rows: Vec<(Vec<u8>, Uuid)> =
            sqlx::query_as("SELECT key, job_id FROM jobs").fetch_all(&mut self.raw).await.unwrap();
        let ids = rows.into_iter().map(|(key, id)| (JobKey(key.try_into().unwrap()), JobId(id)));
        self.ids = ids.collect();
    }

    async fn open_session(&mut self) {
        let new = (self.random.session(), self.random.below(NODES));
        let known = self.sessions.clone();
        let again = if self.random.one_in(4) { self.any(&known) } else { None };
        let (session, node) = again.unwrap_or(new);
        let answer = self.db.open_session(&new_session(session, &format!("node{node}"))).await;
        assert_eq!(came(answer), self.model.open_session(session, node, self.now()));
        if again.is_none() {
            self.sessions.push((session, node));
        }
    }

    async fn close_session(&mut self) {
        let known = self.sessions.clone();
        let Some((session, _)) = self.any(&known) else { return };
        came(self.db.close_session(session).await).unwrap();
        self.model.close_session(session, self.now()).unwrap();
    }

    async fn claim(&mut self) {
        let known = self.sessions.clone();
        let living: Vec<_> =
            known.iter().copied().filter(|(session, _)| !self.model.sessions[session].ended).collect();
        let which = if self.random.one_in(8) { known } else { living };
        let ready = self.model.candidates(self.now());
        let all: Vec<usize> =
            (0..self.keys.len()).filter(|job| self.ids.contains_key(&self.keys[*job])).collect();
        let of = if ready.is_empty() || self.random.one_in(6) { all } else { ready };
        let (Some((session, node)), Some(job)) = (self.any(&which), self.any(&of)) else { return };
        let used: Vec<ClaimId> = self.claims.iter().map(|known| known.claim).collect();
        let again = if self.random.one_in(10) { self.any(&used) } else { None };
        let claim = again.unwrap_or_else(|| self.random.claim());
        let worker = format!("node{node}/cpu0");
        let new = NewClaim {
            claim: Claim { job_id: self.id(job), claim_id: claim },
            session_id: session,
            worker: worker.clone(),
        };
        let answer = came(self.db.claim(&new).await);
        let answer = answer.map(|got| got.map(|got| (got.claim.job_id, got.attempt)));
        let got = self.model_claim(&model::NewClaim { job, claim, session, worker });
        assert_eq!(answer, got.map(|got| got.map(|got| (self.id(got.job), got.attempt))));
        if answer.is_ok_and(|got| got.is_some()) && again.is_none() {
            self.claims.push(Known { job, claim, session });
        }
    }

    fn model_claim(&mut self, new: &model::NewClaim) -> Came<Option<model::Assignment>> {
        let session = &self.model.sessions[&new.session];
        match self.model.read_claimable(new.job, self.now()) {
            Some(read) => self.model.claim(&read, new, self.now()),
            None if session.ended => Err(Refusal::SessionEnded),
            None if session.expired => Err(Refusal::SessionSilent),
            None => self.model.assignment(new.claim, new.session),
        }
    }

    async fn confirm(&mut self) {
        let Some(known) = self.some_claim() else { return };
        let answer = came(self.db.confirm(&self.holder(known)).await);
        assert_eq!(answer, self.model.confirm(known.job, known.claim, known.session, self.now()));
    }

    async fn heartbeat(&mut self) {
        let known = self.sessions.clone();
        let Some((session, _)) = self.any(&known) else { return };
        let held = self.model.held_by(session);
        let mut listed: Vec<Known> = self.claims.clone();
        listed.retain(|known| held.contains(&known.job) || self.random.one_in(6));
        let points = (0, self.random.below(4) as u32);
        let as_stored = |known: &Known| InventoryItem {
            metrics: (points.0..points.1).map(point).collect(),
            ..item(self.holder(*known).claim)
        };
        let inventory: Vec<InventoryItem> = listed.iter().map(as_stored).collect();
        let as_modelled = |known: &Known| model::Item { job: known.job, claim: known.claim, points };
        let items: Vec<model::Item> = listed.iter().map(as_modelled).collect();
        let answer = came(self.db.heartbeat(session, &inventory).await).map(|answer| answer.verdicts);
        let answer = answer.map(|all| {
            all.iter().map(|one| (one.claim.claim_id, one.verdict, one.metrics_stored)).collect::<Vec<_>>()
        });
        let judged = self.model.heartbeat(session, &items, self.now());
        let judged =
            judged.map(|all| all.iter().map(|one| (one.claim, one.verdict, one.points_stored)).collect());
        assert_eq!(answer, judged);
    }

    async fn give_back(&mut self) {
        let Some(known) = self.some_claim() else { return };
        let answer = self.db.give_back(&self.holder(known), GiveBackReason::WorkerStopping).await;
        let modelled = self.model.give_back((known.job, known.claim, known.session), self.now());
        assert_eq!(came(answer.map(drop)), modelled);
    }

    async fn fail(&mut self) {
        let Some(known) = self.some_claim() else { return };
        let class = FailureClass::ALL[self.random.below(FailureClass::ALL.len())];
        let failure = Failure { class, message: "by chance".to_owned() };
        let answer = self.db.fail(&self.holder(known), &failure, 7).await;
        let modelled = self.model.fail((known.job, known.claim, known.session), &failure, self.now());
        assert_eq!(came(answer.map(drop)), modelled);
    }

    async fn publish(&mut self) {
        let Some(known) = self.some_claim() else { return };
        let iteration = 1 + self.random.below(6) as u32;
        let kind = if self.random.one_in(3) { Kind::Final } else { Kind::Intermediate };
        self.publish_one(known, kind, iteration).await;
    }

    async fn publish_one(&mut self, known: Known, kind: Kind, iteration: u32) {
        let as_stored = match kind {
            Kind::Final => CheckpointKind::Final,
            Kind::Intermediate => CheckpointKind::Intermediate,
        };
        let manifest = manifest(&iteration.to_string());
        let new = NewCheckpoint { kind: as_stored, iteration, manifest: &manifest };
        let holder = self.holder(known);
        let begun = came(self.db.begin_checkpoint(&holder, &new).await);
        let triple = (known.job, known.claim, known.session);
        let modelled = self.model.begin_checkpoint(triple, kind, iteration);
        assert_eq!(begun.map(drop), modelled.map(drop));
        let (Ok(stored), Ok(number)) = (begun, modelled) else { return };
        self.checkpoints.insert(number, stored);
        if !self.random.one_in(6) {
            let answer = came(self.db.publish_checkpoint(&holder, stored).await);
            assert_eq!(answer.map(drop), self.model.publish_checkpoint(triple, number, self.now()));
        }
    }

    async fn complete(&mut self) {
        let Some(known) = self.some_claim() else { return };
        let its = self.model.checkpoints.iter().filter(|row| row.claim == known.claim).map(|row| row.id);
        let its: Vec<u32> = its.collect();
        let Some(number) = self.any(&its) else { return };
        let answer = self.db.complete(&self.holder(known), &result(), self.checkpoints[&number]).await;
        let modelled = self.model.complete((known.job, known.claim, known.session), number, self.now());
        assert_eq!(came(answer.map(drop)), modelled);
    }

    async fn train_to_the_end(&mut self) {
        let Some(known) = self.some_claim() else { return };
        self.publish_one(known, Kind::Final, 9).await;
        self.complete().await;
    }

    async fn sweep(&mut self) {
        let (zero, bounds) = (Duration::ZERO, zero_bounds());
        let kind = self.random.below(5);
        let swept = match kind {
            0 => self.db.expire_sessions(zero).await,
            1 => self.db.time_out_confirmations(zero).await,
            2 => self.db.lose_workers(zero).await,
            3 => self.db.lose_unlisted(zero).await,
            _ => self.db.end_withdrawn(zero).await,
        };
        swept.unwrap();
        let now = self.now();
        let found = self.model.silent(&bounds, now, Allowed::Loss).into_iter();
        for what in found.chain(self.model.withdrawn(&bounds, now)).filter(|what| place(*what) == kind) {
            let due = Due { what, claim: self.model.claim_of(what), as_of: now };
            self.model.take_up(&due, &bounds, now).unwrap();
        }
    }

    async fn quarantine(&mut self) {
        let published = |row: &&model::CheckpointRow| matches!(row.stage, Stage::Published(_));
        let all: Vec<u32> = self.model.checkpoints.iter().filter(published).map(|row| row.id).collect();
        let Some(number) = self.any(&all) else { return };
        let answer = came(self.db.quarantine_checkpoint(self.checkpoints[&number]).await);
        assert_eq!(answer, self.model.quarantine_checkpoint(number, self.now()));
    }

    async fn change_interest(&mut self) {
        let study = self.random.below(self.studies.len());
        let change = CHANGES[self.random.below(CHANGES.len())];
        let answer = self.db.change_interest(self.studies[study].name.as_str(), change, &ACT).await;
        assert_eq!(came(answer).map(drop), self.model.change_interest(study, change, self.now()));
    }

    async fn cancel_or_retry(&mut self) {
        let study = self.random.below(self.studies.len());
        if self.model.studies[study].interest.is_none() {
            return;
        }
        let place = self.random.below(self.studies[study].cells.len());
        let job = self.model.studies[study].jobs[place];
        let name = format!("{}:{}", self.studies[study].name, self.studies[study].cells[place].name);
        let found = self.db.find_job(&name).await.unwrap();
        if self.random.one_in(2) {
            let answer = came(self.db.cancel_job(&found, &ACT).await);
            assert_eq!(answer.map(drop), self.model.cancel_job(job, self.now()));
        } else {
            let answer = came(self.db.retry_job(&found, &ACT).await);
            assert_eq!(answer.map(drop), self.model.retry_job(job, self.now()));
        }
    }

    async fn compare(&mut self) {
        let rows: Vec<Row> = sqlx::query_as(
            "WITH due AS (UPDATE jobs SET not_before = now() WHERE state = 'ready')
             SELECT key, state, attempt, budgets, claim_id, session_id, interest, withdrawn_at IS NOT NULL
             FROM jobs",
        )
        .fetch_all(&mut self.raw)
        .await
        .unwrap();
        let stored: BTreeMap<Vec<u8>, String> = rows.into_iter().map(words_of_row).collect();
        let mut modelled = BTreeMap::new();
        for (key, row) in self.keys.iter().zip(&mut self.model.jobs) {
            if row.interest.is_some() {
                modelled.insert(key.0.to_vec(), words(row));
            }
            if let selffer_core::job::JobState::Ready { not_before } = &mut row.job.state {
                *not_before = DateTime::UNIX_EPOCH;
            }
        }
        assert_eq!(stored, modelled);
        self.model.journal.clear();
    }
}

type Row = (Vec<u8>, String, i32, Json<Budgets>, Option<Vec<u8>>, Option<Uuid>, String, bool);

fn words_of_row(row: Row) -> (Vec<u8>, String) {
    let (key, state, attempt, Json(budgets), claim, session, interest, withdrawn) = row;
    let claim = claim.map(|claim| hex_of(&claim)).unwrap_or_default();
    let session = session.map(|session| session.to_string()).unwrap_or_default();
    (key, format!("{state} {attempt} {budgets:?} {claim} {session} {interest} {withdrawn}"))
}

fn words(row: &model::JobRow) -> String {
    let lease = row.job.state.lease();
    let claim = lease.map(|lease| hex_of(&lease.claim_id.0)).unwrap_or_default();
    let session = lease.map(|lease| lease.session_id.to_string()).unwrap_or_default();
    let (state, attempt, budgets) = (row.job.state.kind(), row.job.attempt, row.job.budgets);
    let interest = row.interest.map(|interest| interest.to_string()).unwrap_or_default();
    let withdrawn = row.withdrawn_at.is_some();
    format!("{state} {attempt} {budgets:?} {claim} {session} {interest} {withdrawn}")
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn point(sequence: u32) -> MetricPoint {
    MetricPoint { sequence, iteration: sequence, value: MetricValue::TrainingLoss(1.0) }
}

fn zero_bounds() -> Bounds {
    let zero = TimeDelta::zero();
    Bounds { ttl: zero, confirm_within: zero, lost_after: zero, cancel_within: zero }
}

fn place(what: Overdue) -> usize {
    match what {
        Overdue::Session(_) => 0,
        Overdue::Confirmation(_) => 1,
        Overdue::Worker(_) => 2,
        Overdue::Listing(_) => 3,
        Overdue::Withdrawal(_) | Overdue::Unwanted(_) => 4,
    }
}

async fn run(seed: u64) -> BTreeMap<StateKind, usize> {
    let mut history = History::new(seed).await;
    let mut seen = BTreeMap::new();
    for _ in 0..STEPS {
        history.step().await;
        history.compare().await;
        for row in history.model.jobs.iter().filter(|row| row.interest.is_some()) {
            *seen.entry(row.job.state.kind()).or_default() += 1;
        }
    }
    history.db.finish().await;
    seen
}

fn start(seed: u64) -> JoinHandle<BTreeMap<StateKind, usize>> {
    let runtime = Handle::current();
    spawn_blocking(move || runtime.block_on(run(seed)))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_and_the_store_agree_on_every_history() {
    let mut seen: BTreeMap<StateKind, usize> = BTreeMap::new();
    for seeds in (0..HISTORIES).collect::<Vec<_>>().chunks(4) {
        let runs: Vec<_> = seeds.iter().map(|seed| (*seed, start(*seed))).collect();
        for (seed, run) in runs {
            let states = run.await.unwrap_or_else(|broken| panic!("history of seed {seed}: {broken}"));
            states.into_iter().for_each(|(kind, count)| *seen.entry(kind).or_default() += count);
        }
    }
    assert_eq!(seen.len(), StateKind::ALL.len(), "a state was never reached: {seen:?}");
}
