//! What was found in an image set and is not used: told, not silently lost.

use serde::{Deserialize, Serialize};

/// As many names are kept.
const NAMES_MAX: usize = 100;

/// Names of what is not used, up to a hundred, and how much that is in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The first of them, in the order in which they were found.
    pub names: Vec<String>,
    /// How many there are.
    pub count: u64,
}

impl Skipped {
    pub(in crate::import) fn add(&mut self, name: impl Into<String>) {
        self.count += 1;
        if self.names.len() < NAMES_MAX {
            self.names.push(name.into());
        }
    }

    pub(in crate::import) fn add_all(&mut self, others: Self) {
        self.count += others.count;
        let room = NAMES_MAX - self.names.len();
        self.names.extend(others.names.into_iter().take(room));
    }
}
