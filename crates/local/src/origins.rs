//! Who may send requests: programs and pages of this machine. A foreign web page in its browser may not, neither with
//! its own origin nor with a name that it let point to 127.0.0.1 (DNS rebinding).

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use video_api::CheckedOrigin;

/// The origin of a web page, as browsers write it: `https://example.com`, `http://example.com:8080` or `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

/// The text is no origin.
#[derive(Debug, thiserror::Error)]
#[error("an origin is like https://example.com, without a path, or null")]
pub struct InvalidOrigin;

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_origin = text == "null" || authority_of(text).is_some();
        if is_origin { Ok(Self(text.to_ascii_lowercase())) } else { Err(InvalidOrigin) }
    }
}

impl Origin {
    fn is_loopback(&self) -> bool {
        authority_of(&self.0).is_some_and(|authority| is_loopback(authority.host()))
    }
}

/// Adds the check to all routes of a port; `allowed` are the foreign origins that may send requests nevertheless.
pub fn refuse_foreign(router: Router, allowed: Arc<[Origin]>) -> Router {
    router.layer(from_fn_with_state(allowed, check))
}

async fn check(State(allowed): State<Arc<[Origin]>>, mut request: Request, next: Next) -> Response {
    if !names_this_machine(&request) {
        return (StatusCode::FORBIDDEN, "The Host header must name this machine: localhost or 127.0.0.1.\n")
            .into_response();
    }
    match request.headers().get(header::ORIGIN) {
        Some(origin) if !is_allowed(origin, &allowed) => {
            tracing::warn!(?origin, "refused a web page's request; --allow-origin allows it");
            let message = "Pages of this origin may not use video-local; --allow-origin allows it.\n";
            (StatusCode::FORBIDDEN, message).into_response()
        }
        origin => {
            // The API need not refuse what this has allowed.
            if origin.is_some() {
                request.extensions_mut().insert(CheckedOrigin);
            }
            next.run(request).await
        }
    }
}

fn names_this_machine(request: &Request) -> bool {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    let in_uri = request.uri().authority();
    host.is_some_and(|host| is_loopback(host.host())) && in_uri.is_none_or(|authority| is_loopback(authority.host()))
}

fn is_allowed(origin: &HeaderValue, allowed: &[Origin]) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Origin>().ok());
    origin.is_some_and(|origin| origin.is_loopback() || allowed.contains(&origin))
}

/// Returns host and port of an origin that has them.
fn authority_of(origin: &str) -> Option<Authority> {
    let uri: Uri = origin.parse().ok()?;
    let is_web = matches!(uri.scheme_str(), Some("http" | "https"));
    let authority = uri.authority()?.clone();
    // `Uri` gives every URL the path `/`; an origin has none.
    let has_only_authority = origin.ends_with(authority.as_str()) && !authority.as_str().contains('@');
    (is_web && has_only_authority && !authority.host().is_empty()).then_some(authority)
}

/// Returns whether browsers resolve a host to this machine without asking DNS.
fn is_loopback(host: &str) -> bool {
    let host = host.to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.ends_with(".localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[test]
    fn names_that_dns_could_answer_are_not_loopback() {
        for host in ["localhost", "LOCALHOST", "bucket.localhost", "127.0.0.1", "127.1.2.3", "[::1]"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "example.com", "localhost.example.com", "127.0.0.1.example.com", "notlocalhost", "10.0.0.1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_a_scheme_and_an_authority() {
        for origin in ["http://example.com", "https://example.com:8080", "http://[::1]:3000", "null"] {
            assert!(origin.parse::<Origin>().is_ok(), "{origin}");
        }
        for text in ["", "example.com", "ftp://example.com", "https://example.com/", "https://a@example.com", "*"] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn foreign_origins_must_be_on_the_list() {
        let listed = ["https://example.com".parse().unwrap()];
        let allowed = |origin: &'static str| is_allowed(&HeaderValue::from_static(origin), &listed);
        for origin in ["http://localhost:3000", "https://127.0.0.1", "https://example.com", "HTTPS://Example.com"] {
            assert!(allowed(origin), "{origin}");
        }
        for origin in ["http://example.com", "https://example.com:444", "https://evil.example.com", "null", ""] {
            assert!(!allowed(origin), "{origin}");
        }
    }
}
