//! The one place where this program asks the machine for the time and for randomness.

// Everything else takes them as parameters, so that it can be tested with literals.
#![allow(clippy::disallowed_methods)]

use uuid::Uuid;

/// A new id for a request; repeating the request repeats the id.
pub(crate) fn request_id() -> Uuid {
    Uuid::now_v7()
}
