//! The data folder: its version, its lock and the token in it.
//!
//! `FORMAT` says which version of this layout the folder has; another one is refused
//! before anything is touched. `lock` keeps a second coordinator out for as long as the
//! first one lives, however it ends. `store/` and `postgres/` belong to others.

use std::{
    env, fs,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use selffer_proto::client::{TOKEN_FILE, Token, per_user_token_file};

use crate::ambient;

/// Content of `FORMAT`.
const FORMAT: &str = "selffer-data 1";

/// A data folder that this process alone has.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    token: Token,
    // Held, not read: the lock goes with it.
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, or makes it. The token is the one in `token_file`, else its own.
    ///
    /// # Errors
    /// It is of another version, in use, or cannot be read or written.
    pub(crate) fn open(path: &Path, token_file: Option<&Path>) -> Result<Self> {
        let at = || format!("cannot use the data folder {}", path.display());
        // Private: the token and everybody's results are in it.
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(at)?;
        let path = path.canonicalize().with_context(at)?;
        let lock = lock(&path)?;
        check_format(&path)?;
        let token = match token_file {
            Some(file) => {
                read_token(file)?.with_context(|| format!("there is no token file {}", file.display()))?
            }
            None => read_or_mint_token(&path.join(TOKEN_FILE))?,
        };
        Ok(Self { path, token, _lock: lock })
    }

    /// Where it is, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What workers and people must show.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Also writes the token to the user's own place, where `jobctl` and `workerd` look when
    /// they are started in another folder. Returns the place.
    ///
    /// # Errors
    /// There is no home, or it cannot be written.
    pub(crate) fn share_token_with_user(&self) -> Result<PathBuf> {
        let path = per_user_token_file(|name| env::var_os(name)).context("there is no home folder")?;
        if let Some(folder) = path.parent() {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write_private(&path, self.token.expose())?;
        Ok(path)
    }
}

fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let at = || format!("cannot open {}", path.display());
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path).with_context(at)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another coordinator is running on the data folder {}; stop it, or give this one another --data-dir",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => Err(error).with_context(at),
    }
}

fn check_format(folder: &Path) -> Result<()> {
    let path = folder.join("FORMAT");
    match fs::read_to_string(&path) {
        Ok(text) if text.trim() == FORMAT => Ok(()),
        Ok(text) => bail!(
            "the data folder {} is of another version: its FORMAT is {:?}, this program's is {FORMAT:?}; \
             use the program that made it, or another --data-dir",
            folder.display(),
            text.trim().chars().take(80).collect::<String>()
        ),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if folder.join(TOKEN_FILE).exists() || folder.join("postgres").exists() {
                bail!(
                    "the data folder {} has no FORMAT file, so its version is unknown; \
                     restore the file or use another --data-dir",
                    folder.display()
                );
            }
            write_private(&path, FORMAT).with_context(|| format!("cannot write {}", path.display()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn read_or_mint_token(path: &Path) -> Result<Token> {
    if let Some(token) = read_token(path)? {
        return Ok(token);
    }
    let text = hex::encode(ambient::secret_bytes());
    write_private(path, &text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Token::parse(&text).expect("32 bytes in hexadecimal are a token"))
}

fn read_token(path: &Path) -> Result<Option<Token>> {
    match fs::read_to_string(path) {
        Ok(text) => {
            refuse_if_others_can_read(path)?;
            let token = Token::parse(&text).with_context(|| {
                format!("{} holds no token; remove it and a new one is made", path.display())
            })?;
            Ok(Some(token))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn refuse_if_others_can_read(path: &Path) -> Result<()> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!(
            "{} can be read by others (mode {mode:o}), so it is no secret; \
             remove it and a new one is made, or chmod 600 it",
            path.display()
        );
    }
    Ok(())
}

/// Writes a file that only this user can read: whole or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_minted_once_and_is_the_users_alone() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");

        let first = DataFolder::open(&path, None).unwrap().token().clone();
        let again = DataFolder::open(&path, None).unwrap().token().clone();

        assert_eq!(first, again);
        let mode = fs::metadata(path.join("token")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_second_coordinator_is_kept_out_until_the_first_ends() {
        let parent = tempfile::tempdir().unwrap();
        let first = DataFolder::open(parent.path(), None).unwrap();

        let error = DataFolder::open(parent.path(), None).unwrap_err().to_string();

        assert!(error.starts_with("another coordinator is running on the data folder"), "{error}");
        drop(first);
        DataFolder::open(parent.path(), None).unwrap();
    }

    #[test]
    fn a_folder_of_another_version_is_refused_with_its_content() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("FORMAT"), "selffer-data 99\n").unwrap();

        let error = DataFolder::open(parent.path(), None).unwrap_err().to_string();

        assert!(error.contains("\"selffer-data 99\"") && error.contains("\"selffer-data 1\""), "{error}");
        assert!(!parent.path().join("token").exists());
    }

    #[test]
    fn a_token_that_others_can_read_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        drop(DataFolder::open(parent.path(), None).unwrap());
        fs::set_permissions(parent.path().join("token"), fs::Permissions::from_mode(0o644)).unwrap();

        let error = DataFolder::open(parent.path(), None).unwrap_err().to_string();

        assert!(error.contains("mode 644"), "{error}");
    }
}
