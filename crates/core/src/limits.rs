//! Every bound of the system, and what must hold between them.
//!
//! A bound that a person may move is a default here and a setting of the program.

/// Heartbeat of a session, in seconds; the coordinator's answer may lengthen it.
pub const HEARTBEAT_INTERVAL_S: u64 = 10;
/// A session that is silent for this long is expired and its jobs are suspect, in seconds.
pub const SESSION_TTL_S: u64 = 45;
/// Silence after which a suspect job is taken from its worker, in seconds since the last heartbeat.
pub const LOST_AFTER_S: u64 = 180;
/// A lease that is not confirmed within this returns to ready, in seconds.
pub const CONFIRM_WITHIN_S: u64 = 30;
/// What a worker has for a last checkpoint after its job was cancelled, in seconds; then the
/// job is taken from it.
pub const CANCEL_WITHIN_S: u64 = 60;
/// Bytes of checkpoints that nobody needs any more stay this long, in seconds: who is about to
/// begin one that has the same chunks need not send them again.
pub const DROPPED_KEPT_S: u64 = 600;
/// A leader that does not renew its term for this long is none any more, in seconds. The same
/// for all coordinators of a database.
pub const LEADER_TERM_S: u64 = 5;
/// Notices between coordinators are at least this far apart, in milliseconds.
pub const NOTICE_SPACING_MS: u64 = 100;
/// A coordinator that the database has not heard of for this long does not live, in seconds.
pub const COORDINATOR_SILENT_S: u64 = 10;
/// A training that does not get further in [`STALL_ITERATIONS`] of its median iterations and
/// this is stalled, in seconds; the bounds of the other phases are multiples of it.
pub const STALL_GRACE_S: u64 = 300;
/// See [`STALL_GRACE_S`].
pub const STALL_ITERATIONS: u32 = 10;
/// What stays free on the chunk store's disk, in GiB: below it intermediate checkpoints are
/// refused, below half of it everything is.
pub const KEEP_FREE_GIB: &str = "2";
/// The longest a claim waits in the coordinator for work, in seconds.
pub const CLAIM_WAIT_MAX_S: u64 = 30;
/// The scan that makes lost wake-ups harmless, in milliseconds.
pub const DISPATCH_SCAN_MS: u64 = 1_000;
/// How many ready jobs one dispatch considers.
pub const CANDIDATES_MAX: usize = 256;
/// How many workers one session may hold.
pub const WORKERS_PER_SESSION_MAX: usize = 16;
/// So many different jobs that end badly in a row on one worker without progress, within
/// [`BLACK_HOLE_WITHIN_S`], are that worker's fault.
pub const BLACK_HOLE_JOBS: usize = 5;
/// See [`BLACK_HOLE_JOBS`], in seconds.
pub const BLACK_HOLE_WITHIN_S: u64 = 600;
/// So many different jobs under which a device broke, within [`BROKEN_DEVICE_WITHIN_S`].
pub const BROKEN_DEVICE_JOBS: usize = 2;
/// See [`BROKEN_DEVICE_JOBS`], in seconds; older endings are forgotten.
pub const BROKEN_DEVICE_WITHIN_S: u64 = 24 * 3_600;
/// So many different workers lost in a row while they ran one job are that job's fault.
pub const POISON_WORKERS: usize = 2;
/// Workers of different machines that are lost within this time were lost together, in seconds.
pub const LOST_TOGETHER_S: u64 = 60;
/// Networks of one study that may be at work at once, if that is limited.
pub const PARALLEL_MAX: u32 = 1_000_000;
/// Starts of one job, whatever the reasons.
pub const ATTEMPTS_MAX: u32 = 50;

/// A grid file, in bytes.
pub const GRID_BYTES_MAX: usize = 1 << 20;
/// Files that a grid names beside itself, and their bytes in all.
pub const GRID_FILES_MAX: usize = 16;
/// See [`GRID_FILES_MAX`].
pub const GRID_FILES_BYTES_MAX: usize = 1 << 20;
/// What the aliases of a grid file may blow it up to, in bytes of text and 8 for each value.
pub const GRID_TREE_BYTES_MAX: usize = 16 << 20;
/// How deep lists and mappings of a grid file may nest.
pub const GRID_DEPTH_MAX: usize = 32;
/// Entries of `exclude` in a grid file; each is tried on each cell.
pub const GRID_EXCLUSIONS_MAX: usize = 256;
/// Entries of `grids` in a grid file.
pub const GRID_ENTRIES_MAX: usize = 1_024;
/// Mistakes of one grid file that are reported; the rest are counted.
pub const GRID_ERRORS_MAX: usize = 100;
/// Layers of a network; their numbers name files of two digits.
pub const NETWORK_LAYERS_MAX: usize = 99;
/// Operators of one layer.
pub const LAYER_OPERATORS_MAX: usize = 16;
/// Side of a network's input, in pixels.
pub const NETWORK_SIDE_MAX: u32 = 4_096;
/// Outputs of one operator that a network file states.
pub const OPERATOR_OUTPUTS_MAX: u32 = 65_536;
/// Side, stride and padding of a window, and channels of a normalisation.
pub const WINDOW_MAX: u32 = 1_023;
/// What one operator makes of one image, in values.
pub const LAYER_VALUES_MAX: u64 = 1 << 28;
/// Weights and biases of a network.
pub const NETWORK_PARAMETERS_MAX: u64 = 1 << 31;
/// Cells of one study.
pub const CELLS_MAX: usize = 1_000_000;

/// A chunk of an artifact, in bytes.
pub const CHUNK_BYTES_MAX: u64 = 8 << 20;
/// One frame of a chunk stream, in bytes.
pub const FRAME_BYTES_MAX: usize = 1 << 20;
/// One control message, in bytes.
pub const CONTROL_MESSAGE_BYTES_MAX: usize = 4 << 20;
/// Objects in one artifact.
pub const OBJECTS_MAX: usize = 100_000;
/// One artifact, in bytes.
pub const ARTIFACT_BYTES_MAX: u64 = 1 << 42;
/// A safetensors header that anyone will read, in bytes.
pub const SAFETENSORS_HEADER_BYTES_MAX: u64 = 8 << 20;

/// Metric points in one heartbeat.
pub const METRIC_POINTS_PER_HEARTBEAT_MAX: usize = 1_000;
/// Metric points that a worker keeps in memory for one job; further ones wait on its disk.
pub const METRIC_POINTS_IN_MEMORY_MAX: usize = 10_000;
/// What is kept of an attempt's log, in bytes.
pub const LOG_BYTES_MAX: usize = 1 << 20;
/// A reason or failure message that people will read, in bytes.
pub const REASON_BYTES_MAX: usize = 4 << 10;
/// Rows of one page of an answer.
pub const PAGE_ROWS_MAX: usize = 10_000;

const _: () = {
    assert!(SESSION_TTL_S >= 4 * HEARTBEAT_INTERVAL_S, "a lost heartbeat must not cost a lease");
    assert!(BLACK_HOLE_WITHIN_S <= BROKEN_DEVICE_WITHIN_S, "what counts must not be forgotten");
    assert!(CANCEL_WITHIN_S >= 2 * HEARTBEAT_INTERVAL_S, "a worker must hear of a cancellation");
    assert!(LOST_AFTER_S >= 4 * SESSION_TTL_S / 2, "a worker must have time to come back");
    assert!(LEADER_TERM_S * 1_000 >= 4 * DISPATCH_SCAN_MS, "a slow renewal must not cost a term");
    assert!(LEADER_TERM_S < SESSION_TTL_S, "the next leader must not be late for what expires");
    assert!(METRIC_POINTS_IN_MEMORY_MAX >= METRIC_POINTS_PER_HEARTBEAT_MAX, "a heartbeat must be filled");
    assert!(FRAME_BYTES_MAX < CONTROL_MESSAGE_BYTES_MAX, "a frame must fit a message");
    assert!(GRID_TREE_BYTES_MAX >= 10 * GRID_BYTES_MAX, "a file without aliases must always fit");
    assert!(NETWORK_LAYERS_MAX < u8::MAX as usize, "layers are counted in a byte");
    assert!(NETWORK_PARAMETERS_MAX * 4 < ARTIFACT_BYTES_MAX, "weights must fit an artifact");
    assert!(
        GRID_BYTES_MAX + GRID_FILES_BYTES_MAX < CONTROL_MESSAGE_BYTES_MAX,
        "a grid and its files must fit a message"
    );
};
