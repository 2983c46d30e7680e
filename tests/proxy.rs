//! A TCP proxy that disturbs what goes through it: cut off, one way only, delayed, throttled,
//! hung up after some bytes.
//!
//! It knows nothing of what it carries. What it does can be changed at any time and holds for
//! connections that are open and for those that come; a change is obeyed with the next bytes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    runtime::Runtime,
    sync::watch,
};

use crate::wait;

/// Bytes that are carried at a time.
const PIECE_BYTES: usize = 16 << 10;

/// What the proxy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing: it carries.
    None,
    /// Nothing gets through, and nobody is told: packets are dropped. What came meanwhile is
    /// never delivered: its connections are cut when the fault ends.
    Partition,
    /// Requests arrive, answers are dropped; the same.
    AnswersLost,
    /// Each piece waits for so long, in each direction.
    Delay(Duration),
    /// So many bytes a second, in each direction.
    Throttle(u64),
    /// Connections are closed as soon as so many bytes have gone to the server through them.
    HangUpAfter(u64),
    /// Connections are refused, and open ones closed.
    Refuse,
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    // Dropped with everything that runs in it.
    _runtime: Runtime,
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    bytes_to_server: AtomicU64,
}

/// Which way bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToServer,
    ToClient,
}

impl Proxy {
    /// A proxy in front of `server`, on a port of its own.
    ///
    /// # Panics
    /// When the machine has no port or no thread.
    #[must_use]
    pub fn start(server: SocketAddr) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a thread");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket of ours");
        let address = listener.local_addr().expect("a bound listener has an address");
        let listener = {
            let _within = runtime.enter();
            TcpListener::from_std(listener).expect("a socket of ours")
        };
        let (fault, seen) = watch::channel(Fault::None);
        let counts = Arc::new(Counts::default());
        runtime.spawn(accept(listener, server, seen, Arc::clone(&counts)));
        Self { _runtime: runtime, address, fault, counts }
    }

    /// Where to connect instead.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it does this.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// Connections that were ever made through it.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(Ordering::Relaxed)
    }

    /// Bytes that ever went to the server.
    #[must_use]
    pub fn bytes_to_server(&self) -> u64 {
        self.counts.bytes_to_server.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    server: SocketAddr,
    fault: watch::Receiver<Fault>,
    counts: Arc<Counts>,
) {
    while let Ok((client, _)) = listener.accept().await {
        counts.connections.fetch_add(1, Ordering::Relaxed);
        if *fault.borrow() == Fault::Refuse {
            continue;
        }
        tokio::spawn(carry(client, server, fault.clone(), Arc::clone(&counts)));
    }
}

async fn carry(client: TcpStream, server: SocketAddr, fault: watch::Receiver<Fault>, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    // Whichever way ends first, the connection is over: both halves are dropped.
    tokio::select! {
        () = pass(Way::ToServer, from_client, to_server, fault.clone(), &counts) => {}
        () = pass(Way::ToClient, from_server, to_client, fault, &counts) => {}
    }
}

async fn pass(
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut fault: watch::Receiver<Fault>,
    counts: &Counts,
) {
    let mut piece = vec![0; PIECE_BYTES];
    let mut passed = 0_u64;
    loop {
        let read = tokio::select! {
            read = from.read(&mut piece) => read,
            changed = fault.changed() => match (changed, *fault.borrow_and_update()) {
                (Err(_), _) | (_, Fault::Refuse) => return,
                _ => continue,
            },
        };
        let Ok(bytes @ 1..) = read else { return };
        let now = *fault.borrow_and_update();
        match now {
            Fault::Refuse => return,
            Fault::Partition => return until_other(now, &mut fault).await,
            Fault::AnswersLost if way == Way::ToClient => return until_other(now, &mut fault).await,
            Fault::None | Fault::AnswersLost | Fault::HangUpAfter(_) => {}
            Fault::Delay(delay) => wait::later(delay).await,
            Fault::Throttle(bytes_per_s) => {
                let wait = Duration::from_secs_f64(bytes as f64 / bytes_per_s as f64);
                wait::later(wait).await;
            }
        }
        let bytes = match now {
            Fault::HangUpAfter(most) if way == Way::ToServer => bytes.min((most - most.min(passed)) as usize),
            _ => bytes,
        };
        if to.write_all(&piece[..bytes]).await.is_err() {
            return;
        }
        passed += bytes as u64;
        if way == Way::ToServer {
            counts.bytes_to_server.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        if matches!(now, Fault::HangUpAfter(most) if way == Way::ToServer && passed >= most) {
            return;
        }
    }
}

/// What was lost cannot be made up for within this connection: it ends with the fault.
async fn until_other(fault: Fault, seen: &mut watch::Receiver<Fault>) {
    let _ = seen.wait_for(|now| *now != fault).await;
}
