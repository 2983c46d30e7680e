//! Workers that train nothing: they do everything else that a worker does, over gRPC.

use selffer_artifacts::cut_bytes;
use selffer_core::{artifact::Manifest, ids::Digest, spec::JobSpec, weights::layer_file};
use selffer_proto::{
    PROTOCOL_VERSION,
    client::{Connection, Token},
    v1::{
        self,
        put_checkpoint_chunk_request::{Frame, Header},
    },
};
use selffer_tests::{fleet::Fleet, images};
use uuid::Uuid;

use crate::Trouble;

const KIND: &str = "cpu x86-64-v3";
/// What every file of every checkpoint holds: the store has it after the first.
const BYTES: &[u8] = b"trained by nobody";

/// A fleet with a small pack, `bars`, that takes nothing from workers however long they are silent.
pub(crate) fn fleet() -> Result<Fleet, Trouble> {
    let times = ["--session-ttl=30m", "--lost-after=60m", "--confirm-within=30m"];
    let fleet = Fleet::start_with(&times);
    let folder = fleet.path("bars-idx");
    images::write_idx(&folder, 20, 4)?;
    let folder = folder.to_str().ok_or("a temporary path that is no text")?;
    let _ = fleet.jobctl_ok(&["data", "import", "--format", "idx", folder, "--name", "bars"]);
    Ok(fleet)
}

/// A connection of its own to a fleet's coordinator.
pub(crate) fn connection(fleet: &Fleet) -> Result<Connection, Trouble> {
    let token = std::fs::read_to_string(fleet.data_folder().join("token"))?;
    let token = Token::parse(&token).ok_or("the token file has no token")?;
    Ok(Connection::lazy(&fleet.coordinator_address(), &token)?)
}

/// A grid of `2 * pairs` base networks that no other split has.
pub(crate) fn bases(study: &str, split: u32, pairs: usize) -> String {
    format!(
        "study: {study}\ndataset: bars\nnetwork: caffenet-28-slim\n\
         recipe: {{preset: quick-28, iterations: 1, batch: 8, test_every: 1}}\n\
         split: random-{split}\ntreatment: base\nseed: 0..{}\n",
        pairs - 1
    )
}

/// One session with one worker.
#[derive(Clone)]
pub(crate) struct Drill {
    pub(crate) connection: Connection,
    pub(crate) session_id: String,
    worker: String,
}

/// A job that a [`Drill`] holds.
pub(crate) struct Held {
    pub(crate) claim: v1::JobClaim,
    spec: JobSpec,
}

impl Drill {
    /// Opens a session of this name.
    pub(crate) async fn open(connection: &Connection, node: String) -> Result<Self, Trouble> {
        let (connection, session_id, worker) =
            (connection.clone(), Uuid::now_v7().to_string(), format!("{node}/cpu0"));
        let device =
            v1::Device { worker: worker.clone(), kind: KIND.into(), threads: 1, memory_bytes: 1 << 30 };
        let request = v1::OpenSessionRequest {
            session_id: session_id.clone(),
            node,
            devices: vec![device],
            protocol_version: PROTOCOL_VERSION,
            program_version: env!("CARGO_PKG_VERSION").into(),
        };
        connection.workers().open_session(request).await?;
        Ok(Self { connection, session_id, worker })
    }

    /// Claims a job; there must be one.
    pub(crate) async fn claim(&self) -> Result<Held, Trouble> {
        let request = v1::ClaimRequest {
            session_id: self.session_id.clone(),
            worker: self.worker.clone(),
            claim_id: Uuid::now_v7().into_bytes().to_vec(),
            wait_ms: 20_000,
            ..Default::default()
        };
        let answer = self.connection.workers().claim(request).await?.into_inner();
        let assignment = answer.assignment.ok_or("no job is ready")?;
        let claim = assignment.claim.ok_or("an assignment without its claim")?;
        Ok(Held { claim, spec: serde_json::from_str(&assignment.spec_json)? })
    }

    pub(crate) async fn confirm(&self, held: &Held) -> Result<(), Trouble> {
        let (session_id, claim) = (self.session_id.clone(), Some(held.claim.clone()));
        self.connection.workers().confirm(v1::ConfirmRequest { session_id, claim }).await?;
        Ok(())
    }

    /// Publishes a final checkpoint; of its bytes all that the store lacks are sent.
    pub(crate) async fn publish(&self, held: &Held) -> Result<String, Trouble> {
        let layers = held.spec.network.layers.iter().enumerate();
        let files = layers.map(|(index, layer)| layer_file(index, &layer.name));
        let files = std::iter::once("state.json".to_owned()).chain(files);
        let manifest = Manifest { objects: files.map(|file| cut_bytes(&file, BYTES)).collect() };
        let mut checkpoints = self.connection.checkpoints();
        let begin = v1::BeginCheckpointRequest {
            session_id: self.session_id.clone(),
            claim: Some(held.claim.clone()),
            kind: v1::CheckpointKind::Final.into(),
            iteration: 1,
            manifest: Some((&manifest).into()),
        };
        let begun = checkpoints.begin(begin).await?.into_inner();
        if !begun.missing.is_empty() {
            let header = Header {
                session_id: self.session_id.clone(),
                claim: Some(held.claim.clone()),
                checkpoint_id: begun.checkpoint_id.clone(),
                chunk: Some((&manifest.objects[0].chunks[0]).into()),
            };
            let frames = [Frame::Header(header), Frame::Data(BYTES.to_vec())];
            let frames = frames.map(|frame| v1::PutCheckpointChunkRequest { frame: Some(frame) });
            checkpoints.put_chunk(futures_util::stream::iter(frames)).await?;
        }
        let publish = v1::PublishCheckpointRequest {
            session_id: self.session_id.clone(),
            claim: Some(held.claim.clone()),
            checkpoint_id: begun.checkpoint_id.clone(),
        };
        checkpoints.publish(publish).await?;
        Ok(begun.checkpoint_id)
    }

    pub(crate) async fn complete(&self, held: &Held, checkpoint_id: String) -> Result<(), Trouble> {
        let request = v1::CompleteAttemptRequest {
            session_id: self.session_id.clone(),
            claim: Some(held.claim.clone()),
            result: Some(result(&held.spec)),
            checkpoint_id,
        };
        self.connection.workers().complete_attempt(request).await?;
        Ok(())
    }
}

fn result(spec: &JobSpec) -> v1::JobResult {
    let digest = Digest::of(BYTES).0.to_vec();
    let layers = spec.network.layers.iter();
    let layers = layers.map(|layer| v1::LayerDigest { layer: layer.name.clone(), digest: digest.clone() });
    v1::JobResult {
        test: Some(v1::TestResult { images: 20, top1_correct: 10, top5_correct: 20, loss: 0.5 }),
        tests: 1,
        correct_bits: vec![0xff; 3],
        weights_digest: digest.clone(),
        layer_digests: layers.collect(),
        training_s: 0.1,
        testing_s: 0.1,
        device_kind: KIND.into(),
        ..Default::default()
    }
}
