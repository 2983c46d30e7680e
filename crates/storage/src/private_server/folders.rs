//! Where the private server lives: its folder, its socket, and who holds them.
//!
//! An ordinary user's server lives in `DATA/postgres`. As root that may be out of reach of
//! the server's user, so `DATA/postgres` is a link into the system's state folder. The link,
//! not the path, is what belongs to the data: fresh data gets a fresh database, and a person
//! who looks sees where it is.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
};

use nix::unistd::Uid;
use selffer_core::ids::Digest;

use super::{PrivateServerError, account, account::Account};

/// Where databases of data folders that root uses live.
const STATE_FOLDER: &str = "/var/lib/selffer";
/// What a Unix socket's path may be long, in bytes, everywhere.
const SOCKET_PATH_BYTES_MAX: usize = 103;
/// The socket's name for the port that we always give.
const SOCKET_NAME: &str = ".s.PGSQL.5432";
/// How many databases one data path may have had.
const FOLDERS_PER_PATH_MAX: u32 = 10_000;

/// The server's folders, held against other coordinators until dropped.
#[derive(Debug)]
pub(super) struct Folders {
    /// Everything of the server.
    pub(super) folder: PathBuf,
    /// PostgreSQL's own data folder.
    pub(super) cluster: PathBuf,
    /// Holds the socket and nothing else; 0700.
    pub(super) socket: PathBuf,
    /// Who runs the server, if not we ourselves.
    pub(super) account: Option<Account>,
    _lock: File,
}

/// Finds or makes the folders of this data folder's server, and takes them.
///
/// # Errors
/// In use by another coordinator, out of reach, or not writable.
pub(super) fn take(data_dir: &Path) -> Result<Folders, PrivateServerError> {
    fs::create_dir_all(data_dir).map_err(PrivateServerError::file("make", data_dir))?;
    let data_dir = fs::canonicalize(data_dir).map_err(PrivateServerError::file("read", data_dir))?;
    let link = data_dir.join("postgres");
    let is_root = nix::unistd::geteuid().is_root();
    if is_root && fs::symlink_metadata(&link).is_err() {
        link_to_state_folder(&data_dir, &link)?;
    }
    let folder = resolve(&link)?;
    let owner = fs::metadata(&folder).ok().map(|metadata| Uid::from_raw(metadata.uid()));
    let account = account::choose(owner)?;
    fs::create_dir_all(&folder).map_err(PrivateServerError::file("make", &folder))?;
    account::check_way(&folder, account.as_ref())?;
    account::hand_over(&folder, account.as_ref())?;
    let lock = lock(&folder, account.as_ref())?;
    let socket = socket_folder(&folder, account.as_ref())?;
    Ok(Folders { cluster: folder.join("cluster"), folder, socket, account, _lock: lock })
}

/// Where the socket of this data folder's server is, whoever runs it; none if it never had one.
pub(super) fn socket_of(data_dir: &Path) -> Option<PathBuf> {
    let folder = resolve(&fs::canonicalize(data_dir).ok()?.join("postgres")).ok()?;
    folder.exists().then(|| socket_place(&folder))
}

/// Where the link leads, also if nothing is there yet; the path itself if it is no link.
fn resolve(link: &Path) -> Result<PathBuf, PrivateServerError> {
    match fs::read_link(link) {
        Ok(target) => Ok(target),
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotFound) => {
            Ok(link.to_owned())
        }
        Err(error) => Err(PrivateServerError::file("read", link)(error)),
    }
}

fn link_to_state_folder(data_dir: &Path, link: &Path) -> Result<(), PrivateServerError> {
    let state = Path::new(STATE_FOLDER);
    fs::create_dir_all(state).map_err(PrivateServerError::file("make", state))?;
    let hash = Digest::of(data_dir.as_os_str().as_encoded_bytes()).to_string();
    for number in 1..=FOLDERS_PER_PATH_MAX {
        let folder = state.join(format!("{}-{number}", &hash[..12]));
        match fs::create_dir(&folder) {
            Ok(()) => {
                note_owner(&folder, data_dir)?;
                return symlink(&folder, link).map_err(PrivateServerError::file("link", link));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(PrivateServerError::file("make", folder)(error)),
        }
    }
    let full = io::Error::other(format!("{FOLDERS_PER_PATH_MAX} databases of {}", data_dir.display()));
    Err(PrivateServerError::file("make another folder in", state)(full))
}

/// For the person who finds the folder and asks what it belongs to.
fn note_owner(folder: &Path, data_dir: &Path) -> Result<(), PrivateServerError> {
    let note = folder.join("BELONGS_TO");
    fs::write(&note, format!("{}\n", data_dir.display())).map_err(PrivateServerError::file("write", note))
}

/// Locks the folder for this process; the server does not inherit it, so it survives us freely.
fn lock(folder: &Path, account: Option<&Account>) -> Result<File, PrivateServerError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(PrivateServerError::file("open", &path))?;
    account::hand_over(&path, account)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(PrivateServerError::InUse { folder: folder.to_owned() }),
        Err(fs::TryLockError::Error(error)) => Err(PrivateServerError::file("lock", path)(error)),
    }
}

/// A folder short enough for a socket: within the server's, else under /tmp.
fn socket_folder(folder: &Path, account: Option<&Account>) -> Result<PathBuf, PrivateServerError> {
    let chosen = socket_place(folder);
    match fs::create_dir(&chosen) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => check_ours(&chosen, account)?,
        Err(error) => return Err(PrivateServerError::file("make", chosen)(error)),
    }
    account::hand_over(&chosen, account)?;
    Ok(chosen)
}

fn socket_place(folder: &Path) -> PathBuf {
    let within = folder.join("socket");
    if fits(&within) {
        return within;
    }
    let hash = Digest::of(folder.as_os_str().as_encoded_bytes()).to_string();
    PathBuf::from(format!("/tmp/selffer-{}", &hash[..16]))
}

fn fits(folder: &Path) -> bool {
    folder.join(SOCKET_NAME).as_os_str().len() <= SOCKET_PATH_BYTES_MAX
}

/// Somebody else may have put a folder or a link of that name under /tmp.
fn check_ours(folder: &Path, account: Option<&Account>) -> Result<(), PrivateServerError> {
    let metadata = fs::symlink_metadata(folder).map_err(PrivateServerError::file("read", folder))?;
    let ours = nix::unistd::geteuid().as_raw();
    let theirs = account.map_or(ours, |account| account.uid.as_raw());
    let problem = if !metadata.is_dir() {
        "it is not a folder"
    } else if ![ours, theirs].contains(&metadata.uid()) {
        "it belongs to another user"
    } else {
        return Ok(());
    };
    Err(PrivateServerError::SocketFolder { folder: folder.to_owned(), problem: problem.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_gets_a_short_socket_folder() {
        let home = tempfile::tempdir().unwrap();
        let deep = home.path().join("x".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let socket = socket_folder(&deep, None).unwrap();
        assert!(fits(&socket), "{} is too long", socket.display());
        fs::remove_dir(socket).unwrap();
    }

    #[test]
    fn a_file_in_the_sockets_place_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("socket"), "").unwrap();
        let error = socket_folder(folder.path(), None).unwrap_err();
        assert!(error.to_string().ends_with("it is not a folder"), "{error}");
    }
}
