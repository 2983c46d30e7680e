//! Identities: each id is its own type, so that none can stand in for another.
//!
//! Nothing here is drawn at random: ids that need randomness are minted by the
//! programs and handed in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A BLAKE3 digest; written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The first 8 hex digits, enough for people to tell digests apart.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Not hexadecimal, or of the wrong length.
    #[error("{given:?} is not {bytes} bytes in hexadecimal")]
    NotHex {
        /// What was given.
        given: String,
        /// How many bytes the id has.
        bytes: usize,
    },
    /// A name with characters outside `[A-Za-z0-9._-]`, empty or over 128 bytes.
    #[error("{given:?} is not a name: 1 to 128 of A-Z a-z 0-9 . _ -")]
    NotAName {
        /// What was given, cut to 128 characters.
        given: String,
    },
}

fn from_hex<const N: usize>(text: &str) -> Result<[u8; N], IdError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| IdError::NotHex { given: text.chars().take(128).collect(), bytes: N })?;
    Ok(bytes)
}

macro_rules! hex_id {
    ($name:ident, $bytes:literal) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                from_hex::<$bytes>(text).map(Self)
            }
        }
        impl TryFrom<&[u8]> for $name {
            type Error = IdError;
            fn try_from(bytes: &[u8]) -> Result<Self, IdError> {
                let bytes = bytes
                    .try_into()
                    .map_err(|_| IdError::NotHex { given: hex::encode(bytes), bytes: $bytes })?;
                Ok(Self(bytes))
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

/// What a job is: the digest of its canonical spec. Equal keys, equal networks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobKey(pub [u8; 32]);

/// 128 random bits minted by a worker for one claim: the fencing token of an attempt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimId(pub [u8; 16]);

hex_id!(Digest, 32);
hex_id!(JobKey, 32);
hex_id!(ClaimId, 16);

impl JobKey {
    /// The first 8 hex digits, the shortest form that commands accept.
    #[must_use]
    pub fn short(&self) -> String {
        hex::encode(&self.0[..4])
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    };
}

uuid_id!(
    /// A job's row; people use names and keys.
    JobId
);
uuid_id!(
    /// A study's row; people use its name.
    StudyId
);
uuid_id!(
    /// One running `workerd` process.
    SessionId
);
uuid_id!(
    /// One running `coordinatord` process.
    CoordinatorId
);
uuid_id!(
    /// One checkpoint's row.
    CheckpointId
);

/// The fencing token of every worker's message: which job, under which claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    /// The job.
    pub job_id: JobId,
    /// What the worker minted when it claimed.
    pub claim_id: ClaimId,
}

/// One execution of a job under one lease, from 1; 0 means none yet. Only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AttemptNumber(pub u32);

impl AttemptNumber {
    /// The attempt after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for AttemptNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A name that people give: studies, packs, nodes and workers. `[A-Za-z0-9._-]{1,128}`,
/// so it can never be a path; a worker's name joins two of them with `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// The text as the name of a study: 1 to 64 of a-z 0-9 -.
    #[must_use]
    pub fn of_study(text: &str) -> Option<Self> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        text.parse().ok().filter(|_| text.len() <= 64 && text.bytes().all(allowed))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let dots_only = text.chars().all(|c| c == '.');
        if text.is_empty() || text.len() > 128 || !text.chars().all(allowed) || dots_only {
            return Err(IdError::NotAName { given: text.chars().take(128).collect() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_never_be_a_path() {
        for bad in ["", ".", "..", "../x", "/etc", "a/b", "a\0", "naïve", &"x".repeat(129)] {
            assert!(bad.parse::<Name>().is_err(), "{bad:?} passed");
        }
        assert_eq!("node-1.lab_2".parse::<Name>().unwrap().as_str(), "node-1.lab_2");
    }

    #[test]
    fn a_digest_reads_back_what_it_printed() {
        let digest = Digest::of(b"selffer");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("abc".parse::<Digest>().is_err());
    }
}
