//! Whose rights the server runs with: our own, or, as root, those of an ordinary user.
//!
//! PostgreSQL refuses to run as root. Its tools look their user up by name, so a bare
//! number would not do.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::Path,
};

use nix::unistd::{Gid, Uid, User};

use super::PrivateServerError;

/// A user of this machine other than the one we run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self { name: user.name, uid: user.uid, gid: user.gid }
    }
}

/// Whom to run the server as; `None` for ourselves.
///
/// A folder that an ordinary user's server has used stays that user's, also for root.
///
/// # Errors
/// We are root and there is no suitable user.
pub(super) fn choose(owner_before: Option<Uid>) -> Result<Option<Account>, PrivateServerError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(None);
    }
    let before = owner_before.filter(|uid| !uid.is_root()).and_then(|uid| User::from_uid(uid).ok().flatten());
    let named = |name| User::from_name(name).ok().flatten();
    let user = before.or_else(|| named("postgres")).or_else(|| named("nobody"));
    user.map(Account::from).map(Some).ok_or(PrivateServerError::NoAccount)
}

/// The names that may connect: who runs the server and who we are.
pub(super) fn names_allowed(account: Option<&Account>) -> Vec<String> {
    let ours = User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name);
    let mut names: Vec<String> = ours.into_iter().chain(account.map(|a| a.name.clone())).collect();
    names.dedup();
    names
}

/// Gives a path of ours to `account`, and closes it to everyone else.
///
/// # Errors
/// The operation itself.
pub(super) fn hand_over(path: &Path, account: Option<&Account>) -> Result<(), PrivateServerError> {
    if let Some(account) = account {
        nix::unistd::chown(path, Some(account.uid), Some(account.gid))
            .map_err(|error| PrivateServerError::file("change the owner of", path)(error.into()))?;
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(PrivateServerError::file("close to others", path))
}

/// Checks that `account` can enter every folder on the way to `folder`.
///
/// # Errors
/// Names the first one that is closed.
pub(super) fn check_way(folder: &Path, account: Option<&Account>) -> Result<(), PrivateServerError> {
    let Some(account) = account else { return Ok(()) };
    for parent in folder.ancestors().skip(1).collect::<Vec<_>>().into_iter().rev() {
        let metadata = fs::metadata(parent).map_err(PrivateServerError::file("read", parent))?;
        let bit = if metadata.uid() == account.uid.as_raw() {
            0o100
        } else if metadata.gid() == account.gid.as_raw() {
            0o010
        } else {
            0o001
        };
        if metadata.mode() & bit == 0 {
            return Err(PrivateServerError::Unreachable {
                account: account.name.clone(),
                parent: parent.to_owned(),
                folder: folder.to_owned(),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_parent_is_named() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let stranger = Account {
            name: "stranger".to_owned(),
            uid: Uid::from_raw(4_000_000),
            gid: Gid::from_raw(4_000_000),
        };
        let error = check_way(&home.path().join("db"), Some(&stranger)).unwrap_err();
        let PrivateServerError::Unreachable { parent, .. } = error else { panic!("{error}") };
        assert_eq!(parent, home.path());
    }
}
