//! PostgreSQL's data folder: made once, and told who may connect before every start.

use std::{fs, io, path::Path, process::Stdio};

use tokio::process::Command;

use super::{PrivateServerError, account, account::Account, binaries::Binaries, folders::Folders};

/// The database's superuser and owner of everything; no password, `peer` decides.
pub(super) const ROLE: &str = "selffer";
/// How much of a program's output an error repeats, in bytes.
const OUTPUT_BYTES_MAX: usize = 2_000;

/// Makes the cluster if there is none, and writes who may connect.
///
/// # Errors
/// `initdb` refused, or files cannot be written.
pub(super) async fn prepare(folders: &Folders, binaries: &Binaries) -> Result<(), PrivateServerError> {
    if !folders.cluster.join("PG_VERSION").exists() {
        make(folders, binaries).await?;
    }
    allow(folders)
}

/// A command that runs with the server's rights, in the server's folder, with none of our
/// environment: `PGDATA`, `PGOPTIONS` and their like must not leak in.
pub(super) fn command(folders: &Folders, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("LC_ALL", "C").current_dir(&folders.folder).stdin(Stdio::null());
    for kept in ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    if let Some(Account { uid, gid, .. }) = &folders.account {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}

/// The end of a text, for an error's message.
pub(super) fn tail(text: &str) -> String {
    let text = text.trim();
    let mut start = text.len().saturating_sub(OUTPUT_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    text[start..].to_owned()
}

// Made under another name and renamed, so that an interrupted `initdb` leaves nothing that
// looks like a database.
async fn make(folders: &Folders, binaries: &Binaries) -> Result<(), PrivateServerError> {
    let unfinished = folders.folder.join("cluster.unfinished");
    match fs::remove_dir_all(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(PrivateServerError::file("remove", unfinished)(error));
        }
        _ => {}
    }
    let program = binaries.program("initdb");
    let output = command(folders, &program)
        .args(["--no-locale", "-E", "UTF8", "-A", "peer", "-U", ROLE, "-D"])
        .arg(&unfinished)
        .output()
        .await
        .map_err(|source| PrivateServerError::Run { program, source })?;
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let output = tail(&String::from_utf8_lossy(&text));
        return Err(PrivateServerError::Initdb { folder: folders.folder.clone(), output });
    }
    fs::rename(&unfinished, &folders.cluster).map_err(PrivateServerError::file("rename", unfinished))
}

/// Only over the socket, only the server's user and ours, and only as [`ROLE`].
fn allow(folders: &Folders) -> Result<(), PrivateServerError> {
    let names = account::names_allowed(folders.account.as_ref());
    let map: String = names.iter().map(|name| format!("selffer \"{name}\" {ROLE}\n")).collect();
    for (file, text) in [("pg_hba.conf", "local all all peer map=selffer\n"), ("pg_ident.conf", &map)] {
        let path = folders.cluster.join(file);
        fs::write(&path, text).map_err(PrivateServerError::file("write", path))?;
    }
    Ok(())
}
