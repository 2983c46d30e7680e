//! Several coordinators of one fleet: one connection that goes to the next address when it
//! breaks.
//!
//! Every call may be repeated, and callers do repeat what got no answer; so it is enough that
//! a new connection is made to whoever answers. Each begins with the address after the one
//! that the last went to: that one has just let us down.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};
use tonic::transport::Uri;

/// How long one coordinator may take to accept a connection.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where coordinators of one fleet listen, at least one.
#[derive(Clone, Debug)]
pub struct Addresses {
    places: Arc<[(String, u16)]>,
    next: Arc<AtomicUsize>,
}

/// Why a text names no coordinators.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{address:?} is not an address like {}", super::COORDINATOR_DEFAULT)]
pub struct AddressError {
    /// The part that is none.
    pub address: String,
}

impl Addresses {
    /// `HOST:PORT` or `http://HOST:PORT`, several with commas between them.
    ///
    /// # Errors
    /// One of them is none.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let places = text.split(',').map(|address| place(address.trim())).collect::<Result<_, _>>()?;
        Ok(Self { places, next: Arc::default() })
    }

    /// Connects to the first that answers.
    ///
    /// # Errors
    /// None does; what the last one's trouble was.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let first = self.next.load(Ordering::Relaxed);
        let mut trouble = io::Error::from(io::ErrorKind::NotConnected);
        for turn in 0..self.places.len() {
            let index = (first + turn) % self.places.len();
            let (host, port) = &self.places[index];
            match timeout(CONNECT_WITHIN, TcpStream::connect((host.as_str(), *port))).await {
                Ok(Ok(stream)) => {
                    self.next.store(index + 1, Ordering::Relaxed);
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => trouble = error,
                Err(_) => trouble = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(trouble)
    }

    pub(super) async fn connect_for_tonic(self) -> io::Result<TokioIo<TcpStream>> {
        Ok(TokioIo::new(self.connect().await?))
    }
}

fn place(address: &str) -> Result<(String, u16), AddressError> {
    let wrong = || AddressError { address: address.to_owned() };
    let with_scheme = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let uri: Uri = with_scheme.parse().map_err(|_| wrong())?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(wrong)?.trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_scheme() {
        let read = |text| Addresses::parse(text).map(|addresses| addresses.places.to_vec());

        let both = [("a".to_owned(), 1), ("::1".to_owned(), 80)];
        assert_eq!(read("http://a:1, [::1]").unwrap(), both);
        for wrong in ["", "a:1,", "http://", "a b"] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn a_new_connection_goes_to_the_next_that_answers() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let text = [&dead, &listener, &other].map(|listener| format!("127.0.0.1:{}", port(listener)));
        let addresses = Addresses::parse(&text.join(",")).unwrap();
        drop(dead);

        let mut reached = Vec::new();
        for _ in 0..3 {
            reached.push(addresses.connect().await.unwrap().peer_addr().unwrap().port());
        }

        assert_eq!(reached, [port(&listener), port(&other), port(&listener)]);
    }
}
