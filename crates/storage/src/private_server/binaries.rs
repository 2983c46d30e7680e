//! Finding PostgreSQL's server binaries, and what to install where there are none.
//!
//! Order: the folder a person named, `pg_config --bindir`, `PATH`, the folders where
//! distributions and Homebrew put them. A folder counts if it has both `postgres` and
//! `initdb`. Nothing is downloaded.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::PrivateServerError;

/// The oldest major version that serves.
pub(super) const MAJOR_MIN: u32 = 15;

/// A folder with `postgres` and `initdb` of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    pub(super) folder: PathBuf,
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// The binaries to use: of the major version that made `cluster`, if it exists already.
///
/// # Errors
/// Nothing suitable is installed.
pub(super) fn find(
    named: Option<&Path>,
    cluster: &Path,
    folder: &Path,
) -> Result<Binaries, PrivateServerError> {
    let pinned = made_by(cluster)?;
    let found = match named {
        Some(named) => vec![in_named_folder(named)?],
        None => installed(),
    };
    if let Some(major) = pinned {
        let listed = found.iter().map(|b| b.major.to_string()).collect::<Vec<_>>().join(", ");
        return found.into_iter().find(|b| b.major == major).ok_or_else(|| PrivateServerError::OtherMajor {
            folder: folder.to_owned(),
            made_by: major,
            found: if listed.is_empty() { "none".to_owned() } else { listed },
            install: install_command(Some(major)),
        });
    }
    found.into_iter().find(|b| b.major >= MAJOR_MIN).ok_or_else(|| PrivateServerError::BinariesMissing {
        oldest: MAJOR_MIN,
        install: install_command(None),
    })
}

/// The major version that made the data, if there is any.
fn made_by(cluster: &Path) -> Result<Option<u32>, PrivateServerError> {
    let path = cluster.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(PrivateServerError::file("read", path)(error)),
    }
}

fn in_named_folder(named: &Path) -> Result<Binaries, PrivateServerError> {
    let refused = |found: String| PrivateServerError::NotInFolder {
        folder: named.to_owned(),
        oldest: MAJOR_MIN,
        found,
        install: install_command(None),
    };
    match look_into(named) {
        Some(binaries) if binaries.major >= MAJOR_MIN => Ok(binaries),
        Some(binaries) => Err(refused(format!("it is version {}", binaries.major))),
        None => Err(refused("no working `postgres` and `initdb`".to_owned())),
    }
}

/// Every installation found, best first.
fn installed() -> Vec<Binaries> {
    let mut found: Vec<Binaries> = Vec::new();
    for folder in folders() {
        let known = found.iter().any(|b| b.folder == folder);
        if let (false, Some(binaries)) = (known, look_into(&folder)) {
            found.push(binaries);
        }
    }
    found
}

fn folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Some(text) = output_of(Path::new("pg_config"), "--bindir") {
        folders.push(PathBuf::from(text.trim()));
    }
    if let Some(path) = env::var_os("PATH") {
        folders.extend(env::split_paths(&path));
    }
    for (parent, prefix) in [
        ("/usr/lib/postgresql", ""),
        ("/usr", "pgsql-"),
        ("/usr/local", "pgsql"),
        ("/opt/homebrew/opt", "postgresql"),
        ("/usr/local/opt", "postgresql"),
    ] {
        folders.extend(newest_first(Path::new(parent), prefix));
    }
    folders
}

/// `PARENT/PREFIX…/bin`, higher numbers first.
fn newest_first(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let mut named: Vec<(u32, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let rest = name.strip_prefix(prefix)?.trim_start_matches(['@', '-']);
            Some((rest.parse().unwrap_or(0), entry.path().join("bin")))
        })
        .collect();
    named.sort();
    named.into_iter().rev().map(|(_, path)| path).collect()
}

fn look_into(folder: &Path) -> Option<Binaries> {
    if !folder.is_absolute() || !folder.join("initdb").is_file() {
        return None;
    }
    let version = output_of(&folder.join("postgres"), "--version")?;
    Some(Binaries { folder: folder.to_owned(), major: major_of(&version)? })
}

/// 15 from `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`, 18 from `… 18beta1`.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_whitespace().nth(2)?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn output_of(program: &Path, argument: &str) -> Option<String> {
    let output = Command::new(program).arg(argument).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command that installs a server on this system.
fn install_command(major: Option<u32>) -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let command = command_for(env::consts::OS, &release, major);
    let is_root = nix::unistd::geteuid().is_root();
    if is_root || command.starts_with("brew") { command } else { format!("sudo {command}") }
}

fn command_for(system: &str, os_release: &str, major: Option<u32>) -> String {
    let number = major.map(|major| major.to_string()).unwrap_or_default();
    if system == "macos" {
        let number = if number.is_empty() { "17" } else { &number };
        return format!("brew install postgresql@{number}");
    }
    let like = |name: &str| {
        os_release
            .lines()
            .filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="))
            .any(|line| line.split(['=', '"', ' ']).any(|word| word == name))
    };
    if like("fedora") || like("rhel") || like("centos") {
        format!("dnf install -y postgresql{number}-server")
    } else if like("arch") {
        "pacman -S --noconfirm postgresql".to_owned()
    } else if like("alpine") {
        format!("apk add postgresql{number}")
    } else if like("suse") || like("opensuse") {
        format!("zypper install -y postgresql{number}-server")
    } else if number.is_empty() {
        "apt-get install -y postgresql".to_owned()
    } else {
        format!("apt-get install -y postgresql-{number}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_as_the_server_prints_them() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major_of("something else"), None);
    }

    #[test]
    fn the_install_command_fits_the_system() {
        let debian = "ID=debian\n";
        let ubuntu = "ID=ubuntu\nID_LIKE=debian\n";
        let rocky = "ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n";
        assert_eq!(command_for("linux", debian, None), "apt-get install -y postgresql");
        assert_eq!(command_for("linux", ubuntu, Some(16)), "apt-get install -y postgresql-16");
        assert_eq!(command_for("linux", rocky, None), "dnf install -y postgresql-server");
        assert_eq!(command_for("macos", "", None), "brew install postgresql@17");
    }

    #[test]
    fn a_folder_without_binaries_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let error = find(Some(folder.path()), Path::new("/nonexistent"), folder.path()).unwrap_err();
        assert!(error.to_string().starts_with(&folder.path().display().to_string()), "{error}");
    }
}
