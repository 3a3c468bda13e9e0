//! The local EventBridge under the real SDK.

use std::net::SocketAddr;
use std::path::Path;

use aws_credential_types::Credentials;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::{BehaviorVersion, Config, Region};
use aws_sdk_eventbridge::error::ProvideErrorMetadata as _;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::builders::PutEventsRequestEntryBuilder;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use video_local::eventbridge::{self, EventBus};
use video_local::sqlite::Database;
use video_local::{aws_json, event_queue};

use crate::http::send;
use crate::store::REGION;

const ACCOUNT: &str = "000000000000";

/// Returns a client of the endpoint.
pub fn client(endpoint: &str, access_key_id: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new(access_key_id, "secret", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Returns an entry of the functions' source.
pub fn entry(detail_type: &str) -> PutEventsRequestEntryBuilder {
    PutEventsRequestEntry::builder().source("video").detail_type(detail_type).detail(r#"{"project":"Alba"}"#)
}

/// A served event bus.
struct Bus {
    client: Client,
    address: SocketAddr,
    database: Database,
}

impl Bus {
    async fn start(dir: &Path) -> Self {
        let database = Database::open(&dir.join("local.sqlite"), &[event_queue::SCHEMA]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = eventbridge::routes(EventBus::new(database.clone(), REGION, ACCOUNT));
        let router = aws_json::router(routes, "local");
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { client: client(&format!("http://{address}"), "local"), address, database }
    }

    async fn put(&self, entries: Vec<PutEventsRequestEntry>) -> (i32, Vec<PutEventsResultEntry>) {
        let output = self.client.put_events().set_entries(Some(entries)).send().await.unwrap();
        (output.failed_entry_count(), output.entries.unwrap())
    }

    /// Returns the message of a request that is rejected as a whole.
    async fn rejection(&self, entries: Vec<PutEventsRequestEntry>) -> String {
        let error = self.client.put_events().set_entries(Some(entries)).send().await.unwrap_err();
        assert_eq!(error.code(), Some("ValidationException"));
        error.message().unwrap().to_owned()
    }

    /// Returns the queued events of the function and of the webhook.
    fn queued(&self) -> [Vec<Value>; 2] {
        ["events", "webhook_events"].map(|table| {
            let payloads = self.database.read(|db| {
                let mut statement = db.prepare(&format!("SELECT payload FROM {table} ORDER BY id"))?;
                let payloads = statement.query_map([], |row| row.get::<_, String>(0))?;
                payloads.collect::<Result<Vec<_>, _>>()
            });
            payloads.unwrap().iter().map(|payload| serde_json::from_str(payload).unwrap()).collect()
        })
    }

    fn queued_types(&self) -> [Vec<String>; 2] {
        self.queued().map(|events| {
            let types = events.iter().map(|event| event["detail-type"].as_str().unwrap().to_owned());
            types.collect()
        })
    }
}

#[tokio::test]
async fn an_event_is_queued_as_eventbridge_delivers_it_before_it_is_answered() {
    let dir = TempDir::new().unwrap();
    let bus = Bus::start(dir.path()).await;
    let detail = json!({"project": "Alba", "step": "0", "video": "Alba/0/ü.webm"});
    let entry = entry("Video Retry Requested")
        .detail(detail.to_string())
        .resources("arn:aws:s3:::media")
        .time(DateTime::from_secs_f64(1_800_000_000.75))
        .event_bus_name("default");
    let (failed, results) = bus.put(vec![entry.build()]).await;
    assert_eq!(failed, 0);
    let id = results[0].event_id().unwrap();
    assert_eq!(id.len(), 36);
    let expected = json!({
        "version": "0",
        "id": id,
        "detail-type": "Video Retry Requested",
        "source": "video",
        "account": ACCOUNT,
        "time": "2027-01-15T08:00:00Z",
        "region": REGION,
        "resources": ["arn:aws:s3:::media"],
        "detail": detail,
    });
    assert_eq!(bus.queued(), [vec![expected], vec![]]);
}

#[tokio::test]
async fn requests_go_to_the_function_results_to_the_webhook_and_what_no_rule_matches_nowhere() {
    let dir = TempDir::new().unwrap();
    let bus = Bus::start(dir.path()).await;
    let types = ["Video Retry Requested", "Video Ready", "Video Erase Requested", "Video Failed"];
    let mut entries: Vec<_> = types.map(|detail_type| entry(detail_type).build()).into();
    entries.push(entry("Video Ready").source("other").build());
    entries.push(entry("Video Ready").event_bus_name("no-such-bus").build());
    let arn = format!("arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default");
    entries.push(entry("Video Erase Requested").event_bus_name(arn).build());
    let (failed, results) = bus.put(entries).await;
    assert_eq!((failed, results.len()), (0, 7));
    assert!(results.iter().all(|result| result.event_id().is_some()));
    let requests = ["Video Retry Requested", "Video Erase Requested", "Video Erase Requested"].map(str::to_owned);
    assert_eq!(bus.queued_types(), [requests.to_vec(), vec!["Video Ready".to_owned(), "Video Failed".to_owned()]]);
    let [requests, _] = bus.queued();
    let time = requests[0]["time"].as_str().unwrap();
    assert!(time.len() == "2027-01-15T08:00:00Z".len() && time.starts_with("20"), "{time}");
}

#[tokio::test]
async fn an_entry_that_breaks_a_rule_fails_alone() {
    let dir = TempDir::new().unwrap();
    let bus = Bus::start(dir.path()).await;
    let without =
        |remove: fn(PutEventsRequestEntryBuilder) -> PutEventsRequestEntryBuilder| remove(entry("Lost")).build();
    let entries = vec![
        without(|entry| entry.set_source(None)),
        without(|entry| entry.set_detail_type(None)),
        without(|entry| entry.set_detail(None)),
        without(|entry| entry.source("")),
        without(|entry| entry.detail("{")),
        without(|entry| entry.detail("[]")),
        without(|entry| entry.detail("null")),
        without(|entry| entry.source("aws.s3")),
        entry("Video Ready").build(),
    ];
    let (failed, results) = bus.put(entries).await;
    let errors: Vec<_> = results[..8].iter().map(|r| (r.error_code().unwrap(), r.error_message().unwrap())).collect();
    let missing = |message| ("InvalidArgument", message);
    let malformed = ("MalformedDetail", "Detail is malformed.");
    let expected = [
        missing("Parameter Source is not valid. Reason: Source is a required argument."),
        missing("Parameter DetailType is not valid. Reason: DetailType is a required argument."),
        missing("Parameter Detail is not valid. Reason: Detail is a required argument."),
        missing("Parameter Source is not valid. Reason: Source is a required argument."),
        malformed,
        malformed,
        malformed,
        ("NotAuthorizedForSourceException", "Not authorized for the source."),
    ];
    assert_eq!((failed, errors.as_slice()), (8, expected.as_slice()));
    assert!(results[..8].iter().all(|result| result.event_id().is_none()));
    assert!(results[8].event_id().is_some() && results[8].error_code().is_none());
    assert_eq!(bus.queued_types(), [vec![], vec!["Video Ready".to_owned()]]);
}

#[tokio::test]
async fn a_request_beyond_the_limits_puts_nothing() {
    let dir = TempDir::new().unwrap();
    let bus = Bus::start(dir.path()).await;
    let many = vec![entry("Video Ready").build(); 11];
    assert!(bus.rejection(many).await.contains("at 'entries' failed to satisfy constraint: Member must have length"));
    assert!(bus.rejection(vec![]).await.contains("Member must have length greater than or equal to 1"));
    let sized = |size: usize| {
        let fixed = "video".len() + "Video Ready".len() + r#"{"x":""}"#.len() + "resource".len() + 14;
        let detail = json!({"x": "x".repeat(size - fixed)}).to_string();
        let entry = entry("Video Ready").detail(detail).resources("resource").time(DateTime::from_secs(1_800_000_000));
        entry.build()
    };
    let half = 128 * 1024;
    let message = bus.rejection(vec![sized(half), sized(half + 1)]).await;
    assert_eq!(message, "Total size of the entries in the request is over the limit.");
    assert_eq!(bus.queued(), [const { Vec::<Value>::new() }; 2]);
    assert_eq!(bus.put(vec![sized(half), sized(half)]).await.0, 0);
    assert_eq!(bus.put(vec![entry("Video Ready").build(); 10]).await.0, 0);
}

#[tokio::test]
async fn other_operations_other_bodies_and_strangers_are_rejected() {
    let dir = TempDir::new().unwrap();
    let bus = Bus::start(dir.path()).await;
    let stranger = client(&format!("http://{}", bus.address), "stranger");
    let error = stranger.put_events().entries(entry("Video Ready").build()).send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    let error = bus.client.list_rules().send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnknownOperationException"));
    for (body, code) in [("{", "SerializationException"), ("{}", "ValidationException")] {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nX-Amz-Target: AWSEvents.PutEvents\r\nConnection: close\r\nAuthorization: \
             AWS4-HMAC-SHA256 Credential=local/20260101/{REGION}/events/aws4_request, SignedHeaders=host, \
             Signature=00\r\nContent-Length: {}\r\n\r\n",
            bus.address,
            body.len()
        );
        let response = send(bus.address, &head, body.as_bytes()).await;
        assert!(response.starts_with("HTTP/1.1 400 "), "{response}");
        assert!(response.ends_with(&format!("\"__type\":\"{code}\"}}")), "{response}");
    }
    assert_eq!(bus.queued(), [const { Vec::<Value>::new() }; 2]);
}
