//! A running coordinator, and the calls that tests make.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use nix::unistd::Pid;
use selffer_artifacts::cut_bytes;
use selffer_core::{
    artifact::{Manifest, Object},
    import::{ImportKind, ImportManifest},
    pack::{Class, Encoding, PackManifest, SCHEMA, Shard, Subset},
    spec::{Half, ImageShape},
};
use selffer_proto::{
    PROTOCOL_VERSION,
    client::{Connection, Token},
    convert::import_kind_number,
    v1,
};
use selffer_storage::{PrivateServer, Store};
use tempfile::TempDir;

/// How long anything may take on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A coordinator process; stopped in good order when it is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) folder: TempDir,
    pub(crate) address: String,
    pub(crate) http: String,
}

/// Session times with which a lost worker costs seconds.
const SHORT: [&str; 10] = [
    "--heartbeat-interval",
    "500ms",
    "--session-ttl",
    "3s",
    "--lost-after",
    "4s",
    "--confirm-within",
    "2s",
    "--cancel-within",
    "2s",
];
/// Session times with which nobody is silent soon.
const PATIENT: [&str; 8] = [
    "--heartbeat-interval",
    "500ms",
    "--session-ttl",
    "60s",
    "--lost-after",
    "120s",
    "--confirm-within",
    "60s",
];

/// The command for a coordinator on this folder, whose user has no other state.
pub(crate) fn command(folder: &Path) -> Command {
    command_with(folder, &SHORT)
}

/// The same with other times.
pub(crate) fn command_with(folder: &Path, times: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_coordinatord"));
    command
        .env_remove("SELFFER_DATABASE_URL")
        .env_remove("SELFFER_STORE")
        .env("XDG_STATE_HOME", folder.join("state"))
        .args(["--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0"])
        .args(times)
        .args(["--keep-dropped", "1s"])
        .arg("--data-dir")
        .arg(folder.join("data"));
    command
}

impl Server {
    /// A coordinator on a new folder.
    pub(crate) fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    /// A coordinator on this folder.
    pub(crate) fn start_in(folder: TempDir) -> Self {
        Self::start_as(folder, |_| {})
    }

    /// A coordinator on this folder, told more.
    pub(crate) fn start_as(folder: TempDir, told: impl FnOnce(&mut Command)) -> Self {
        let mut command = command(folder.path());
        told(&mut command);
        Self::start_command(folder, command)
    }

    /// A coordinator on a new folder for whom workers, which are slow on a busy machine, are not
    /// silent soon.
    pub(crate) fn start_patient() -> Self {
        Self::start_with(tempfile::tempdir().unwrap(), &[])
    }

    /// A patient coordinator on this folder that is told this too.
    pub(crate) fn start_with(folder: TempDir, arguments: &[&str]) -> Self {
        Self::start_patient_as(folder, |command| {
            command.args(arguments);
        })
    }

    /// A patient coordinator on this folder, told more.
    pub(crate) fn start_patient_as(folder: TempDir, told: impl FnOnce(&mut Command)) -> Self {
        let mut command = command_with(folder.path(), &PATIENT);
        told(&mut command);
        Self::start_command(folder, command)
    }

    fn start_command(folder: TempDir, mut command: Command) -> Self {
        let log = fs::File::options().create(true).append(true).open(folder.path().join("log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut after = |word: &str| {
            let line = lines.find(|line| line.trim_start().starts_with(word));
            let line = line.unwrap_or_else(|| panic!("{}", log_of(folder.path())));
            line.split_whitespace().last().unwrap().to_owned()
        };
        let address = after("workers, jobctl");
        let http = after("dashboard").trim_start_matches("http://").to_owned();
        after("data");
        Self { child, folder, address, http }
    }

    pub(crate) fn token(&self) -> Token {
        let text = fs::read_to_string(self.folder.path().join("data/token")).unwrap();
        Token::parse(&text).unwrap()
    }

    /// A connection that shows the token.
    pub(crate) fn connection(&self) -> Connection {
        Connection::lazy(&self.address, &self.token()).unwrap()
    }

    /// The answer of the dashboard to this path, as text with its head.
    pub(crate) fn get_as(&self, host: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.http).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub(crate) fn get(&self, path: &str) -> String {
        self.get_as(&self.http, path)
    }

    /// The file of a stored chunk with these bytes.
    pub(crate) fn chunk_file(&self, bytes: &[u8]) -> PathBuf {
        let hash = selffer_core::ids::Digest::of(bytes).to_string();
        self.folder.path().join("data/store/cas").join(&hash[..2]).join(&hash)
    }

    /// The names of all files in its chunk store.
    pub(crate) fn chunk_files(&self) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![self.folder.path().join("data/store")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    _ => names.push(entry.file_name().to_string_lossy().into_owned()),
                }
            }
        }
        names
    }

    /// The process of its PostgreSQL.
    pub(crate) fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.database_folder().join("cluster/postmaster.pid")).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
    }

    /// A look at its rows.
    pub(crate) async fn look(&self) -> Store {
        let database = PrivateServer::of_another(&self.folder.path().join("data")).unwrap();
        Store::look(database).await.unwrap()
    }

    /// Checks what must hold of its rows at any time.
    pub(crate) async fn assert_sound(&self) {
        let store = self.look().await;
        let broken: Vec<_> = store.violations().await.unwrap().iter().map(ToString::to_string).collect();
        store.close().await;
        assert!(broken.is_empty(), "broken promises:\n{}", broken.join("\n"));
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        log_of(self.folder.path())
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Sends SIGTERM and waits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate()
    }

    /// Stops it in good order, with its database, and gives the folder back.
    pub(crate) fn stop_and_keep(mut self) -> TempDir {
        assert!(self.terminate().success());
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    /// Where its database is.
    pub(crate) fn database_folder(&self) -> PathBuf {
        fs::canonicalize(self.folder.path().join("data/postgres")).unwrap()
    }

    /// Kills it without a chance to clean up, and gives the folder back.
    pub(crate) fn kill(mut self) -> TempDir {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }

    fn terminate(&mut self) -> ExitStatus {
        if let Some(status) = self.child.try_wait().unwrap() {
            return status;
        }
        nix::sys::signal::kill(self.pid(), nix::sys::signal::Signal::SIGTERM).unwrap();
        // A test that broke off may have left it stopped.
        nix::sys::signal::kill(self.pid(), nix::sys::signal::Signal::SIGCONT).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.terminate();
        if std::thread::panicking() {
            eprintln!("coordinator's log:\n{}", log_of(self.folder.path()));
        }
        remove_database(self.folder.path());
    }
}

/// Removes a database that root's coordinator keeps elsewhere, behind a link.
pub(crate) fn remove_database(folder: &Path) {
    if let Ok(database) = fs::read_link(folder.join("data/postgres")) {
        fs::remove_dir_all(database).unwrap();
    }
}

fn log_of(folder: &Path) -> String {
    fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// A pack of 4 classes and 28×28 pixels whose shards' bytes are these.
pub(crate) fn pack(train: &[u8], validation: &[u8]) -> (PackManifest, Manifest) {
    let subset = |object: &Object, bytes: &[u8]| Subset {
        images_per_class: vec![100; 4],
        shards: vec![Shard {
            file: object.name.clone(),
            images: 400,
            bytes: object.bytes,
            digest: selffer_core::ids::Digest::of(bytes),
        }],
    };
    let objects =
        [cut_bytes("train-00000.safetensors", train), cut_bytes("validation-00000.safetensors", validation)];
    let manifest = PackManifest {
        schema: SCHEMA.into(),
        image: ImageShape { height: 28, width: 28, channels: 1 },
        preparation: None,
        encoding: Encoding::Pixels,
        classes: ["bag", "boot", "coat", "shirt"].map(Class::named).into(),
        groupings: [("leather-cloth".to_owned(), vec![Half::A, Half::A, Half::B, Half::B])].into(),
        train: subset(&objects[0], train),
        validation: subset(&objects[1], validation),
    };
    (manifest, Manifest { objects: objects.into() })
}

/// Stores a small pack as `tiny`.
pub(crate) async fn import_pack(connection: &Connection) {
    let (train, validation) = (b"train pixels".as_slice(), b"validation pixels".as_slice());
    let (pack, objects) = pack(train, validation);
    let pack = ImportManifest::Pack(pack);
    let mut imports = connection.imports();
    let begun = begin_import(&mut imports, &pack, &objects).await.unwrap();
    for (object, bytes) in objects.objects.iter().zip([train, validation]) {
        let header = chunk_header(ImportKind::Pack, &begun.digest, (&object.chunks[0]).into());
        put_import_chunk(&mut imports, header, bytes).await.unwrap();
    }
    imports.publish(publish_import(ImportKind::Pack, &begun.digest, "tiny")).await.unwrap();
}

pub(crate) type Imports =
    v1::import_service_client::ImportServiceClient<selffer_proto::client::AuthorizedChannel>;

pub(crate) async fn begin_import(
    imports: &mut Imports,
    import: &ImportManifest,
    objects: &Manifest,
) -> Result<v1::BeginImportResponse, tonic::Status> {
    let request = v1::BeginImportRequest {
        kind: import_kind_number(import.kind()),
        manifest_json: import.to_text(),
        manifest: Some(objects.into()),
    };
    imports.begin(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn chunk_header(
    kind: ImportKind,
    digest: &[u8],
    chunk: v1::Chunk,
) -> v1::put_import_chunk_request::Header {
    let (kind, import_digest) = (import_kind_number(kind), digest.to_vec());
    v1::put_import_chunk_request::Header { kind, import_digest, chunk: Some(chunk) }
}

pub(crate) async fn put_import_chunk(
    imports: &mut Imports,
    header: v1::put_import_chunk_request::Header,
    bytes: &[u8],
) -> Result<(), tonic::Status> {
    use v1::put_import_chunk_request::Frame;
    let data = bytes.chunks(1 << 20).map(|data| Frame::Data(data.to_vec()));
    let frames: Vec<_> = std::iter::once(Frame::Header(header))
        .chain(if bytes.is_empty() { vec![Frame::Data(Vec::new())] } else { data.collect() })
        .map(|frame| v1::PutImportChunkRequest { frame: Some(frame) })
        .collect();
    imports.put_chunk(tokio_stream::iter(frames)).await.map(|_| ())
}

pub(crate) fn publish_import(kind: ImportKind, digest: &[u8], name: &str) -> v1::PublishImportRequest {
    v1::PublishImportRequest { kind: import_kind_number(kind), digest: digest.to_vec(), name: name.into() }
}

pub(crate) async fn list_imports(connection: &Connection, kind: ImportKind) -> Vec<v1::ImportSummary> {
    let request = v1::ListImportsRequest { kind: import_kind_number(kind) };
    connection.imports().list(request).await.unwrap().into_inner().imports
}

/// Two base networks and the two copied from them at n = 1.
pub(crate) const GRID: &str = "study: first
dataset: tiny
network: caffenet-28-slim
recipe: {preset: quick-28, iterations: 8, test_every: 4}
split: [leather-cloth]
treatment: [base, AnB]
n: [1]
";

pub(crate) async fn submit(
    connection: &Connection,
    request: u128,
    grid: &str,
) -> Result<v1::SubmitResponse, tonic::Status> {
    let request = v1::SubmitRequest {
        request_id: uuid::Uuid::from_u128(request).to_string(),
        grid_yaml: grid.into(),
        file_name: "grid.yaml".into(),
        ..Default::default()
    };
    connection.studies().submit(request).await.map(tonic::Response::into_inner)
}

/// Opens a session of one worker, `NODE/cpu0`.
pub(crate) async fn open_session(connection: &Connection, session: u128, node: &str) -> String {
    let session_id = uuid::Uuid::from_u128(session).to_string();
    let device = v1::Device {
        worker: format!("{node}/cpu0"),
        kind: "cpu x86-64-v3".into(),
        threads: 1,
        memory_bytes: 1 << 30,
    };
    let request = v1::OpenSessionRequest {
        session_id: session_id.clone(),
        node: node.into(),
        devices: vec![device],
        protocol_version: PROTOCOL_VERSION,
        program_version: "0.1.0".into(),
    };
    connection.workers().open_session(request).await.unwrap();
    session_id
}

/// Claims for `NODE/cpu0`, waiting this long.
pub(crate) async fn claim(
    connection: &Connection,
    session_id: &str,
    node: &str,
    claim: u8,
    wait_ms: u64,
) -> Result<Option<v1::Assignment>, tonic::Status> {
    let request = v1::ClaimRequest {
        session_id: session_id.into(),
        worker: format!("{node}/cpu0"),
        claim_id: vec![claim; 16],
        wait_ms,
        ..Default::default()
    };
    connection.workers().claim(request).await.map(|response| response.into_inner().assignment)
}
