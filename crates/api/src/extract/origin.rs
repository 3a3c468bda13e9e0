//! Who made a browser send a request. A browser that remembers the admin's login sends it with the requests of any
//! page, so what changes something is refused when a page of another origin is behind it.

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Uri};

const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// An extension of requests whose origin was checked before, by the local system.
#[derive(Debug, Clone, Copy)]
pub struct CheckedOrigin;

/// Returns whether a page of another origin than the API's own and the allowed one is behind a request. Clients that
/// are no browsers send neither header; older browsers send `Origin` alone.
pub fn is_foreign(parts: &Parts, allowed: Option<&HeaderValue>) -> bool {
    let origin = parts.headers.get(ORIGIN);
    if parts.extensions.get::<CheckedOrigin>().is_some() || (origin.is_some() && origin == allowed) {
        return false;
    }
    match parts.headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes) {
        Some(site) => site != b"same-origin" && site != b"none",
        None => origin.is_some_and(|origin| !is_own(origin, &parts.headers)),
    }
}

fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    origin.as_ref().and_then(Uri::authority).zip(host).is_some_and(|(own, host)| own.as_str() == host)
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    const ALLOWED: HeaderValue = HeaderValue::from_static("https://www.example.com");

    fn foreign(headers: &[(&'static str, &str)]) -> bool {
        let mut request = Request::builder().header("host", "api.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        is_foreign(&request.body(()).unwrap().into_parts().0, Some(&ALLOWED))
    }

    #[test]
    fn the_own_page_the_address_bar_the_allowed_page_and_programs_are_not_foreign() {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-origin"), ("origin", "https://api.example.com")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://www.example.com")],
            &[("sec-fetch-site", "same-site"), ("origin", "https://www.example.com")],
            &[("origin", "https://api.example.com")],
            &[("origin", "https://www.example.com")],
        ] {
            assert!(!foreign(headers), "{headers:?}");
        }
    }

    #[test]
    fn every_other_page_is_foreign() {
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site"), ("origin", "https://other.example.com")],
            &[("sec-fetch-site", "cross-site"), ("origin", "https://api.example.com")],
            &[("sec-fetch-site", "")],
            &[("origin", "https://evil.example")],
            &[("origin", "https://api.example.com.evil.example")],
            &[("origin", "https://api.example.com:8443")],
            &[("origin", "null")],
            &[("origin", "")],
        ] {
            assert!(foreign(headers), "{headers:?}");
        }
    }

    #[test]
    fn an_origin_that_was_checked_before_is_not_checked_again() {
        let request = Request::builder().header("origin", "http://localhost:3000").extension(CheckedOrigin);
        assert!(!is_foreign(&request.body(()).unwrap().into_parts().0, None));
    }
}
