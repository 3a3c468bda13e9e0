//! Hostile input: generated HTTP requests, API Gateway events and event payloads; none may panic or be answered with a 5xx.
//!
//! A short run is part of `cargo test`; the long one is `cargo test --profile local -p video-tests --test fuzz -- --ignored`. Runs repeat:
//! the seed is fixed, and `FUZZ_SEED=<number>` chooses another one.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceExt;
use video_core::ids::ObjectKey;
use video_core::records::Table;
use video_tests::lambda::{Function, Outcome};
use video_tests::{TestSystem, Variables};

const SHORT_REQUESTS: u32 = 5_000;
const LONG_REQUESTS: u32 = 1_000_000;
const SHORT_EVENTS: u32 = 2_000;
const LONG_EVENTS: u32 = 100_000;

#[test]
fn five_thousand_hostile_requests_are_answered_properly() {
    hostile_requests(SHORT_REQUESTS);
}

#[test]
#[ignore = "the long form"]
fn a_million_hostile_requests_are_answered_properly() {
    hostile_requests(LONG_REQUESTS);
}

#[test]
fn two_thousand_mutated_gateway_events_are_answered_properly() {
    mutated_gateway_events(SHORT_EVENTS);
}

#[test]
#[ignore = "the long form"]
fn a_hundred_thousand_mutated_gateway_events_are_answered_properly() {
    mutated_gateway_events(LONG_EVENTS);
}

#[test]
fn two_thousand_mutated_payloads_are_handled_or_dropped() {
    mutated_payloads(SHORT_EVENTS);
}

#[test]
#[ignore = "the long form"]
fn a_hundred_thousand_mutated_payloads_are_handled_or_dropped() {
    mutated_payloads(LONG_EVENTS);
}

/// `lambda_http` unwraps the URL that it builds; API Gateway writes no such event, and if it did, only that one invocation would fail.
#[tokio::test]
async fn an_event_whose_host_is_none_fails_alone() {
    let system = TestSystem::start().await;
    let mut api = Function::start("video-api", &system.variables()).await;
    let good = gateway_event(0);
    let mut bad = good.clone();
    bad["headers"]["host"] = json!("no host");
    for _ in 0..2 {
        let Outcome::Error(_, message) = api.invoke(&bad).await else { panic!("there is no such host") };
        assert!(message.starts_with("Lambda panicked: ") && !message.contains("orkei"), "{message}");
        assert!(api.is_alive());
        assert!(matches!(api.invoke(&good).await, Outcome::Response(answer) if answer["statusCode"] == 200));
    }
}

// ---- The systems under test ----

/// A deployment with a table in memory and a transcoder that takes any job. Nothing else of AWS is there.
async fn variables() -> Variables {
    let dynamodb = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let transcoder = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let variables = Variables::without_aws()
        .with("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{}", dynamodb.local_addr().unwrap()))
        .with("AWS_ENDPOINT_URL_MEDIACONVERT", format!("http://{}", transcoder.local_addr().unwrap()));
    tokio::spawn(dynoxide::server::serve_on(dynamodb, dynoxide::Database::memory().unwrap()));
    tokio::spawn(async move { axum::serve(transcoder, Router::new().fallback(any_job)).await });
    Table::new(&variables.aws().sdk_config(), "responses").create().await.unwrap();
    variables
}

/// MediaConvert as far as an upload needs it: every job is taken, none is known afterwards.
async fn any_job(method: Method) -> (StatusCode, [(&'static str, &'static str); 2], &'static str) {
    let kind = |error| [("content-type", "application/json"), ("x-amzn-errortype", error)];
    match method {
        Method::POST => (StatusCode::CREATED, kind(""), r#"{"job":{"id":"1515368087458-qnoxtd"}}"#),
        _ => (StatusCode::NOT_FOUND, kind("NotFoundException"), r#"{"message":"no such job"}"#),
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Runs `test` on `cases` generated values and shrinks the first one that fails.
fn check<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let seed: u64 = std::env::var("FUZZ_SEED").map_or(4, |text| text.parse().expect("FUZZ_SEED is a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases, failure_persistence: None, max_shrink_iters: 2_000, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    if let Err(failure) = runner.run(strategy, test) {
        panic!("seed {seed}: {failure}");
    }
}

// ---- HTTP requests ----

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
    let api = runtime.block_on(variables()).api();
    let (forms, lists, errors) = (Cell::new(0), Cell::new(0), Cell::new(0));
    check(cases, &hostile(), |hostile| {
        let Some(request) = hostile.request() else {
            return Ok(());
        };
        let method = request.method().clone();
        let asked = request.uri().path().to_owned();
        let answer = runtime.block_on(answer(&api, request));
        judge(&method, &answer)?;
        let counted = match answer.status.as_u16() {
            200 if asked.starts_with("/presignedurl") => &forms,
            200 if asked.starts_with("/videos") => &lists,
            _ => &errors,
        };
        counted.set(counted.get() + 1);
        Ok(())
    });
    println!("{} forms, {} lists, {} other answers", forms.get(), lists.get(), errors.get());
    assert!(forms.get() > cases / 100 && lists.get() > cases / 1000, "the requests get nowhere");
}

impl Hostile {
    /// The request; what HTTP itself does not let through is percent-encoded, as a server would never see it otherwise.
    fn request(&self) -> Option<Request<Body>> {
        let target = |path: &str| match &self.query {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        let uri: Uri = target(&self.path).parse().or_else(|_| encoded(&target(&self.path)).parse()).ok()?;
        let mut request = Request::builder().uri(uri).method(Method::from_bytes(self.method.as_bytes()).ok()?);
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).ok();
            if let Some((name, value)) = name.zip(HeaderValue::from_bytes(value).ok()) {
                request = request.header(name, value);
            }
        }
        request.body(Body::from(self.body.clone())).ok()
    }
}

const TARGET: &percent_encoding::AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'?')
    .remove(b'&')
    .remove(b'=')
    .remove(b'%')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'+');

fn encoded(target: &str) -> String {
    percent_encode(target.as_bytes(), TARGET).to_string()
}

fn hostile() -> impl Strategy<Value = Hostile> {
    let method = prop_oneof![
        6 => Just("GET".to_owned()),
        3 => select(vec!["HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"]).prop_map(str::to_owned),
        1 => "[A-Za-z!#$%&'*+.^_`|~0-9-]{1,12}",
    ];
    let headers = prop::collection::vec(header(), 0..5);
    let body = prop_oneof![9 => Just(Vec::new()), 1 => prop::collection::vec(any::<u8>(), 0..300)];
    (method, path(), prop::option::weighted(0.8, query()), headers, body)
        .prop_map(|(method, path, query, headers, body)| Hostile { method, path, query, headers, body })
}

fn path() -> impl Strategy<Value = String> {
    let form = (project(), step()).prop_map(|(project, step)| format!("/presignedurl/{project}/{step}"));
    let retry = (project(), step()).prop_map(|(project, step)| format!("/videos/{project}/{step}/retry"));
    let known =
        select(vec!["/", "/hello", "/videos", "/videos/", "/upload", "/admin", "/openapi.yaml", "/presignedurl//0"]);
    let wild = prop::collection::vec(text(), 0..6).prop_map(|parts| format!("/{}", parts.join("/")));
    let slashes = select(vec!["", "/", "//", "%2f", "/.", "/..", ";a=b", "%00"]);
    let shape = prop_oneof![5 => form, 2 => retry, 3 => known.prop_map(str::to_owned), 2 => wild];
    (shape, prop_oneof![3 => Just(""), 1 => slashes]).prop_map(|(path, end)| format!("{path}{end}"))
}

fn project() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[A-Za-z0-9][A-Za-z0-9._-]{0,63}", 1 => Just("p".to_owned()), 2 => text()]
}

fn step() -> impl Strategy<Value = String> {
    prop_oneof![2 => any::<i8>().prop_map(|n| n.to_string()), 1 => any::<i128>().prop_map(|n| n.to_string()), 2 => text()]
}

fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        9 => select(vec!["mail", "mail", "mail", "type", "project", "step", "status", "limit", "cursor"]).prop_map(str::to_owned),
        1 => text(),
    ];
    let value = prop_oneof![
        6 => mail(),
        2 => text(),
        1 => select(vec![
            "video/webm", "video/mp4", "video/quicktime", "requested", "ready", "failed", "p", "0", "1", "1000", "1001",
            "eyJwIjoicC0wIiwibSI6ImFAYiIsImYiOiIifQ", "unknown/x", "",
        ]).prop_map(str::to_owned),
    ];
    let pairs = prop::collection::vec((name, value), 0..5);
    pairs.prop_map(|pairs| pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
}

/// Few good ones, so that the table stays small, and many that are nearly good.
fn mail() -> impl Strategy<Value = String> {
    let good = select(vec!["a@b", "Eduard@orkei.com", "x%2By@z.w", "%C3%A9@x.y", "%F0%9F%8E%AC@%F0%9F%8E%AC"]);
    let near = (text(), text()).prop_map(|(name, host)| format!("{name}@{host}"));
    prop_oneof![6 => good.prop_map(str::to_owned), 1 => near]
}

/// A piece of text that somebody might send to see what breaks.
fn text() -> impl Strategy<Value = String> {
    let known = select(vec![
        "..",
        "../..",
        "..%2f..%2f",
        "%00",
        "%0d%0aSet-Cookie:a=b",
        "%0d%0a%0d%0a<script>",
        "\r\nX-Injected: 1",
        "%ff%fe",
        "%",
        "%zz",
        "%u0041",
        "<script>alert(1)</script>",
        "'; DROP TABLE responses; --",
        "{\"$ne\":null}",
        "${jndi:ldap://x}",
        "{{7*7}}",
        "a b",
        "\u{202e}moc.elpmaxe",
        "\u{feff}",
        "\u{0}",
        "\u{fffd}",
        "e\u{301}",
        "🎬",
        "-0",
        "+7",
        "1e9",
        "0x10",
        "NaN",
        "9223372036854775808",
        "-9223372036854775808",
        "true",
        "null",
        "[]",
        "?",
        "#",
        "&",
        "=",
        ";",
        ":",
        "@",
        "\"",
        "\\",
        "|",
        ">; rel=\"prev\"",
        "unknown/",
        "*",
        "$default",
        "con",
        "nul",
        ".",
        "_",
        "-",
    ]);
    prop_oneof![
        6 => known.prop_map(str::to_owned),
        2 => any::<String>(),
        2 => prop::collection::vec(any::<u8>(), 0..24).prop_map(|bytes| percent_encode(&bytes, NON_ALPHANUMERIC).to_string()),
        1 => ("[a%é+@/.]", 1usize..3_000).prop_map(|(unit, count)| unit.repeat(count)),
    ]
}

fn header() -> impl Strategy<Value = (String, Vec<u8>)> {
    let name = prop_oneof![
        4 => Just("authorization".to_owned()),
        4 => select(vec![
            "host", "origin", "content-type", "content-length", "transfer-encoding", "accept", "accept-encoding", "cookie", "range", "expect",
            "x-forwarded-proto", "x-forwarded-host", "x-forwarded-for", "x-http-method-override", "access-control-request-method",
            "access-control-request-headers", "if-none-match", "te", "upgrade",
        ]).prop_map(str::to_owned),
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

// ---- Answers ----

#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: Vec<(String, String)>,
    body: Bytes,
}

async fn answer<B>(api: &Router, request: Request<B>) -> Answer
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let response: Response<Body> = api.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap_or_else(|_| panic!("{name} is not visible ASCII: {value:?}"));
        (name.to_string(), value.to_owned())
    });
    let headers = headers.collect();
    Answer { status: parts.status, headers, body: to_bytes(body, usize::MAX).await.unwrap() }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Every header that the API ever sends; what is not here was injected.
const HEADERS: [&str; 17] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "link",
    "permissions-policy",
    "referrer-policy",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];

/// What holds for every answer to every request, while nothing of AWS is away.
fn judge(method: &Method, answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(answer.status.as_u16() < 500, "{answer:?}");
    for (name, _) in &answer.headers {
        prop_assert!(HEADERS.contains(&name.as_str()), "{name} is none of ours: {answer:?}");
    }
    prop_assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    prop_assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    let has_method_wrong = answer.status == StatusCode::METHOD_NOT_ALLOWED;
    prop_assert!(answer.header("allow").is_some() == has_method_wrong || method == Method::OPTIONS, "{answer:?}");
    prop_assert_eq!(answer.header("www-authenticate").is_some(), answer.status == StatusCode::UNAUTHORIZED);
    if let Some(link) = answer.header("link") {
        let inside = link.strip_prefix("</").and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        prop_assert!(inside.is_some_and(|url| !url.contains(['<', '>', '"', ' ', ','])), "{link}");
    }
    if method == Method::HEAD {
        prop_assert!(answer.body.is_empty());
        return Ok(());
    }
    if answer.status.is_client_error() {
        return judge_error(answer);
    }
    if answer.header("content-type") == Some("application/json") {
        let body: Value =
            serde_json::from_slice(&answer.body).map_err(|error| TestCaseError::fail(error.to_string()))?;
        if let Some(fields) = body.get("fields") {
            judge_form(fields)?;
        }
    }
    Ok(())
}

fn judge_error(answer: &Answer) -> Result<(), TestCaseError> {
    let code = match answer.status.as_u16() {
        400 => "BadRequestError",
        401 => "UnauthorizedError",
        404 => "NotFoundError",
        405 => "MethodNotAllowedError",
        409 => "ConflictError",
        _ => return Err(TestCaseError::fail(format!("no status of the contract: {answer:?}"))),
    };
    prop_assert_eq!(answer.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    prop_assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{:?}", answer);
    prop_assert_eq!(&body["Code"], code);
    let message = body["Message"].as_str().unwrap_or_default();
    prop_assert!(!message.is_empty() && message.is_ascii() && message.len() < 200, "{message}");
    Ok(())
}

/// A form's key has its own small alphabet, says what the policy says, and is one that an event is matched to.
fn judge_form(fields: &Value) -> Result<(), TestCaseError> {
    let key = fields["key"].as_str().unwrap_or_default();
    let parts: Vec<&str> = key.split('/').collect();
    let [project, step, file] = parts[..] else {
        return Err(TestCaseError::fail(format!("{key} has not three parts")));
    };
    let in_project = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    prop_assert!(project.starts_with(|c: char| c.is_ascii_alphanumeric()) && project.len() <= 64, "{key}");
    prop_assert!(project.chars().all(in_project), "{key}");
    prop_assert!(step.parse::<i64>().is_ok_and(|number| number.to_string() == step), "{key}");
    let (hash, extension) = file.split_once('.').unwrap_or_default();
    prop_assert!(hash.len() == 20 && hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{key}");
    let content_type = match extension {
        "webm" => "video/webm",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        _ => return Err(TestCaseError::fail(format!("{key} has no extension of ours"))),
    };
    prop_assert_eq!(&fields["Content-Type"], content_type);
    let object = ObjectKey::from_event(key).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(object.as_str(), key, "the key of the event is the key of the form");
    prop_assert!(object.upload_prefix().is_some() && object.is_video(), "{key}");

    let policy = BASE64_STANDARD.decode(fields["policy"].as_str().unwrap_or_default()).unwrap_or_default();
    let policy: Value = serde_json::from_slice(&policy).unwrap_or_default();
    let conditions = policy["conditions"].as_array().cloned().unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        if name != "policy" && name != "x-amz-signature" {
            prop_assert!(conditions.contains(&json!({ name: value })), "{name} has no condition: {policy}");
        }
    }
    Ok(())
}

// ---- JSON, broken in every way ----

#[derive(Debug, Clone)]
struct Mutation {
    at: Index,
    change: Change,
}

#[derive(Debug, Clone)]
enum Change {
    Put(Value),
    Remove,
    Repeat,
}

fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let change = prop_oneof![
        6 => value().prop_map(Change::Put),
        2 => Just(Change::Remove),
        1 => Just(Change::Repeat),
    ];
    prop::collection::vec((any::<Index>(), change).prop_map(|(at, change)| Mutation { at, change }), 0..4)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        8 => text().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => any::<bool>().prop_map(Value::from),
        1 => Just(Value::Null),
        1 => select(vec![
            "ObjectCreated:Put", "s3:ObjectCreated:Copy", "x/y/z.mp4", "%E2%98%83+%2B.MOV", "0055AED6DCD90281E5", "FF", "COMPLETED", "ERROR",
            "PROGRESSING", "WARNING", "CANCELED", "STATUS_UPDATE", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z",
            "+262143-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2026-11-24T03:00:00+23:59", "s3://b/", "s3://b/k", "aws:s3", "aws:sns",
        ]).prop_map(Value::from),
        1 => (1usize..4_000).prop_map(|count| Value::from("é".repeat(count))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn mutate(mut value: Value, mutations: &[Mutation]) -> Value {
    for mutation in mutations {
        let place = mutation.at.index(nodes(&value));
        change_at(&mut value, &mut { place }, &mutation.change);
    }
    value
}

fn nodes(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Object(fields) => fields.values().map(nodes).sum(),
        _ => 0,
    }
}

/// Walks to the node number `place` and changes it; whether it was found.
fn change_at(value: &mut Value, place: &mut usize, change: &Change) -> bool {
    if *place == 0 {
        match change {
            Change::Put(new) => *value = new.clone(),
            Change::Remove => *value = Value::Null,
            Change::Repeat => *value = json!([value.clone(), value.clone()]),
        }
        return true;
    }
    *place -= 1;
    match value {
        Value::Array(items) => {
            if *place == 0 && matches!(change, Change::Repeat) && !items.is_empty() {
                items.push(items[0].clone());
                return true;
            }
            items.iter_mut().any(|item| change_at(item, place, change))
        }
        Value::Object(fields) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                if *place == 0 && matches!(change, Change::Remove) {
                    fields.remove(&name);
                    return true;
                }
                if fields.get_mut(&name).is_some_and(|field| change_at(field, place, change)) {
                    return true;
                }
            }
            false
        }
        _ => false,
    }
}

// ---- What API Gateway hands to the function ----

fn gateway_event(number: usize) -> Value {
    let text = match number {
        0 => include_str!("../fixtures/http_api_v2.json"),
        1 => include_str!("../fixtures/rest_api_v1.json"),
        _ => include_str!("../fixtures/function_url.json"),
    };
    serde_json::from_str(text).unwrap()
}

thread_local! {
    /// Where the last panic of this thread came from.
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
}

fn mutated_gateway_events(cases: u32) {
    // Panics that are caught here need no place in the output; every other one still does.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let file = panic.location().map(|place| place.file().to_owned()).unwrap_or_default();
        let converts = ["lambda_http", "query_map"].iter().any(|name| file.contains(name));
        if converts { PANIC.set(Some(file)) } else { default(panic) }
    }));
    let runtime = runtime();
    let api = runtime.block_on(variables()).api();
    let (answered, refused, panicked) = (Cell::new(0), Cell::new(0), Cell::new(0));
    check(cases, &(0usize..3, path(), prop::option::of(query()), mutations()), |(number, path, query, mutations)| {
        let event = mutate(at(gateway_event(number), &path, query.as_deref()), &mutations);
        PANIC.set(None);
        let converted = catch_unwind(AssertUnwindSafe(|| lambda_http::request::from_str(&event.to_string())));
        let request = match converted {
            Ok(Ok(request)) => request,
            Ok(Err(refusal)) => {
                refused.set(refused.get() + 1);
                prop_assert!(refusal.to_string().starts_with("this function expects a JSON payload"), "{refusal}");
                return Ok(());
            }
            Err(panic) => {
                panicked.set(panicked.get() + 1);
                return judge_panic(&event, &panic);
            }
        };
        answered.set(answered.get() + 1);
        let method = request.method().clone();
        judge(&method, &runtime.block_on(answer(&api, request)))
    });
    println!("{} answered, {} are no events, {} are no URLs", answered.get(), refused.get(), panicked.get());
    assert!(answered.get() > cases / 4, "the events get nowhere");
}

/// The event asks for another path, written as each kind of gateway writes it.
fn at(mut event: Value, path: &str, query: Option<&str>) -> Value {
    if event.get("rawPath").is_some() {
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        // Clients send these, and gateways pass them on as they come.
        event["rawQueryString"] = json!(encoded(query.unwrap_or_default()));
    } else {
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/api{path}"));
        let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let pairs: Vec<(&str, &str)> = pairs.collect();
        let single = pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let multiple = pairs.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        event["queryStringParameters"] = Value::Object(single);
        event["multiValueQueryStringParameters"] = Value::Object(multiple);
    }
    event
}

/// Only `lambda_http` may panic, only over what is no URL or a parameter without a value, and without quoting the event.
fn judge_panic(event: &Value, panic: &Box<dyn std::any::Any + Send>) -> Result<(), TestCaseError> {
    prop_assert!(PANIC.take().is_some(), "a panic outside the conversion");
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let message = message.unwrap_or_default();
    let known = ["called `Result::unwrap()` on an `Err` value: ", "failed to build request: ", "index out of bounds: "];
    prop_assert!(known.iter().any(|start| message.starts_with(start)) && message.len() < 120, "{message}: {event}");
    Ok(())
}

// ---- What S3, SNS and EventBridge hand to the function ----

fn payload(number: usize) -> Value {
    let text = match number {
        0 => include_str!("../../crates/events/fixtures/s3_object_created.json"),
        1 => include_str!("../../crates/events/fixtures/elastictranscoder_completed.json"),
        2 => include_str!("../../crates/events/fixtures/mediaconvert_complete.json"),
        3 => include_str!("../../crates/events/fixtures/s3_test_event.json"),
        _ => r#"{ "source": "video-events", "detail-type": "Sweep" }"#,
    };
    serde_json::from_str(text).unwrap()
}

fn mutated_payloads(cases: u32) {
    let runtime = runtime();
    let state = runtime.block_on(variables()).events();
    // A sweep is always the same and asks sixteen times.
    let number = prop_oneof![30 => 0usize..4, 1 => Just(4)];
    let known = (number, any::<bool>(), mutations(), mutations()).prop_map(|(number, enveloped, inner, outer)| {
        let mut payload = payload(number);
        let message = payload["Records"][0]["Sns"]["Message"].as_str().map(str::to_owned);
        if let Some(message) = message {
            let message = mutate(serde_json::from_str(&message).unwrap(), &inner);
            payload["Records"][0]["Sns"]["Message"] = json!(message.to_string());
        }
        let payload = mutate(payload, &outer);
        if enveloped { json!({ "version": "1.0", "requestPayload": payload }) } else { payload }
    });
    let arbitrary = value();
    // No fault is injected, so an error, which brings the event back, would bring it back for ever.
    check(cases, &prop_oneof![9 => known, 1 => arbitrary], |payload| {
        let outcome = runtime.block_on(video_events::handle(&state, payload));
        outcome.map(|_| ()).map_err(|error| TestCaseError::fail(error.to_string()))
    });
}
