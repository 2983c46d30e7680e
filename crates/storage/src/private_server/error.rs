//! Why the private server cannot run: one sentence each, saying what to do where we know.

use std::{io, path::PathBuf, time::Duration};

/// Why the private server cannot run.
#[derive(Debug, thiserror::Error)]
pub enum PrivateServerError {
    /// Nothing found anywhere.
    #[error(
        "no PostgreSQL server of version {oldest} or newer found; install it with `{install}`, or name its folder with --pg-bin"
    )]
    BinariesMissing {
        /// The oldest major version that serves.
        oldest: u32,
        /// The command for this system.
        install: String,
    },
    /// The folder that a person named has no usable binaries.
    #[error(
        "{} has no PostgreSQL server of version {oldest} or newer: {found}; install one with `{install}`, \
         or name its folder with --pg-bin", folder.display()
    )]
    NotInFolder {
        /// As given.
        folder: PathBuf,
        /// The oldest major version that serves.
        oldest: u32,
        /// What is there instead.
        found: String,
        /// The command that installs one.
        install: String,
    },
    /// The data was made by a version that is not installed.
    #[error("the database in {} was made by PostgreSQL {made_by}, which is not installed (found: {found}); install it with `{install}`", folder.display())]
    OtherMajor {
        /// The server's folder.
        folder: PathBuf,
        /// Its major version.
        made_by: u32,
        /// The versions that are installed.
        found: String,
        /// The command for this system.
        install: String,
    },
    /// Root, and nobody to run the server as.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor `nobody` to run it as; create one, or start this program as an ordinary user"
    )]
    NoAccount,
    /// The server's user cannot reach its folder.
    #[error("user {account} cannot enter {}, which is on the way to the database in {}", parent.display(), folder.display())]
    Unreachable {
        /// Who runs the server.
        account: String,
        /// What is closed.
        parent: PathBuf,
        /// Where it leads.
        folder: PathBuf,
    },
    /// Another program has this folder.
    #[error("the database in {} is in use by another coordinator", folder.display())]
    InUse {
        /// The server's folder.
        folder: PathBuf,
    },
    /// No folder for the socket is short enough, or it is somebody else's.
    #[error("{} cannot hold the database's socket: {problem}", folder.display())]
    SocketFolder {
        /// The folder.
        folder: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file operation.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which path.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A program that could not be run.
    #[error("cannot run {}", program.display())]
    Run {
        /// The program.
        program: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// `initdb` ended badly.
    #[error("initdb could not make a database in {}: {output}", folder.display())]
    Initdb {
        /// The server's folder.
        folder: PathBuf,
        /// The end of what it wrote.
        output: String,
    },
    /// The server ended while it started.
    #[error("the database in {} ended while it started: {output}", folder.display())]
    Ended {
        /// The server's folder.
        folder: PathBuf,
        /// The end of its log.
        output: String,
    },
    /// It neither answers nor ends.
    #[error("the database in {} did not {action} within {} s; its log is server.log there", folder.display(), limit.as_secs())]
    TooSlow {
        /// The server's folder.
        folder: PathBuf,
        /// What it should have done.
        action: &'static str,
        /// How long it had.
        limit: Duration,
    },
    /// It answers, but not as it should.
    #[error("the database in {} refused its first statements", folder.display())]
    Refused {
        /// The server's folder.
        folder: PathBuf,
        /// What it said.
        #[source]
        source: sqlx::Error,
    },
}

impl PrivateServerError {
    /// Says which operation on which path an I/O error belongs to.
    pub(super) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}
