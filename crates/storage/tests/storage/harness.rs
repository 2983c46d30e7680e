//! A server shared by all tests, a database for each, and the words that tests are told in.
//!
//! The server starts with the first test that needs it and is stopped and removed after the
//! last, whatever happens. Ids are counted, not drawn.

use std::{
    collections::BTreeMap,
    ops::Deref,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use selffer_core::{
    artifact::{Chunk, Manifest, Object},
    grid::{self, Study},
    ids::{CheckpointId, ClaimId, Digest, SessionId},
    outcome::{JobResult, TestResult},
    pack::PackFacts,
};
use selffer_storage::{
    Assignment, CheckpointKind, Claim, Device, Holder, NewCheckpoint, NewClaim, NewSession, Onto,
    PgConnectOptions, PrivateServer, ServerConfig, Store, StoreError, StoreOptions, Submission, Submitted,
};
use sqlx::{Connection, PgConnection};
use tokio::runtime::Runtime;
use uuid::Uuid;

static COUNTER: AtomicU64 = AtomicU64::new(1);

/// A number that no other test has.
pub(crate) fn unique() -> u64 {
    COUNTER.fetch_add(1, Ordering::Relaxed)
}

pub(crate) fn uuid() -> Uuid {
    Uuid::from_u128(u128::from(unique()))
}

pub(crate) fn claim_id() -> ClaimId {
    ClaimId(*Digest::of(&unique().to_le_bytes()).0.first_chunk().unwrap())
}

/// The server, with a runtime of its own that outlives every test's.
struct Shared {
    _runtime: Runtime,
    server: PrivateServer,
    _janitor: Child,
}

impl Shared {
    fn get() -> &'static Self {
        static SHARED: OnceLock<Shared> = OnceLock::new();
        // Not on a test's own thread, where another runtime is entered.
        SHARED.get_or_init(|| std::thread::spawn(Self::start).join().unwrap())
    }

    fn start() -> Self {
        let data = tempfile::tempdir().unwrap().keep();
        let runtime = Runtime::new().unwrap();
        let config = ServerConfig { data_dir: data.clone(), pg_bin: None };
        let server = runtime.block_on(PrivateServer::start(&config)).unwrap();
        let janitor = janitor(server.folder(), &data);
        Self { _runtime: runtime, server, _janitor: janitor }
    }
}

/// Stops the server and removes its folders when this process has ended, however it did:
/// then the janitor's input ends. A static is never dropped, so we cannot do it ourselves.
fn janitor(folder: &Path, data: &Path) -> Child {
    const WORK: &str = r#"
        read -r line
        pid=$(head -n 1 "$1/cluster/postmaster.pid")
        # At once: nobody needs these databases written out.
        kill -QUIT "$pid"
        while [ -e "$1/cluster/postmaster.pid" ]; do sleep 0.05; done
        rm -rf "$1" "$2""#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(WORK).arg("janitor").arg(folder).arg(data).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Removes a stopped server's folder, which as root lies outside the test's own.
pub(crate) fn remove(folder: PathBuf) {
    std::fs::remove_dir_all(folder).unwrap();
}

/// A database of one test.
pub(crate) struct Db {
    store: Store,
    options: PgConnectOptions,
}

impl Deref for Db {
    type Target = Store;
    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Db {
    pub(crate) async fn fresh() -> Self {
        Self::create("").await
    }

    /// Another database with the same rows. Nobody may be connected to this one: close it first.
    pub(crate) async fn copy(&self) -> Self {
        Self::create(&format!("TEMPLATE {}", self.options.get_database().unwrap())).await
    }

    async fn create(from: &str) -> Self {
        let options = Shared::get().server.connect_options();
        let name = format!("test_{}", unique());
        let mut maintenance = PgConnection::connect_with(&options).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name} {from}")))
            .execute(&mut maintenance)
            .await
            .unwrap();
        maintenance.close().await.unwrap();
        let options = options.database(&name);
        let few = StoreOptions { connections_max: 10, heartbeat_connections_max: 3 };
        let store = Store::connect(options.clone(), &few).await.unwrap();
        Self { store, options }
    }

    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// A connection of its own, for looking behind the store's back.
    pub(crate) async fn raw(&self) -> PgConnection {
        PgConnection::connect_with(&self.options).await.unwrap()
    }

    /// Checks what must hold at any time, and closes.
    pub(crate) async fn finish(self) {
        self.assert_sound().await;
        self.store.close().await;
    }

    /// Checks what must hold at any time.
    pub(crate) async fn assert_sound(&self) {
        let broken: Vec<_> = self.violations().await.unwrap().iter().map(ToString::to_string).collect();
        assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
    }

    pub(crate) async fn submit_yaml(&self, yaml: &str) -> Submitted {
        self.try_submit(yaml, uuid()).await.unwrap()
    }

    pub(crate) async fn try_submit(&self, yaml: &str, request_id: Uuid) -> Result<Submitted, StoreError> {
        submit(&self.store, &study(yaml), request_id).await
    }

    /// A live session of one worker, `NODE/cpu0`.
    pub(crate) async fn session(&self, node: &str) -> SessionId {
        let session_id = SessionId(uuid());
        self.open_session(&new_session(session_id, node)).await.unwrap();
        session_id
    }

    /// Claims the best ready job for `NODE/cpu0`.
    pub(crate) async fn claim_best(&self, session_id: SessionId, node: &str) -> Assignment {
        let best = self.candidates(1).await.unwrap().remove(0);
        let claim = Claim { job_id: best.job_id, claim_id: claim_id() };
        let new = NewClaim { claim, session_id, worker: format!("{node}/cpu0") };
        self.claim(&new).await.unwrap().unwrap()
    }

    /// Claims and confirms the best ready job.
    pub(crate) async fn run_best(&self, session_id: SessionId, node: &str) -> Holder {
        let claim = self.claim_best(session_id, node).await.claim;
        let holder = Holder { session_id, claim };
        self.confirm(&holder).await.unwrap();
        holder
    }

    /// Publishes a checkpoint of one small object.
    pub(crate) async fn publish(
        &self,
        holder: &Holder,
        kind: CheckpointKind,
        iteration: u32,
    ) -> CheckpointId {
        let manifest = manifest(&format!("{iteration}"));
        let new = NewCheckpoint { kind, iteration, manifest: &manifest };
        let checkpoint_id = self.begin_checkpoint(holder, &new).await.unwrap();
        self.publish_checkpoint(holder, checkpoint_id).await.unwrap();
        checkpoint_id
    }

    /// Publishes the final checkpoint and completes; returns how many dependants were released.
    pub(crate) async fn succeed(&self, holder: &Holder) -> u32 {
        let checkpoint_id = self.publish(holder, CheckpointKind::Final, 800).await;
        self.complete(holder, &result(), checkpoint_id).await.unwrap().released
    }

    /// How many of the last study's jobs are in each state, as `ready 2, waiting 4`.
    pub(crate) async fn states(&self) -> String {
        let counts = self.study("last").await.unwrap().counts;
        counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
    }
}

pub(crate) fn study(yaml: &str) -> Study {
    let facts = PackFacts { digest: Some(pack()), ..PackFacts::well_known("fashion-mnist").unwrap() };
    grid::expand(&grid::parse("grid.yaml", yaml, &grid::GridFiles::new()).unwrap(), &facts).unwrap()
}

pub(crate) fn pack() -> Digest {
    Digest::of(b"fashion")
}

pub(crate) async fn submit(store: &Store, study: &Study, request_id: Uuid) -> Result<Submitted, StoreError> {
    store.submit(&submission(study, request_id, &BTreeMap::new())).await
}

/// A plain submission of this study.
pub(crate) fn submission<'a>(
    study: &'a Study,
    request_id: Uuid,
    files: &'a BTreeMap<String, String>,
) -> Submission<'a> {
    Submission {
        request_id,
        study,
        pack: pack(),
        grid_yaml: "as written",
        files,
        onto: Onto::Same,
        priority: None,
        actor: "tester",
    }
}

/// Two base networks, and for each the networks that copy from it.
pub(crate) const TRANSFER: &str = "\
study: transfer
dataset: fashion-mnist
network: caffenet-28-slim
recipe: {preset: quick-28}
split: random-0
treatment: [base, BnB, AnB]
n: [1, 4]
direction: [AtoB, BtoA]
";

/// Base networks only: `count` splits with two halves each.
pub(crate) fn bases(name: &str, splits: u32) -> String {
    let splits: Vec<String> = (0..splits).map(|split| format!("random-{split}")).collect();
    format!(
        "study: {name}\ndataset: fashion-mnist\nnetwork: caffenet-28-slim\nrecipe: {{preset: quick-28}}\n\
         split: [{}]\ntreatment: base\ndirection: [AtoB, BtoA]\n",
        splits.join(", ")
    )
}

pub(crate) fn new_session(session_id: SessionId, node: &str) -> NewSession {
    let device = Device {
        worker: format!("{node}/cpu0"),
        kind: "cpu x86-64-v3".to_owned(),
        threads: 2,
        memory_bytes: 1 << 33,
    };
    NewSession {
        session_id,
        node: node.parse().unwrap(),
        devices: vec![device],
        protocol_version: 1,
        program_version: "0.1.0".to_owned(),
    }
}

pub(crate) fn manifest(content: &str) -> Manifest {
    let chunk = Chunk { digest: Digest::of(content.as_bytes()), bytes: content.len() as u64 };
    let object = Object { name: "state.json".to_owned(), bytes: chunk.bytes, chunks: vec![chunk] };
    Manifest { objects: vec![object] }
}

pub(crate) fn result() -> JobResult {
    JobResult {
        test: TestResult { images: 5_000, top1_correct: 4_500, top5_correct: 5_000, loss: 0.3 },
        tests: 4,
        top1_best10: None,
        correct_bits: vec![0xff; 625],
        weights_digest: Digest::of(b"weights"),
        layer_digests: vec![("conv1".to_owned(), Digest::of(b"conv1"))],
        copied_layers_unchanged: Some(true),
        stuck_at_chance: false,
        training_s: 12.5,
        waiting_s: 0.125,
        testing_s: 1.25,
        device_kind: "cpu x86-64-v3".to_owned(),
    }
}

pub(crate) fn is_stale<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::StaleClaim { .. }))
}
