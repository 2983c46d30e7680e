//! Where a chunk store is: a folder of this machine, or a bucket of a server that speaks S3.

use std::{fmt, path::PathBuf, str::FromStr};

/// Where a chunk store is. Shown to people and logs: it holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A folder of this machine, or one that it has mounted.
    Folder(PathBuf),
    /// What lies in a bucket below a prefix.
    Bucket {
        /// The bucket's name.
        bucket: String,
        /// Without slashes around it; empty for the whole bucket.
        prefix: String,
    },
}

/// Why a text names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaceError {
    /// Another kind of URL.
    #[error("the place is of kind {scheme:?}, which is not known; a store is a folder or s3://BUCKET/PREFIX")]
    Scheme {
        /// As given.
        scheme: String,
    },
    /// A name that no bucket has. The text is not repeated: there may be a secret in it.
    #[error(
        "no bucket of that name; s3://BUCKET/PREFIX has only letters, digits, dots and dashes in BUCKET, \
         and credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    )]
    Bucket,
    /// An empty text.
    #[error("the place is empty")]
    Empty,
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return if text.is_empty() { Err(PlaceError::Empty) } else { Ok(Self::Folder(text.into())) };
        };
        if scheme != "s3" {
            return Err(PlaceError::Scheme { scheme: scheme.to_owned() });
        }
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if bucket.is_empty() || !bucket.bytes().all(is_name) {
            return Err(PlaceError::Bucket);
        }
        Ok(Self::Bucket { bucket: bucket.to_owned(), prefix: prefix.trim_matches('/').to_owned() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::Bucket { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Self::Bucket { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket_and_reads_as_it_was_written() {
        for text in ["/data/store", "store", "s3://lab/selffer/store", "s3://lab"] {
            assert_eq!(text.parse::<Place>().unwrap().to_string(), text);
        }
        let bucket = Place::Bucket { bucket: "lab".to_owned(), prefix: "a/b".to_owned() };
        assert_eq!("s3://lab/a/b/".parse::<Place>().unwrap(), bucket);
    }

    #[test]
    fn what_is_no_place_is_refused_and_a_secret_in_it_is_not_repeated() {
        for text in ["", "gs://lab/x", "s3://", "s3:///x", "s3://key:secret@lab/x"] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(!error.contains("secret@"), "{error}");
        }
    }
}
