//! What takes long because there is much of it.

mod many_dependants;
