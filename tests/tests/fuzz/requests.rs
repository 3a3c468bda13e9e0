//! Hostile HTTP requests.

use std::cell::Cell;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Method, Request, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use proptest::sample::select;

use video_core::TranscoderKind;
use video_tests::TestSystem;

use super::response::{check_response, send};
use super::text::{encoded, json, path, query, text};
use super::{check, runtime, variables};

const SHORT: u32 = 5_000;
const LONG: u32 = 1_000_000;

#[test]
fn five_thousand_hostile_requests_get_valid_responses() {
    hostile_requests(SHORT);
}

#[test]
#[ignore = "long form: make torture"]
fn a_million_hostile_requests_get_valid_responses() {
    hostile_requests(LONG);
}

#[derive(Debug, Clone)]
struct Hostile {
    method: String,
    path: String,
    query: Option<String>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

fn hostile_requests(cases: u32) {
    let runtime = runtime();
    let system = runtime.block_on(TestSystem::start_without_events(TranscoderKind::MediaConvert));
    let s3 = runtime.block_on(variables()).with("AWS_ENDPOINT_URL_S3", &*system.at.s3);
    let s3 = s3.with("AWS_SECRET_ACCESS_KEY", system.at.secret_access_key);
    let s3 = s3.with("MEDIA_BUCKET_NAME", system.at.media_bucket).with("OUTPUT_BUCKET_NAME", system.at.output_bucket);
    let api = s3.with("UPLOAD_LINK_SECRET", "the-upload-links-of-the-fuzz-tests").api();
    let (forms, lists, others) = (Cell::new(0), Cell::new(0), Cell::new(0));
    check(cases, &hostile(), |hostile| {
        let Some(request) = hostile.request() else {
            return Ok(());
        };
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let response = runtime.block_on(send(&api, request));
        check_response(&method, &response)?;
        let counter = match response.status.as_u16() {
            200 if path.starts_with("/presignedurl") => &forms,
            200 if path.starts_with("/videos") => &lists,
            _ => &others,
        };
        counter.set(counter.get() + 1);
        Ok(())
    });
    println!("{} forms, {} lists, {} other responses", forms.get(), lists.get(), others.get());
    assert!(forms.get() > cases / 100 && lists.get() > cases / 1000, "too few requests get past validation");
}

impl Hostile {
    /// Builds the request; percent-encodes what is not valid in a URI, which would never reach a server.
    fn request(&self) -> Option<Request<Body>> {
        let target = |path: &str| match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let uri: Uri = target(&self.path).parse().or_else(|_| encoded(&target(&self.path)).parse()).ok()?;
        let mut request = Request::builder().uri(uri).method(Method::from_bytes(self.method.as_bytes()).ok()?);
        if self.body.starts_with(b"{") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            if let Some((name, value)) = name.zip(HeaderValue::from_bytes(value).ok()) {
                request = request.header(name, value);
            }
        }
        request.body(Body::from(self.body.clone())).ok()
    }
}

/// Methods other than GET.
const METHODS: [&str; 8] = ["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"];

fn hostile() -> impl Strategy<Value = Hostile> {
    let method = prop_oneof![
        6 => Just("GET".to_owned()),
        3 => select(&METHODS[..]).prop_map(str::to_owned),
        1 => "[A-Za-z!#$%&'*+.^_`|~0-9-]{1,12}",
    ];
    let headers = prop::collection::vec(header(), 0..5);
    let body = prop_oneof![7 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 0..300), 2 => json()];
    (method, path(), prop::option::weighted(0.8, query()), headers, body)
        .prop_map(|(method, path, query, headers, body)| Hostile { method, path, query, headers, body })
}

/// Headers that servers and proxies interpret.
const HEADERS: [&str; 19] = [
    "host",
    "origin",
    "content-type",
    "content-length",
    "transfer-encoding",
    "accept",
    "accept-encoding",
    "cookie",
    "range",
    "expect",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-for",
    "x-http-method-override",
    "access-control-request-method",
    "access-control-request-headers",
    "if-none-match",
    "te",
    "upgrade",
];

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        4 => Just("authorization".to_owned()),
        4 => select(&HEADERS[..]).prop_map(str::to_owned),
        1 => "[a-zA-Z!#$%&'*+.^_`|~0-9-]{1,20}",
    ];
    let basic = |login: &str| format!("Basic {}", BASE64_STANDARD.encode(login)).into_bytes();
    let value = prop_oneof![
        4 => Just(basic("admin:local")),
        1 => text().prop_map(move |login| basic(&login)),
        1 => text().prop_map(|text| format!("Basic {text}").into_bytes()),
        2 => prop::collection::vec(any::<u8>(), 0..40),
        2 => text().prop_map(String::into_bytes),
    ];
    (name, value)
}
