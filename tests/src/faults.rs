//! A faulty network between a function and AWS: a proxy that decides the fate of each request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::TestSystem;

const MAX_BODY_BYTES: usize = 16 << 20;

/// One request on its way to AWS.
pub struct Call {
    /// 1 for the first request through this network.
    pub number: usize,
    /// The operation as the service names it: `Query`, `CreateJob`, `DeleteObjects`, `PutEvents`.
    pub operation: String,
    /// The SDK's ID of the operation that this request is an attempt of.
    pub invocation: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The request's JSON, or null.
    pub body: Value,
    service: Service,
}

/// The services that the functions call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Service {
    DynamoDb,
    S3,
    EventBridge,
    Transcoder,
}

impl Service {
    /// Returns the service that a request is signed for.
    fn of(authorization: &str) -> Self {
        match authorization.split('/').nth(3) {
            Some("dynamodb") => Self::DynamoDb,
            Some("s3") => Self::S3,
            Some("events") => Self::EventBridge,
            _ => Self::Transcoder,
        }
    }
}

/// What happens to a request.
pub enum Fate {
    /// It reaches the service, and the response comes back.
    Pass,
    /// It never reaches the service; this is the response.
    Respond(FakeResponse),
    /// It reaches the service; this response replaces the service's own.
    Replace(FakeResponse),
    /// The connection is reset; the request may reach the service all the same.
    Reset(Reach),
    /// It is held at the gate before it reaches the service, even if the client gives up meanwhile.
    Hold(Gate),
    /// It reaches the service, and the response is held at the gate for ever.
    DropResponse(Gate),
}

/// Whether and when a request whose connection was reset reaches the service.
#[derive(Clone, Copy)]
pub enum Reach {
    Never,
    /// Before the reset: only the response is lost.
    Before,
    /// This long after the reset.
    After(Duration),
}

/// Where a request is held until the test lets it pass.
#[derive(Clone, Default)]
pub struct Gate {
    reached: Arc<Notify>,
    open: Arc<Notify>,
    passed: Arc<Notify>,
}

impl Gate {
    /// Waits until a request is held.
    pub async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets the request pass.
    pub fn open(&self) {
        self.open.notify_one();
    }

    /// Waits until the service has processed the request.
    pub async fn passed(&self) {
        self.passed.notified().await;
    }
}

/// A response that the service did not send.
#[derive(Clone)]
pub struct FakeResponse {
    status: StatusCode,
    code: &'static str,
    body: Value,
}

impl FakeResponse {
    /// Creates an error as AWS formats it.
    pub fn error(status: u16, code: &'static str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, code, body: json!({ "__type": code, "message": "injected by the test", "Message": "injected" }) }
    }

    /// Creates the response of a Query that found these items.
    pub fn items(items: &[Value]) -> Self {
        Self::ok(json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() }))
    }

    /// Creates the response of a PutEvents whose event EventBridge did not take.
    pub fn event_not_taken() -> Self {
        let entry = json!({ "ErrorCode": "InternalFailure", "ErrorMessage": "injected by the test" });
        Self::ok(json!({ "FailedEntryCount": 1, "Entries": [entry] }))
    }

    fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, code: "", body }
    }
}

impl Call {
    /// Returns one of the errors with which this call's service throttles.
    pub fn throttled(&self, rng: &mut fastrand::Rng) -> FakeResponse {
        let dynamodb = [
            (400, "ThrottlingException"),
            (400, "ProvisionedThroughputExceededException"),
            (400, "RequestLimitExceeded"),
            (503, "ServiceUnavailable"),
        ];
        let transcoder =
            [(429, "TooManyRequestsException"), (429, "LimitExceededException"), (400, "ThrottlingException")];
        let errors: &[(u16, &'static str)] = match self.service {
            Service::DynamoDb => &dynamodb,
            Service::S3 => &[(503, "SlowDown")],
            Service::EventBridge => &[(400, "ThrottlingException")],
            Service::Transcoder => &transcoder,
        };
        let (status, code) = errors[rng.usize(..errors.len())];
        FakeResponse::error(status, code)
    }

    /// Returns the text to which an UpdateItem sets an attribute.
    pub fn sets(&self, attribute: &str) -> Option<&str> {
        let names = self.body["ExpressionAttributeNames"].as_object()?;
        let (alias, _) = names.iter().find(|(_, name)| *name == attribute)?;
        let (_, clause) = self.body["UpdateExpression"].as_str()?.split_once(&format!("{alias} = "))?;
        let value = clause.split([',', ' ']).next()?;
        self.body["ExpressionAttributeValues"][value]["S"].as_str()
    }

    /// Returns the mail of the record that is read or written.
    pub fn mail(&self) -> Option<&str> {
        self.body["Key"]["Mail"]["S"].as_str()
    }

    /// Returns the index that a Query reads.
    pub fn index(&self) -> Option<&str> {
        self.body["IndexName"].as_str()
    }
}

/// Decides the fate of a request.
type Rule = Arc<dyn Fn(&Call) -> Fate + Send + Sync>;

/// The network between functions and a system. It accepts no connections once it is dropped.
pub struct Network {
    url: String,
    accepting: JoinHandle<()>,
    proxy: Arc<Proxy>,
}

/// What every connection needs.
struct Proxy {
    dynamodb: String,
    s3: String,
    eventbridge: String,
    transcoder: String,
    http: reqwest::Client,
    calls: AtomicUsize,
    /// The operation and the body of each request that its service has processed.
    processed: Mutex<Vec<(String, Bytes)>>,
    rule: Rule,
}

impl Network {
    /// Starts a network to `system` with this rule.
    pub async fn to(system: &TestSystem, rule: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let proxy = Arc::new(Proxy {
            dynamodb: system.at.dynamodb.clone(),
            s3: system.at.s3.clone(),
            eventbridge: system.at.eventbridge.clone(),
            transcoder: system.at.transcoder.clone(),
            http: system.http.clone(),
            calls: AtomicUsize::new(0),
            processed: Mutex::default(),
            rule: Arc::new(rule),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&proxy)));
        Self { url, accepting, proxy }
    }

    /// Returns the address of the proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns how many requests there have been.
    pub fn calls(&self) -> usize {
        self.proxy.calls.load(Ordering::SeqCst)
    }

    /// Returns the bodies of an operation's requests that the service has processed, whoever got the response.
    pub fn processed(&self, operation: &str) -> Vec<Value> {
        let processed = self.proxy.processed.lock().unwrap();
        let bodies = processed.iter().filter(|(of, _)| of == operation).map(|(_, body)| body);
        bodies.map(|body| serde_json::from_slice(body).unwrap_or_default()).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, proxy: Arc<Proxy>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Without linger, closing the connection is a reset for the client.
        stream.set_zero_linger().unwrap();
        stream.set_nodelay(true).unwrap();
        let proxy = Arc::clone(&proxy);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let proxy = Arc::clone(&proxy);
                // In a task of its own, a request arrives even if the client has closed the connection.
                async move { tokio::spawn(proxy.handle(request)).await.unwrap() }
            });
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// Ends a connection without a response.
#[derive(Debug)]
struct ConnectionReset;

impl std::fmt::Display for ConnectionReset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection reset")
    }
}

impl std::error::Error for ConnectionReset {}

/// A request that has been read completely.
struct Message {
    operation: String,
    method: Method,
    url: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Proxy {
    async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, ConnectionReset> {
        let (call, message) = self.read(request).await;
        match (self.rule)(&call) {
            Fate::Pass => self.forward(message).await,
            Fate::Respond(fake) => Ok(fake.into_response()),
            Fate::Replace(fake) => self.forward(message).await.map(|_| fake.into_response()),
            Fate::Reset(Reach::Never) => Err(ConnectionReset),
            Fate::Reset(Reach::Before) => self.forward(message).await.and(Err(ConnectionReset)),
            Fate::Reset(Reach::After(delay)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    self.forward(message).await
                });
                Err(ConnectionReset)
            }
            Fate::Hold(gate) => {
                gate.reached.notify_one();
                gate.open.notified().await;
                let response = self.forward(message).await;
                gate.passed.notify_one();
                response
            }
            Fate::DropResponse(gate) => {
                self.forward(message).await?;
                gate.reached.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn read(&self, request: Request<Incoming>) -> (Call, Message) {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), MAX_BODY_BYTES).await.unwrap_or_default();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let service = Service::of(text("authorization"));
        let operation = match service {
            Service::DynamoDb | Service::EventBridge => text("x-amz-target").rsplit('.').next().unwrap_or_default(),
            Service::S3 => s3_operation(&parts.method, &parts.uri),
            Service::Transcoder => transcoder_operation(&parts.method, parts.uri.path()),
        };
        let call = Call {
            number: self.calls.fetch_add(1, Ordering::SeqCst) + 1,
            operation: operation.to_owned(),
            invocation: text("amz-sdk-invocation-id").to_owned(),
            attempt: attempt(text("amz-sdk-request")),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            service,
        };
        let base = match service {
            Service::DynamoDb => &self.dynamodb,
            Service::S3 => &self.s3,
            Service::EventBridge => &self.eventbridge,
            Service::Transcoder => &self.transcoder,
        };
        let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let url = format!("{base}{path_and_query}");
        // The host stays what the client has signed.
        let mut headers = parts.headers;
        for name in [header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(name);
        }
        let operation = call.operation.clone();
        (call, Message { operation, method: parts.method, url, headers, body })
    }

    async fn forward(&self, message: Message) -> Result<Response<Body>, ConnectionReset> {
        let Message { operation, method, url, headers, body } = message;
        let request = self.http.request(method, url).headers(headers).body(body.clone());
        let received = request.send().await.map_err(|_| ConnectionReset)?;
        self.processed.lock().unwrap().push((operation, body));
        let mut response = Response::builder().status(received.status());
        for (name, value) in received.headers() {
            if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING && name != header::CONNECTION {
                response = response.header(name, value);
            }
        }
        let body = received.bytes().await.map_err(|_| ConnectionReset)?;
        Ok(response.body(Body::from(body)).unwrap())
    }
}

/// Reads the SDK's number of an attempt: `attempt=2; max=3`.
fn attempt(header: &str) -> u32 {
    let number = header.split(';').find_map(|part| part.trim().strip_prefix("attempt="));
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

/// Names the operations of S3 that the functions use.
fn s3_operation(method: &Method, uri: &Uri) -> &'static str {
    let query = uri.query().unwrap_or_default();
    let has = |name: &str| query.split('&').any(|pair| pair.split('=').next() == Some(name));
    match *method {
        Method::HEAD => "HeadObject",
        Method::POST if has("delete") => "DeleteObjects",
        Method::POST if has("uploadId") => "CompleteMultipartUpload",
        Method::GET if has("uploadId") => "ListParts",
        Method::DELETE if has("uploadId") => "AbortMultipartUpload",
        Method::GET if has("versions") => "ListObjectVersions",
        Method::GET if has("uploads") => "ListMultipartUploads",
        Method::GET if has("list-type") => "ListObjectsV2",
        _ => "another operation of S3",
    }
}

fn transcoder_operation(method: &Method, path: &str) -> &'static str {
    let names_a_job = path.contains("/jobs/");
    match (method, names_a_job) {
        (&Method::POST, _) => "CreateJob",
        (&Method::DELETE, _) => "CancelJob",
        (_, true) => "GetJob",
        (_, false) => "ListJobs",
    }
}

impl FakeResponse {
    fn into_response(self) -> Response<Body> {
        let response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(HeaderName::from_static("x-amzn-errortype"), self.code);
        response.body(Body::from(self.body.to_string())).unwrap()
    }
}
