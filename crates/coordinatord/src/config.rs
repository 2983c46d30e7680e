//! The command line and the environment, and what they must satisfy together.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use selffer_core::limits::{
    CANCEL_WITHIN_S, CONFIRM_WITHIN_S, DROPPED_KEPT_S, HEARTBEAT_INTERVAL_S, LOST_AFTER_S, SESSION_TTL_S,
};

use crate::chunk_room::ChunkArgs;

/// Where data lies unless told otherwise.
pub(crate) const DATA_DIR_DEFAULT: &str = "selffer-data";

/// Selffer's coordinator: takes studies, hands their jobs to workers, keeps the results.
///
/// Without options it needs nothing but PostgreSQL's programs on this machine: it starts a
/// private server of its own and keeps everything under ./selffer-data.
#[derive(Parser, Clone, Debug)]
#[command(name = "coordinatord", version)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Folder of the token, the private PostgreSQL and, unless --store says otherwise, the chunk store.
    #[arg(long, global = true, env = "SELFFER_DATA_DIR", default_value = DATA_DIR_DEFAULT, value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// Address for workers and jobctl (gRPC); port 0 takes a free one.
    #[arg(long, env = "SELFFER_LISTEN", default_value = "127.0.0.1:7070", value_name = "ADDRESS:PORT")]
    pub(crate) listen: SocketAddr,

    /// Address of the dashboard (HTTP), which asks for no token: always one of this machine's
    /// loopback addresses; port 0 takes a free one. From elsewhere, use an SSH tunnel.
    #[arg(long, env = "SELFFER_HTTP_LISTEN", default_value = "127.0.0.1:7071", value_name = "ADDRESS:PORT")]
    pub(crate) http_listen: SocketAddr,

    /// Let --listen be an address that other machines reach, without TLS: token and data cross
    /// the network in the clear. The dashboard stays on this machine.
    #[arg(long)]
    pub(crate) insecure: bool,

    /// File with the token to ask for, instead of the data folder's own.
    ///
    /// Coordinators of one fleet have the same.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,

    /// Use this PostgreSQL instead of a private one. Several coordinators may use it at once, if
    /// they share the chunk store (--store) and the token (--token-file).
    #[arg(long, global = true, env = "SELFFER_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// Folder of PostgreSQL's server programs, for the private server.
    #[arg(long, global = true, env = "SELFFER_PG_BIN", value_name = "DIR")]
    pub(crate) pg_bin: Option<PathBuf>,

    /// How log lines look on stderr; RUST_LOG filters them.
    #[arg(long, env = "SELFFER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub(crate) log_format: LogFormat,

    #[command(flatten)]
    pub(crate) chunks: ChunkArgs,

    #[command(flatten)]
    pub(crate) timing: Timing,
}

/// What to do other than serve.
#[derive(Subcommand, Clone, Copy, Debug)]
pub(crate) enum Command {
    /// Look whether everything stored is sound, change nothing, and end.
    ///
    /// Checks what must always hold of the database's rows, and that every byte of every
    /// published checkpoint and import is there. Also beside a coordinator that is running.
    /// Ends with 0 if all is well and with 1 if not.
    Check,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// How patient the coordinator is with its workers.
#[derive(clap::Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Timing")]
pub(crate) struct Timing {
    /// How often a worker says that it lives.
    #[arg(long, default_value = seconds(HEARTBEAT_INTERVAL_S), value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) heartbeat_interval: Duration,

    /// Silence after which a worker's jobs are suspect; at least four heartbeats.
    #[arg(long, default_value = seconds(SESSION_TTL_S), value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) session_ttl: Duration,

    /// Silence after which a worker's jobs are given to others.
    #[arg(long, default_value = seconds(LOST_AFTER_S), value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) lost_after: Duration,

    /// Time within which a worker must confirm a job that it was handed.
    #[arg(long, default_value = seconds(CONFIRM_WITHIN_S), value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) confirm_within: Duration,

    /// Time that a worker has for a last checkpoint of a job that was cancelled.
    #[arg(long, default_value = seconds(CANCEL_WITHIN_S), value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) cancel_within: Duration,

    /// How long bytes of checkpoints that nobody needs any more stay on disk.
    #[arg(long, default_value = seconds(DROPPED_KEPT_S), value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) keep_dropped: Duration,
}

fn seconds(count: u64) -> String {
    format!("{count}s")
}

impl Config {
    /// Checks what one option alone cannot.
    pub(crate) fn check(&self) -> Result<()> {
        let timing = &self.timing;
        if timing.heartbeat_interval < Duration::from_millis(50) {
            bail!("--heartbeat-interval is {:?}; the shortest is 50ms", timing.heartbeat_interval);
        }
        if timing.session_ttl < timing.heartbeat_interval * 4 {
            bail!(
                "--session-ttl {:?} is shorter than four heartbeats of {:?}: one lost heartbeat would cost a lease",
                timing.session_ttl,
                timing.heartbeat_interval
            );
        }
        if timing.lost_after < timing.session_ttl {
            bail!(
                "--lost-after {:?} is shorter than --session-ttl {:?}",
                timing.lost_after,
                timing.session_ttl
            );
        }
        if timing.confirm_within < timing.heartbeat_interval {
            bail!("--confirm-within {:?} is shorter than one heartbeat", timing.confirm_within);
        }
        if timing.cancel_within < timing.heartbeat_interval * 2 {
            bail!(
                "--cancel-within {:?} is shorter than two heartbeats of {:?}: workers would not hear of it in time",
                timing.cancel_within,
                timing.heartbeat_interval
            );
        }
        self.check_addresses()
    }

    fn check_addresses(&self) -> Result<()> {
        if !self.http_listen.ip().is_loopback() {
            bail!(
                "--http-listen {} can be reached from other machines, and the dashboard asks nobody \
                 for a token yet: use a loopback address, and an SSH tunnel from elsewhere",
                self.http_listen
            );
        }
        if !self.listen.ip().is_loopback() && !self.insecure {
            bail!(
                "--listen {} can be reached from other machines, and there is no TLS yet: \
                 use a loopback address, or --insecure if the network between is yours",
                self.listen
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str]) -> Result<()> {
        let line = ["coordinatord"].iter().chain(arguments);
        Config::try_parse_from(line).unwrap().check()
    }

    #[test]
    fn the_defaults_hold_together() {
        check(&[]).unwrap();
    }

    #[test]
    fn an_address_that_others_reach_needs_insecure() {
        let error = check(&["--listen", "0.0.0.0:7070"]).unwrap_err().to_string();
        assert!(error.starts_with("--listen 0.0.0.0:7070 can be reached from other machines"), "{error}");

        check(&["--listen", "0.0.0.0:7070", "--insecure"]).unwrap();
        check(&["--listen", "[::1]:7070"]).unwrap();
    }

    #[test]
    fn the_dashboard_stays_on_this_machine_even_if_insecure() {
        let error = check(&["--http-listen", "[::]:7071", "--insecure"]).unwrap_err().to_string();
        assert!(error.starts_with("--http-listen [::]:7071 can be reached from other machines"), "{error}");

        check(&["--http-listen", "[::1]:7071"]).unwrap();
    }

    #[test]
    fn a_lost_heartbeat_must_not_cost_a_lease() {
        assert!(check(&["--heartbeat-interval", "1s", "--session-ttl", "3s"]).is_err());
        check(&["--heartbeat-interval", "500ms", "--session-ttl", "3s", "--lost-after", "5s"]).unwrap();
        assert!(check(&["--lost-after", "10s"]).is_err());
    }
}
