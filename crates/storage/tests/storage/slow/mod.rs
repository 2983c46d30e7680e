//! What takes long: run by `make chaos`, not by `make test`.

mod many_dependants;
mod million;
