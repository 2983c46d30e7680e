//! The store: connections to PostgreSQL, and its tables brought up to date.
//!
//! Two pools, so that heartbeats and metrics go on when everything else is busy. Every
//! connection bounds its statements, its waits for locks and its idle transactions, so that
//! no mishap can hold rows for ever. Each subject's file adds its methods to [`Store`].

use std::{cmp::Ordering, str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use selffer_core::retry::RetryPolicy;
use sqlx::{
    Connection, PgPool,
    migrate::MigrateError,
    postgres::{PgConnectOptions, PgConnection, PgPoolOptions},
};

use crate::{StoreError, Term, fitness};

/// What every connection says first.
const SETTINGS: [(&str, &str); 8] = [
    ("statement_timeout", "15s"),
    ("lock_timeout", "3s"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("synchronous_commit", "on"),
    ("timezone", "UTC"),
    // Every statement of ours has its index. Planning one takes longer than running it, so it is
    // planned once for a connection, and not by what tables were like at that moment.
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("jit", "off"),
];
/// How long a call waits for a free connection.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(5);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations");

/// How the store uses its database.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// Connections for everything but heartbeats.
    pub connections_max: u32,
    /// Connections for heartbeats and metrics.
    pub heartbeat_connections_max: u32,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { connections_max: 12, heartbeat_connections_max: 4 }
    }
}

/// Everything that is kept. Cheap to clone: clones share the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) main: PgPool,
    pub(crate) heartbeats: PgPool,
    /// Of one connection, for those who listen: it is theirs for as long.
    pub(crate) listeners: PgPool,
    pub(crate) policy: RetryPolicy,
    /// Bounds what a leader's transactions may do; see [`Store::under`].
    pub(crate) term: Option<Term>,
}

impl Store {
    /// Reads a database URL, `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    ///
    /// # Errors
    /// It is none.
    pub fn parse_url(url: &str) -> Result<PgConnectOptions, StoreError> {
        Ok(PgConnectOptions::from_str(url)?)
    }

    /// Connects, and brings the tables up to date. Several programs may do so at once.
    ///
    /// # Errors
    /// The database does not answer, or a newer program has changed its tables.
    pub async fn connect(database: PgConnectOptions, options: &StoreOptions) -> Result<Self, StoreError> {
        migrate(&database).await?;
        let database = database.options(SETTINGS);
        let pool = |connections_max: u32, name: &str| {
            PgPoolOptions::new()
                .max_connections(connections_max)
                .acquire_timeout(ACQUIRE_WITHIN)
                .test_before_acquire(false)
                .before_acquire(|connection, used| Box::pin(fitness::is_fit(connection, used.idle_for)))
                .connect_lazy_with(database.clone().application_name(name))
        };
        let store = Self {
            main: pool(options.connections_max, "selffer"),
            heartbeats: pool(options.heartbeat_connections_max, "selffer heartbeats"),
            listeners: pool(1, "selffer notices"),
            policy: RetryPolicy::DEFAULT,
            term: None,
        };
        store.ping().await?;
        Ok(store)
    }

    /// Connects only to look: nothing is written, not even missing tables, and no statement
    /// could.
    ///
    /// # Errors
    /// The database does not answer, or its tables are not as this program makes them.
    pub async fn look(database: PgConnectOptions) -> Result<Self, StoreError> {
        let mut connection = PgConnection::connect_with(&database).await?;
        // Not a checked query: sqlx makes this table itself, when it migrates.
        let version = sqlx::query_scalar::<_, Option<i64>>("SELECT MAX(version) FROM _sqlx_migrations");
        let found = version.fetch_one(&mut connection).await?.unwrap_or_default();
        connection.close().await?;
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default();
        match found.cmp(&known) {
            Ordering::Less => return Err(StoreError::SchemaOlder { version: found }),
            Ordering::Greater => return Err(StoreError::SchemaNewer { version: found }),
            Ordering::Equal => {}
        }
        let read_only = database.options(SETTINGS).options([("default_transaction_read_only", "on")]);
        let main = PgPoolOptions::new()
            .max_connections(2)
            .acquire_timeout(ACQUIRE_WITHIN)
            .connect_lazy_with(read_only.application_name("selffer check"));
        // Who only looks sends no heartbeats.
        let (heartbeats, listeners) = (main.clone(), main.clone());
        Ok(Self { main, heartbeats, listeners, policy: RetryPolicy::DEFAULT, term: None })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// It does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.now().await.map(drop)
    }

    /// The database's clock, the only one that decides anything.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn now(&self) -> Result<DateTime<Utc>, StoreError> {
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#).fetch_one(&self.main).await?;
        Ok(now)
    }

    /// Transactions in the database that have done nothing for a second: somebody began and
    /// forgot them. There should be none.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn transactions_left_open(&self) -> Result<u32, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT COUNT(*) AS "count!"
               FROM pg_stat_activity
               WHERE datname = current_database()
                 AND state LIKE 'idle in transaction%'
                 AND state_change < clock_timestamp() - INTERVAL '1 second'"#
        );
        Ok(count.fetch_one(&self.main).await? as u32)
    }

    /// Connections of programs to the database, whoever's they are.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn connections(&self) -> Result<u32, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT COUNT(*) AS "count!"
               FROM pg_stat_activity
               WHERE datname = current_database()
                 AND backend_type = 'client backend'"#
        );
        Ok(count.fetch_one(&self.main).await? as u32)
    }

    /// Closes all connections, after the calls under way.
    pub async fn close(&self) {
        self.listeners.close().await;
        self.heartbeats.close().await;
        self.main.close().await;
    }
}

// On a connection of its own, without the timeouts: a migration may take its time, and a
// second program waits for the first on an advisory lock.
async fn migrate(database: &PgConnectOptions) -> Result<(), StoreError> {
    // Otherwise each start logs that the table of migrations exists already.
    let quiet = database.clone().options([("client_min_messages", "warning")]);
    let mut connection = PgConnection::connect_with(&quiet).await?;
    let migrated = MIGRATIONS.run(&mut connection).await;
    connection.close().await?;
    migrated.map_err(|error| match error {
        MigrateError::VersionMissing(version) => StoreError::SchemaNewer { version },
        error => StoreError::Migrate(error),
    })
}
