//! How classes are divided into halves.
