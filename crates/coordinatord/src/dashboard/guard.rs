//! In front of every page: who may ask, and what browsers must not do with the answer.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// Nothing but our own style sheet: no script, no image, no frame, no form.
const CONTENT_SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Lets readers through and adds the headers that every answer carries.
pub(super) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        (StatusCode::METHOD_NOT_ALLOWED, "the dashboard only shows; use jobctl to act\n").into_response()
    } else if is_meant_for_us(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "this host name is not the coordinator's\n").into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Only loopback names are ours: another site's name that resolves to
/// this machine is that site's script, asking through the user's browser.
fn is_meant_for_us(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sites_name_for_this_machine_is_refused() {
        let asked_as = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().unwrap());
            is_meant_for_us(&headers)
        };

        for ours in ["localhost", "localhost:7071", "127.0.0.1:7071", "[::1]:7071", "127.0.0.1"] {
            assert!(asked_as(ours), "{ours}");
        }
        for other in ["evil.example", "evil.example:7071", "localhost.evil.example", "10.0.0.1:7071"] {
            assert!(!asked_as(other), "{other}");
        }
        assert!(!is_meant_for_us(&HeaderMap::new()));
    }
}
