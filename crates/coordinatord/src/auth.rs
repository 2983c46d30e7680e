//! Who calls: one layer in front of every gRPC method, which denies unless it knows.
//!
//! A call without the data folder's token reaches no handler, whatever method it names.
//! Handlers get the [`Principal`] from their request, so that what they log and store can
//! name it; there is one role so far, whoever holds the token.

use std::{
    fmt,
    task::{Context, Poll},
};

use futures_util::future::{Either, Ready, ready};
use selffer_proto::client::{AUTHORIZATION, Token};
use subtle::ConstantTimeEq;
use tonic::{Request, Status, body::Body, codegen::http};
use tower::{Layer, Service};

/// Who makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Principal {
    /// Holds the token of the data folder: the user who started the coordinator.
    Owner,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Owner => "owner",
        })
    }
}

/// The principal of this request.
///
/// # Errors
/// `UNAUTHENTICATED`, if the request came past [`AuthLayer`].
pub(crate) fn principal<T>(request: &Request<T>) -> Result<Principal, Status> {
    request.extensions().get().copied().ok_or_else(|| Status::unauthenticated("the caller is unknown"))
}

/// Puts [`Auth`] in front of a service.
#[derive(Clone, Debug)]
pub(crate) struct AuthLayer {
    token: Token,
}

impl AuthLayer {
    /// Lets those pass who show this token.
    pub(crate) fn new(token: Token) -> Self {
        Self { token }
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = Auth<S>;

    fn layer(&self, inner: S) -> Auth<S> {
        Auth { inner, token: self.token.clone() }
    }
}

/// A service that only those reach who show the token.
#[derive(Clone, Debug)]
pub(crate) struct Auth<S> {
    inner: S,
    token: Token,
}

impl<S, B> Service<http::Request<B>> for Auth<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>>,
{
    type Response = http::Response<Body>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Self::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        match authenticate(&self.token, request.headers()) {
            Ok(principal) => {
                request.extensions_mut().insert(principal);
                Either::Left(self.inner.call(request))
            }
            Err(status) => Either::Right(ready(Ok(status.into_http()))),
        }
    }
}

fn authenticate(token: &Token, headers: &http::HeaderMap) -> Result<Principal, Status> {
    let Some(header) = headers.get(AUTHORIZATION) else {
        return Err(Status::unauthenticated("this call carries no token"));
    };
    let given = header.as_bytes().strip_prefix(b"Bearer ").unwrap_or_default();
    // Constant time: how much of a guess was right must not show.
    if bool::from(given.ct_eq(token.expose().as_bytes())) {
        Ok(Principal::Owner)
    } else {
        Err(Status::unauthenticated("this call carries another coordinator's token, or none that is known"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_opens() {
        let secret = "5a".repeat(32);
        let token = Token::parse(&secret).unwrap();
        let with = |header: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert(AUTHORIZATION, header.parse().unwrap());
            authenticate(&token, &headers)
        };

        assert_eq!(with(&format!("Bearer {secret}")).unwrap(), Principal::Owner);
        for wrong in
            ["", "Bearer ", &secret, "Bearer 5a", &format!("bearer {secret}"), &format!("Bearer {secret}0")]
        {
            assert!(with(wrong).is_err(), "{wrong:?} passed");
        }
        assert!(authenticate(&token, &http::HeaderMap::new()).is_err());
    }
}
