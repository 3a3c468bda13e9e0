//! The network between a function and AWS, as bad as a test wants it: a proxy that decides the fate of each request.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderName, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use video_core::TranscoderKind;

use crate::{TestSystem, Variables};

const LARGEST_BODY: usize = 16 << 20;

/// One request on its way to AWS.
pub struct Call {
    /// 1 for the first request through this network.
    pub number: usize,
    /// As the service's API names it: `Query`, `CreateJob`.
    pub operation: String,
    /// The SDK's id of the operation that this request is an attempt of.
    pub invocation: String,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// The request's JSON; null where there is none.
    pub body: Value,
    is_dynamodb: bool,
}

/// What becomes of a request.
pub enum Fate {
    /// It reaches the service, and the answer comes back.
    Pass,
    /// It never reaches the service: this is the answer.
    Answer(Answer),
    /// It reaches the service, and this is the answer in place of the service's own.
    Replace(Answer),
    /// The connection is reset; the request reaches the service all the same, or not.
    Reset(Reach),
    /// It waits on its way: tells `arrived`, goes on at `go`, also when the client has left meanwhile, and tells `done` when it was answered.
    Hold { arrived: Arc<Notify>, go: Arc<Notify>, done: Arc<Notify> },
    /// It reaches the service, and the answer never comes back: tells `answered` once there is one.
    Swallow { answered: Arc<Notify> },
}

/// Whether and when a request whose connection broke reaches the service.
#[derive(Clone, Copy)]
pub enum Reach {
    Never,
    /// Before the connection breaks: only the answer is lost.
    Before,
    /// So long after the connection broke.
    After(Duration),
}

/// An answer that the service did not give.
#[derive(Clone)]
pub struct Answer {
    status: StatusCode,
    code: &'static str,
    body: Value,
}

impl Answer {
    /// An error as the services write it.
    pub fn error(status: u16, code: &'static str) -> Self {
        let status = StatusCode::from_u16(status).unwrap();
        Self { status, code, body: json!({ "__type": code, "message": "Injected by the test", "Message": "Injected" }) }
    }

    /// A Query that found these items.
    pub fn items(items: &[Value]) -> Self {
        let body = json!({ "Items": items, "Count": items.len(), "ScannedCount": items.len() });
        Self { status: StatusCode::OK, code: "", body }
    }
}

impl Call {
    /// How this call's service says "later", in one of its ways.
    pub fn throttled(&self, rng: &mut fastrand::Rng) -> Answer {
        let dynamodb = [
            (400, "ThrottlingException"),
            (400, "ProvisionedThroughputExceededException"),
            (400, "RequestLimitExceeded"),
            (503, "ServiceUnavailable"),
        ];
        let transcoder =
            [(429, "TooManyRequestsException"), (429, "LimitExceededException"), (400, "ThrottlingException")];
        let answers: &[(u16, &'static str)] = if self.is_dynamodb { &dynamodb } else { &transcoder };
        let (status, code) = answers[rng.usize(..answers.len())];
        Answer::error(status, code)
    }

    /// The index that a Query asks.
    pub fn index(&self) -> Option<&str> {
        self.body["IndexName"].as_str()
    }
}

/// Decides a request's fate.
pub type Rule = Arc<dyn Fn(&Call) -> Fate + Send + Sync>;

/// The network between one or more functions and a system. It ends with the value.
pub struct Network {
    url: String,
    accepting: JoinHandle<()>,
    path: Arc<Path>,
}

/// What every connection needs.
struct Path {
    dynamodb: String,
    transcoder: String,
    http: reqwest::Client,
    calls: AtomicUsize,
    rule: Rule,
}

impl Network {
    /// A network to `system` under this rule.
    pub async fn to(system: &TestSystem, rule: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let path = Arc::new(Path {
            dynamodb: system.at.dynamodb.clone(),
            transcoder: system.at.transcoder.clone(),
            http: system.http.clone(),
            calls: AtomicUsize::new(0),
            rule: Arc::new(rule),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&path)));
        Self { url, accepting, path }
    }

    /// How many requests there were.
    pub fn calls(&self) -> usize {
        self.path.calls.load(Ordering::SeqCst)
    }

    /// A function behind this network, freshly started, with a lease of so many seconds.
    pub fn function(&self, functions: &Functions, lease: u64) -> video_events::State {
        function(functions.variables.clone().with_aws_at(&self.url), lease)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Starts events functions that work on a system, as Lambda would start a sandbox.
pub struct Functions {
    /// Who gets their jobs.
    pub kind: TranscoderKind,
    variables: Variables,
    pipeline: String,
}

impl Functions {
    /// Functions that work on `system` and hand their jobs to `kind`.
    pub async fn of(system: &TestSystem, kind: TranscoderKind) -> Self {
        Self::with(system.variables(), kind).await
    }

    /// Functions with these variables that hand their jobs to `kind`.
    pub async fn with(variables: Variables, kind: TranscoderKind) -> Self {
        let mut functions = Self { variables, kind, pipeline: String::new() };
        let pipelines = functions.elastic_transcoder().list_pipelines().send().await.unwrap();
        pipelines.pipelines()[0].id().unwrap().clone_into(&mut functions.pipeline);
        let named = functions.variables.clone().with("TRANSCODER", kind.as_str());
        functions.variables = named.with("PIPELINE_NAME", functions.pipeline.clone());
        functions
    }

    /// A function with nothing between it and AWS, with a lease of so many seconds.
    pub fn direct(&self, lease: u64) -> video_events::State {
        function(self.variables.clone(), lease)
    }

    fn elastic_transcoder(&self) -> aws_sdk_elastictranscoder::Client {
        aws_sdk_elastictranscoder::Client::new(&self.variables.aws().sdk_config())
    }

    /// Every job that the transcoder has: its token and its id.
    pub async fn jobs(&self) -> Vec<(String, String)> {
        let job = |metadata: Option<&HashMap<String, String>>, id: Option<&str>| {
            (metadata.unwrap()["token"].clone(), id.unwrap().to_owned())
        };
        match self.kind {
            TranscoderKind::ElasticTranscoder => {
                let client = self.elastic_transcoder();
                let mut pages =
                    client.list_jobs_by_pipeline().pipeline_id(&self.pipeline).into_paginator().items().send();
                let mut jobs = Vec::new();
                while let Some(item) = pages.next().await {
                    let item = item.unwrap();
                    jobs.push(job(item.user_metadata(), item.id()));
                }
                jobs
            }
            TranscoderKind::MediaConvert => {
                let client = aws_sdk_mediaconvert::Client::new(&self.variables.aws().sdk_config());
                let mut pages = client.list_jobs().into_paginator().items().send();
                let mut jobs = Vec::new();
                while let Some(item) = pages.next().await {
                    let item = item.unwrap();
                    jobs.push(job(item.user_metadata(), item.id()));
                }
                jobs
            }
        }
    }
}

fn function(variables: Variables, lease: u64) -> video_events::State {
    variables.with("UPLOAD_LEASE_SECONDS", lease.to_string()).events()
}

async fn accept(listener: TcpListener, path: Arc<Path>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Whatever this end closes first is a reset for the client.
        stream.set_zero_linger().unwrap();
        stream.set_nodelay(true).unwrap();
        let path = Arc::clone(&path);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let path = Arc::clone(&path);
                // A task of its own: what is on its way arrives, whether or not the client is still there.
                async move { tokio::spawn(path.carry(request)).await.unwrap() }
            });
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

/// Ends a connection without an answer.
#[derive(Debug)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is broken")
    }
}

impl std::error::Error for Broken {}

/// A request that has been read whole.
struct Message {
    method: Method,
    url: String,
    headers: reqwest::header::HeaderMap,
    body: Bytes,
}

impl Path {
    async fn carry(self: Arc<Self>, request: Request<Incoming>) -> Result<Response<Body>, Broken> {
        let (call, message) = self.read(request).await;
        match (self.rule)(&call) {
            Fate::Pass => self.forward(message).await,
            Fate::Answer(answer) => Ok(answer.into_response()),
            Fate::Replace(answer) => self.forward(message).await.map(|_| answer.into_response()),
            Fate::Reset(Reach::Never) => Err(Broken),
            Fate::Reset(Reach::Before) => self.forward(message).await.and(Err(Broken)),
            Fate::Reset(Reach::After(delay)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    self.forward(message).await
                });
                Err(Broken)
            }
            Fate::Hold { arrived, go, done } => {
                arrived.notify_one();
                go.notified().await;
                let answer = self.forward(message).await;
                done.notify_one();
                answer
            }
            Fate::Swallow { answered } => {
                self.forward(message).await?;
                answered.notify_one();
                std::future::pending().await
            }
        }
    }

    async fn read(&self, request: Request<Incoming>) -> (Call, Message) {
        let (parts, body) = request.into_parts();
        let body = to_bytes(Body::new(body), LARGEST_BODY).await.unwrap_or_default();
        let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let target = text("x-amz-target").rsplit('.').next().filter(|target| !target.is_empty());
        let call = Call {
            number: self.calls.fetch_add(1, Ordering::SeqCst) + 1,
            operation: target.unwrap_or_else(|| transcoder_operation(&parts.method, parts.uri.path())).to_owned(),
            invocation: text("amz-sdk-invocation-id").to_owned(),
            attempt: attempt(text("amz-sdk-request")),
            body: serde_json::from_slice(&body).unwrap_or_default(),
            is_dynamodb: target.is_some(),
        };
        let base = if call.is_dynamodb { &self.dynamodb } else { &self.transcoder };
        let path_and_query = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut headers = parts.headers.clone();
        for name in [header::HOST, header::CONTENT_LENGTH, header::CONNECTION] {
            headers.remove(name);
        }
        (call, Message { method: parts.method, url: format!("{base}{path_and_query}"), headers, body })
    }

    async fn forward(&self, message: Message) -> Result<Response<Body>, Broken> {
        let request = self.http.request(message.method, message.url).headers(message.headers).body(message.body);
        let answer = request.send().await.map_err(|_| Broken)?;
        let mut response = Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING && name != header::CONNECTION {
                response = response.header(name, value);
            }
        }
        let body = answer.bytes().await.map_err(|_| Broken)?;
        Ok(response.body(Body::from(body)).unwrap())
    }
}

/// `attempt=2; max=3`, as the SDK numbers its attempts.
fn attempt(header: &str) -> u32 {
    let number = header.split(';').find_map(|part| part.trim().strip_prefix("attempt="));
    number.and_then(|number| number.parse().ok()).unwrap_or(1)
}

fn transcoder_operation(method: &Method, path: &str) -> &'static str {
    let looks_up_one = path.rsplit_once("/jobs/").is_some();
    match (method, looks_up_one) {
        (&Method::POST, _) => "CreateJob",
        (_, true) => "GetJob",
        (_, false) => "ListJobs",
    }
}

impl Answer {
    fn into_response(self) -> Response<Body> {
        let response = Response::builder()
            .status(self.status)
            .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(HeaderName::from_static("x-amzn-errortype"), self.code);
        response.body(Body::from(self.body.to_string())).unwrap()
    }
}
