//! The bearer token, and where its file is looked for.
//!
//! `coordinatord` writes the token, readable by its user alone, into its data folder and to
//! a place of that user; programs of the same user find it without being told.

use std::{
    ffi::OsString,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use tonic::metadata::{Ascii, MetadataValue};

/// File name of the token in a data folder.
pub const TOKEN_FILE: &str = "token";

/// 256 random bits in hexadecimal. Printing it shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// None of the places has the file.
    #[error("no token file; looked for {}", list(.looked))]
    NotFound {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// A file that is there cannot be read.
    #[error("cannot read the token file {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{path} holds no token: expected 64 hexadecimal digits")]
    NotAToken {
        /// Which.
        path: PathBuf,
    },
}

impl Token {
    /// A token from its text; white space around it does not matter.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_token = text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_token.then(|| Self(text.to_owned()))
    }

    /// The secret itself, for the one who compares or writes it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `Bearer TOKEN`.
    pub(super) fn header(&self) -> MetadataValue<Ascii> {
        let mut header: MetadataValue<Ascii> =
            format!("Bearer {}", self.0).parse().expect("hexadecimal digits are ASCII");
        header.set_sensitive(true);
        header
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Reads the token: from `explicit` (`--token-file`) if given, else from the first of
/// [`token_file_candidates`] that is there.
///
/// # Errors
/// No file, or one that cannot be read or holds no token.
pub fn find_token(
    explicit: Option<&Path>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Token, TokenError> {
    let candidates = explicit.map_or_else(|| token_file_candidates(&environment), |path| vec![path.into()]);
    for path in &candidates {
        match fs::read_to_string(path) {
            Ok(text) => {
                return Token::parse(&text).ok_or_else(|| TokenError::NotAToken { path: path.clone() });
            }
            Err(source) if source.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(TokenError::Read { path: path.clone(), source }),
        }
    }
    Err(TokenError::NotFound { looked: candidates })
}

/// Where a token file is looked for, in order: `SELFFER_TOKEN_FILE` alone if it is set, else
/// `$SELFFER_DATA_DIR/token`, `./selffer-data/token` and the user's own
/// ([`per_user_token_file`]).
pub fn token_file_candidates(environment: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = set("SELFFER_TOKEN_FILE") {
        return vec![file];
    }
    let mut candidates = Vec::new();
    candidates.extend(set("SELFFER_DATA_DIR").map(|folder| folder.join(TOKEN_FILE)));
    candidates.push(Path::new("selffer-data").join(TOKEN_FILE));
    candidates.extend(per_user_token_file(&environment));
    candidates
}

/// `$XDG_STATE_HOME/selffer/token`, else `~/.local/state/selffer/token`; none without a home.
pub fn per_user_token_file(environment: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("selffer").join(TOKEN_FILE))
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<OsString> {
        move |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
    }

    #[test]
    fn the_data_folder_comes_before_the_users_own_file() {
        let looked = token_file_candidates(environment(&[("SELFFER_DATA_DIR", "/d"), ("HOME", "/h")]));

        let expected = ["/d/token", "selffer-data/token", "/h/.local/state/selffer/token"];
        assert_eq!(looked, expected.map(PathBuf::from));
    }

    #[test]
    fn a_token_file_that_is_named_is_the_only_one() {
        let looked = token_file_candidates(environment(&[("SELFFER_TOKEN_FILE", "/t"), ("HOME", "/h")]));

        assert_eq!(looked, [PathBuf::from("/t")]);
    }

    #[test]
    fn a_missing_token_is_told_with_the_places() {
        let error = find_token(Some(Path::new("/nowhere/token")), |_| None).unwrap_err();

        assert_eq!(error.to_string(), "no token file; looked for /nowhere/token");
    }

    #[test]
    fn a_token_does_not_print_itself() {
        let token = Token::parse(&format!(" {}\n", "ab".repeat(32))).unwrap();

        assert_eq!(format!("{token:?}"), "Token(…)");
        assert!(Token::parse("short").is_none());
    }
}
