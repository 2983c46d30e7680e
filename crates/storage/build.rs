//! Rebuilds the crate when a migration or a checked query's description changes: the macros
//! read them, but cargo does not see that.

fn main() {
    for path in ["../../migrations", "../../.sqlx"] {
        println!("cargo:rerun-if-changed={path}");
    }
    // A refresh writes the descriptions into a new folder each time, so it always builds.
    println!("cargo:rerun-if-env-changed=SQLX_OFFLINE_DIR");
}
