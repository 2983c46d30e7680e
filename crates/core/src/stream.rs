//! Counter-based random streams.
