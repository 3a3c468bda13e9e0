//! The embedded S3 under the real SDK: objects, listings, multipart uploads, forms, restarts and its events.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::complete_multipart_upload::{CompleteMultipartUploadError, CompleteMultipartUploadOutput};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, Delete, EncodingType, MetadataDirective, ObjectIdentifier,
};
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use video_local::database::Database;
use video_local::events::{self, Policy};
use video_local::s3::{self, Attributes, Cause, Credentials, Notify, Store, StoreError};

const ACCESS_KEY: &str = "LOCALACCESSKEY";
const SECRET_KEY: &str = "local-secret-key";
const REGION: &str = "eu-west-1";
const MEDIA: &str = "media";
const OUTPUT: &str = "output";
const PART: usize = 5 * 1024 * 1024;

/// A served store in a directory that may be served again.
struct Server {
    client: Client,
    address: SocketAddr,
    store: Store,
    database: Database,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    async fn start(dir: &Path) -> Self {
        let database = Database::open(&dir.join("local.sqlite"), &[s3::SCHEMA, events::SCHEMA]).unwrap();
        let notify = Notify { bucket: MEDIA.to_owned(), region: REGION.to_owned() };
        let store = Store::open(&dir.join("objects"), database.clone(), notify).unwrap();
        store.create_bucket(MEDIA).unwrap();
        store.create_bucket(OUTPUT).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let credentials =
            Credentials { access_key_id: ACCESS_KEY.to_owned(), secret_access_key: SECRET_KEY.to_owned() };
        let serving = tokio::spawn(s3::serve(listener, store.clone(), credentials, async {
            let _ = stopped.await;
        }));
        Self { client: client(address, SECRET_KEY), address, store, database, stop, serving }
    }

    async fn stop(self) {
        drop(self.client);
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }

    async fn put(&self, key: &str, body: &[u8]) {
        self.client.put_object().bucket(MEDIA).key(key).body(ByteStream::from(body.to_vec())).send().await.unwrap();
    }

    async fn get(&self, key: &str) -> Vec<u8> {
        let object = self.client.get_object().bucket(MEDIA).key(key).send().await;
        object.unwrap().body.collect().await.unwrap().to_vec()
    }

    /// The next `count` events of the queue, each delivered and so removed.
    async fn events(&self, count: usize) -> Vec<Value> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let delivering = tokio::spawn(events::deliver(
            self.database.clone(),
            move |event| {
                let sender = sender.clone();
                async move { sender.send(event).map_err(|error| error.to_string()) }
            },
            Policy { concurrency: 1, ..Policy::new("arn".to_owned(), "unused".into()) },
            async {
                let _ = stopped.await;
            },
        ));
        let mut events = Vec::new();
        while events.len() < count {
            let event = tokio::time::timeout(Duration::from_secs(10), receiver.recv());
            events.push(event.await.expect("an event in time").unwrap());
        }
        stop.send(()).unwrap();
        delivering.await.unwrap().unwrap();
        events
    }

    fn queued(&self) -> u64 {
        let count = self.database.read(|queue| queue.query_row("SELECT count(*) FROM events", [], |row| row.get(0)));
        count.unwrap()
    }
}

fn client(address: SocketAddr, secret: &str) -> Client {
    let credentials = aws_credential_types::Credentials::new(ACCESS_KEY, secret, None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// The status and the error code of a refusal.
fn refusal<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = result.expect_err("a refusal");
    let status = error.raw_response().map(|response| response.status().as_u16());
    (status.unwrap_or_default(), error.code().unwrap_or_default().to_owned())
}

fn data_files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("objects")).unwrap().count()
}

/// Sends one request as written and answers all that comes back.
async fn raw(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    // A server that refuses early may close before it has read everything.
    let _ = stream.write_all(body).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The body that posts `content` with a form for `key`, signed at `signed_at`.
fn form(key: &str, content: &[u8], signed_at: OffsetDateTime) -> Vec<u8> {
    let stamp = signed_at.format(format_description!("[year][month][day]T[hour][minute][second]Z")).unwrap();
    let credential = format!("{ACCESS_KEY}/{}/{REGION}/s3/aws4_request", &stamp[..8]);
    let mut fields = vec![
        ("key", key),
        ("Content-Type", "video/webm"),
        ("success_action_status", "201"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", &stamp),
    ];
    let mut conditions: Vec<Value> = fields.iter().map(|(name, value)| json!({*name: value})).collect();
    conditions.push(json!({"bucket": MEDIA}));
    conditions.push(json!(["content-length-range", 1, 10_000_000]));
    let expiration = (OffsetDateTime::now_utc() + Duration::from_mins(10))
        .format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"))
        .unwrap();
    let policy = json!({"expiration": expiration, "conditions": conditions});
    let policy = STANDARD.encode(policy.to_string());
    let signing_key = generate_signing_key(SECRET_KEY, signed_at.into(), REGION, "s3");
    let signature = calculate_signature(signing_key, policy.as_bytes());
    fields.push(("policy", &policy));
    fields.push(("x-amz-signature", &signature));

    let mut body = String::new();
    for (name, value) in fields {
        body += "--form\r\nContent-Disposition: form-data; name=\"";
        body += name;
        body += "\"\r\n\r\n";
        body += value;
        body += "\r\n";
    }
    body += "--form\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.webm\"\r\n\r\n";
    [body.as_bytes(), content, b"\r\n--form--\r\n"].concat()
}

async fn post(address: SocketAddr, body: &[u8]) -> String {
    let head = format!(
        "POST /{MEDIA} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nOrigin: http://page\r\n\
         Content-Type: multipart/form-data; boundary=form\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw(address, &head, body).await
}

#[tokio::test]
async fn an_object_comes_back_with_its_bytes_headers_and_metadata() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    let put = client
        .put_object()
        .bucket(MEDIA)
        .key("a/b.webm")
        .body(ByteStream::from_static(b"hello"))
        .content_type("video/webm")
        .cache_control("no-store")
        .metadata("project", "Alba")
        .send()
        .await
        .unwrap();
    assert_eq!(put.e_tag(), Some("\"5d41402abc4b2a76b9719d911017c592\""));

    let got = client.get_object().bucket(MEDIA).key("a/b.webm");
    let got = got.send().await.unwrap();
    assert_eq!(got.content_type(), Some("video/webm"));
    assert_eq!(got.cache_control(), Some("no-store"));
    assert_eq!(got.content_encoding(), None);
    assert_eq!(got.metadata().unwrap()["project"], "Alba");
    assert_eq!(got.content_length(), Some(5));
    assert_eq!(got.e_tag(), put.e_tag());
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"hello");

    let head = client.head_object().bucket(MEDIA).key("a/b.webm");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_length(), Some(5));
    assert_eq!(head.content_type(), Some("video/webm"));
    assert_eq!(head.metadata().unwrap()["project"], "Alba");
    assert!(head.last_modified().is_some());
}

#[tokio::test]
async fn an_empty_object_and_a_large_streamed_one_are_kept_whole() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("empty", b"").await;
    assert_eq!(server.get("empty").await, b"");

    let large: Vec<u8> = (0..=250).cycle().take(7_000_003).collect();
    let file = dir.path().join("upload");
    std::fs::write(&file, &large).unwrap();
    let streamed = ByteStream::from_path(&file).await.unwrap();
    let put = server.client.put_object().bucket(MEDIA).key("large");
    put.body(streamed).send().await.unwrap();
    assert!(server.get("large").await == large);
}

#[tokio::test]
async fn ranges_are_answered_as_http_says() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"0123456789").await;
    let get = |range: &str| {
        let get = server.client.get_object().bucket(MEDIA).key("x");
        get.range(range).send()
    };
    let cases = [
        ("bytes=2-4", "bytes 2-4/10", "234"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-3", "bytes 7-9/10", "789"),
        ("bytes=0-99", "bytes 0-9/10", "0123456789"),
    ];
    for (range, content_range, expected) in cases {
        let got = get(range).await.unwrap();
        assert_eq!(got.content_range(), Some(content_range), "{range}");
        let bytes = got.body.collect().await.unwrap().to_vec();
        assert_eq!(bytes, expected.as_bytes(), "{range}");
    }
    let beyond = get("bytes=10-").await;
    assert_eq!(refusal(beyond), (416, "InvalidRange".to_owned()));
}

#[tokio::test]
async fn conditions_of_reads_and_writes_hold() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"one").await;
    let head = server.client.head_object().bucket(MEDIA).key("x");
    let head = head.send().await.unwrap();
    let etag = head.e_tag().unwrap();
    let modified = *head.last_modified().unwrap();
    let get = || server.client.get_object().bucket(MEDIA).key("x");
    let put = |key: &str| {
        let body = ByteStream::from_static(b"two");
        server.client.put_object().bucket(MEDIA).key(key).body(body)
    };

    let known = get().if_none_match(etag).send().await;
    assert_eq!(refusal(known).0, 304);
    let unchanged = get().if_modified_since(modified).send().await;
    assert_eq!(refusal(unchanged).0, 304);
    assert!(get().if_match(etag).send().await.is_ok());
    let other = get().if_match("\"other\"").send().await;
    assert_eq!(refusal(other), (412, "PreconditionFailed".to_owned()));
    let long_ago = get().if_unmodified_since(DateTime::from_secs(0));
    assert_eq!(refusal(long_ago.send().await).0, 412);

    let taken = put("x").if_none_match("*").send().await;
    assert_eq!(refusal(taken), (412, "PreconditionFailed".to_owned()));
    assert!(put("y").if_none_match("*").send().await.is_ok());
    assert!(put("x").if_match(etag).send().await.is_ok());
    assert_eq!(refusal(put("x").if_match(etag).send().await).0, 412);
    assert_eq!(server.get("x").await, b"two");
}

#[tokio::test]
async fn what_does_not_exist_is_refused_by_its_name() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    let no_key = client.get_object().bucket(MEDIA).key("none").send().await;
    assert_eq!(refusal(no_key), (404, "NoSuchKey".to_owned()));
    let no_bucket = client.get_object().bucket("nowhere").key("x").send().await;
    assert_eq!(refusal(no_bucket), (404, "NoSuchBucket".to_owned()));
    let put = client.put_object().bucket("nowhere").key("x");
    let put = put.body(ByteStream::from_static(b"x")).send().await;
    assert_eq!(refusal(put), (404, "NoSuchBucket".to_owned()));
    let head = client.head_object().bucket(MEDIA).key("none").send().await;
    assert_eq!(refusal(head).0, 404);
    let head = client.head_bucket().bucket("nowhere").send().await;
    assert_eq!(refusal(head).0, 404);
    assert_eq!(data_files(dir.path()), 0);
}

#[tokio::test]
async fn buckets_are_created_listed_and_located() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    for _ in 0..2 {
        let create = client.create_bucket().bucket("another");
        create.send().await.unwrap();
    }
    let buckets = client.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets.buckets().iter().filter_map(|bucket| bucket.name()).collect();
    assert_eq!(names, ["another", MEDIA, OUTPUT]);
    let head = client.head_bucket().bucket("another");
    head.send().await.unwrap();
    let location = client.get_bucket_location().bucket(MEDIA);
    let location = location.send().await.unwrap();
    assert_eq!(location.location_constraint().unwrap().as_str(), REGION);
}

#[tokio::test]
async fn any_key_that_s3_allows_is_kept() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let long = "k".repeat(900);
    let keys = [
        "a b.webm",
        "a+b.webm",
        "a%20b.webm",
        "100%.webm",
        "ü/日本/😀.webm",
        "x",
        "x/y",
        "x/",
        "a//b",
        "a...b",
        "*?\"<>|'\\",
        "~tilde",
        &long,
    ];
    for (number, key) in keys.iter().enumerate() {
        server.put(key, number.to_string().as_bytes()).await;
    }
    for (number, key) in keys.iter().enumerate() {
        let expected = number.to_string();
        assert_eq!(server.get(key).await, expected.as_bytes(), "{key}");
    }
    let listing = server.client.list_objects_v2().bucket(MEDIA);
    let page = listing.send().await.unwrap();
    let listed: Vec<_> = page.contents().iter().filter_map(|object| object.key()).collect();
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    assert_eq!(listed, sorted);

    let too_long = server.client.put_object().bucket(MEDIA);
    let too_long = too_long.key("k".repeat(1025)).send().await;
    assert_eq!(refusal(too_long), (400, "KeyTooLongError".to_owned()));
}

#[tokio::test]
async fn a_listing_rolls_up_prefixes_and_pages_without_gap_or_repeat() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let highest = "b/\u{10ffff}";
    let keys = ["a", "a/1", "a/2", "a/b/3", "a0", "b/1", "b/2", "b/c/1", "b/c/2", "b/d", highest, "c", "z/1"];
    for key in keys {
        server.put(key, b"x").await;
    }
    for page_size in 1..=13 {
        let flat = walk(&server.client, "", None, page_size).await;
        assert_eq!(flat, keys, "pages of {page_size}");
        let mut rolled = walk(&server.client, "", Some("/"), page_size).await;
        rolled.sort_unstable();
        assert_eq!(rolled, ["a", "a/", "a0", "b/", "c", "z/"], "{page_size}");
        let mut below = walk(&server.client, "b/", Some("/"), page_size).await;
        below.sort_unstable();
        assert_eq!(below, ["b/1", "b/2", "b/c/", "b/d", highest], "{page_size}");
    }
    let list = || server.client.list_objects_v2().bucket(MEDIA);
    let after = list().start_after("b/c/1").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("b/c/2"));
    assert_eq!(after.key_count(), Some(5));
    let none = list().max_keys(0).send().await.unwrap();
    assert_eq!(none.key_count(), Some(0));
    assert_eq!(none.is_truncated(), Some(false));
    let bad = list().continuation_token("?").send().await;
    assert_eq!(refusal(bad), (400, "InvalidArgument".to_owned()));
}

/// Every key and common prefix of a listing, page by page.
async fn walk(client: &Client, prefix: &str, delimiter: Option<&str>, size: i32) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_objects_v2()
            .bucket(MEDIA)
            .prefix(prefix)
            .set_delimiter(delimiter.map(str::to_owned))
            .max_keys(size)
            .set_continuation_token(token)
            .send()
            .await
            .unwrap();
        assert!(page.key_count().unwrap() <= size);
        let keys = page.contents().iter().filter_map(|object| object.key());
        let prefixes = page.common_prefixes().iter();
        let prefixes = prefixes.filter_map(|common| common.prefix());
        found.extend(keys.chain(prefixes).map(str::to_owned));
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            return found;
        }
    }
}

#[tokio::test]
async fn the_old_listing_pages_by_marker_and_encodes_keys_on_request() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    for key in ["a b+c", "d/1", "d/2", "e"] {
        server.put(key, b"x").await;
    }
    let list = || {
        let list = server.client.list_objects().bucket(MEDIA);
        list.delimiter("/").encoding_type(EncodingType::Url)
    };
    let first = list().max_keys(2).send().await.unwrap();
    assert_eq!(first.contents()[0].key(), Some("a%20b%2Bc"));
    assert_eq!(first.common_prefixes()[0].prefix(), Some("d/"));
    assert_eq!(first.next_marker(), Some("d/"));
    let second = list().marker("d/").send().await.unwrap();
    assert_eq!(second.contents()[0].key(), Some("e"));
    assert!(second.common_prefixes().is_empty());
}

#[tokio::test]
async fn deleted_objects_are_gone_with_their_files() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    for key in ["one", "two", "three"] {
        server.put(key, b"x").await;
    }
    for _ in 0..2 {
        let delete = server.client.delete_object().bucket(MEDIA).key("one");
        delete.send().await.unwrap();
    }
    let objects = ["two", "three", "four"].map(|key| ObjectIdentifier::builder().key(key).build().unwrap()).to_vec();
    let delete = Delete::builder().set_objects(Some(objects));
    let deleted = server.client.delete_objects().bucket(MEDIA);
    let deleted = deleted.delete(delete.build().unwrap());
    let deleted = deleted.send().await.unwrap();
    assert_eq!(deleted.deleted().len(), 3);
    assert!(deleted.errors().is_empty());
    assert_eq!(data_files(dir.path()), 0);
}

#[tokio::test]
async fn a_copy_keeps_or_replaces_metadata_and_outlives_its_source() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let client = &server.client;
    let put = client.put_object().bucket(MEDIA).key("a b+ü");
    put.content_type("video/webm").metadata("n", "1").body(ByteStream::from_static(b"bytes")).send().await.unwrap();
    let copy = |key: &str| {
        let copy = client.copy_object().bucket(MEDIA).key(key);
        copy.copy_source("media/a%20b%2B%C3%BC")
    };
    copy("kept").send().await.unwrap();
    copy("replaced")
        .metadata_directive(MetadataDirective::Replace)
        .content_type("text/plain")
        .metadata("n", "2")
        .send()
        .await
        .unwrap();
    let onto_itself = copy("a b+ü").send().await;
    assert_eq!(refusal(onto_itself), (400, "InvalidRequest".to_owned()));
    let conditional = copy("never").copy_source_if_match("\"other\"");
    let refused = refusal(conditional.send().await);
    assert_eq!(refused, (412, "PreconditionFailed".to_owned()));
    let delete = client.delete_object().bucket(MEDIA).key("a b+ü");
    delete.send().await.unwrap();

    for (key, content_type, n) in [("kept", "video/webm", "1"), ("replaced", "text/plain", "2")] {
        let head = client.head_object().bucket(MEDIA).key(key);
        let head = head.send().await.unwrap();
        assert_eq!(head.content_type(), Some(content_type));
        assert_eq!(head.metadata().unwrap()["n"], n);
        assert_eq!(server.get(key).await, b"bytes");
    }
    let gone = copy("never").send().await;
    assert_eq!(refusal(gone), (404, "NoSuchKey".to_owned()));
}

async fn create_upload(server: &Server) -> String {
    let create = server.client.create_multipart_upload().bucket(MEDIA);
    let create = create.key("big").content_type("video/mp4");
    let created = create.send().await.unwrap();
    created.upload_id().unwrap().to_owned()
}

async fn put_part(server: &Server, upload: &str, number: i32, body: &[u8]) -> String {
    let part = server.client.upload_part().bucket(MEDIA).key("big");
    let part = part.upload_id(upload).part_number(number).body(ByteStream::from(body.to_vec()));
    part.send().await.unwrap().e_tag().unwrap().to_owned()
}

async fn complete(
    server: &Server,
    upload: &str,
    parts: &[(i32, &str)],
) -> Result<CompleteMultipartUploadOutput, SdkError<CompleteMultipartUploadError>> {
    let parts = parts.iter().map(|(number, etag)| {
        let part = CompletedPart::builder().part_number(*number);
        part.e_tag(*etag).build()
    });
    let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.collect())).build();
    let complete = server.client.complete_multipart_upload();
    let complete = complete.bucket(MEDIA).key("big").upload_id(upload);
    complete.multipart_upload(parts).send().await
}

#[tokio::test]
async fn a_multipart_upload_becomes_one_object() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let first = vec![b'1'; PART];
    put_part(&server, &upload, 1, b"superseded").await;
    let one = put_part(&server, &upload, 1, &first).await;
    let three = put_part(&server, &upload, 3, b"end").await;

    let page = server.client.list_parts().bucket(MEDIA).key("big");
    let page = page.upload_id(&upload).max_parts(1);
    let page = page.send().await.unwrap();
    assert_eq!(page.parts()[0].size(), Some(5 * 1024 * 1024));
    assert_eq!(page.is_truncated(), Some(true));
    assert_eq!(page.next_part_number_marker(), Some("1"));

    let done = complete(&server, &upload, &[(1, &one), (3, &three)]).await;
    let done = done.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""));
    let whole = [first.as_slice(), b"end"].concat();
    assert!(server.get("big").await == whole);
    let head = server.client.head_object().bucket(MEDIA).key("big");
    let head = head.send().await.unwrap();
    assert_eq!(head.content_type(), Some("video/mp4"));
    assert_eq!(head.e_tag(), done.e_tag());
    assert_eq!(data_files(dir.path()), 1);
    let name = &server.events(1).await[0]["Records"][0]["eventName"];
    assert_eq!(name, "ObjectCreated:CompleteMultipartUpload");
}

#[tokio::test]
async fn parts_may_be_copied_from_ranges_of_an_object() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("source +", b"0123456789").await;
    let upload = create_upload(&server).await;
    let copy = |range: &str| {
        let copy = server.client.upload_part_copy().bucket(MEDIA).key("big");
        let copy = copy.upload_id(&upload).part_number(1);
        copy.copy_source("media/source%20%2B").copy_source_range(range)
    };
    let beyond = copy("bytes=10-11").send().await;
    assert_eq!(refusal(beyond), (416, "InvalidRange".to_owned()));
    let copied = copy("bytes=3-5").send().await.unwrap();
    let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
    complete(&server, &upload, &[(1, etag)]).await.unwrap();
    assert_eq!(server.get("big").await, b"345");
}

#[tokio::test]
async fn a_completion_that_breaks_a_rule_leaves_the_upload_as_it_was() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    let one = put_part(&server, &upload, 1, b"small").await;
    let two = put_part(&server, &upload, 2, b"end").await;
    let (one, two) = (one.as_str(), two.as_str());
    let cases = [
        (vec![(2, two), (1, one)], "InvalidPartOrder"),
        (vec![(1, two)], "InvalidPart"),
        (vec![(3, one)], "InvalidPart"),
        (vec![(1, one), (2, two)], "EntityTooSmall"),
        (vec![], "MalformedXML"),
    ];
    for (parts, code) in cases {
        let refused = refusal(complete(&server, &upload, &parts).await);
        assert_eq!(refused, (400, code.to_owned()));
    }
    assert_eq!(server.queued(), 0);
    complete(&server, &upload, &[(1, one)]).await.unwrap();
    assert_eq!(server.get("big").await, b"small");
    let again = complete(&server, &upload, &[(1, one)]).await;
    assert_eq!(refusal(again), (404, "NoSuchUpload".to_owned()));
}

#[tokio::test]
async fn an_aborted_upload_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let upload = create_upload(&server).await;
    put_part(&server, &upload, 1, b"part").await;
    let abort = || {
        let abort = server.client.abort_multipart_upload().bucket(MEDIA);
        abort.key("big").upload_id(&upload).send()
    };
    abort().await.unwrap();
    assert_eq!(refusal(abort().await), (404, "NoSuchUpload".to_owned()));
    assert_eq!(data_files(dir.path()), 0);
}

#[tokio::test]
async fn a_body_with_a_wrong_digest_is_not_stored() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let put = || {
        let put = server.client.put_object().bucket(MEDIA).key("x");
        put.body(ByteStream::from_static(b"x"))
    };
    let bad_digest = (400, "BadDigest".to_owned());
    let md5 = put().content_md5("XUFAKrxLKna5cZ2REBfFkg==");
    assert_eq!(refusal(md5.send().await), bad_digest);
    let crc = put().checksum_crc32("AAAAAA==");
    assert_eq!(refusal(crc.send().await), bad_digest);
    let sha = put().checksum_sha256("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    assert_eq!(refusal(sha.send().await), bad_digest);
    assert!(server.store.find(MEDIA, "x").unwrap().is_none());
    assert_eq!(data_files(dir.path()), 0);
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn requests_without_a_valid_signature_are_refused() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"secret").await;
    let forged = client(server.address, "another secret");
    let forged = forged.get_object().bucket(MEDIA).key("x").send().await;
    assert_eq!(refusal(forged), (403, "SignatureDoesNotMatch".to_owned()));
    for request in ["GET /media/x", "GET /media", "GET /", "PUT /media/y", "DELETE /media/x"] {
        let head =
            format!("{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", server.address);
        let answer = raw(server.address, &head, b"").await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{request}: {answer}");
        assert!(answer.contains("<Code>AccessDenied</Code>"), "{answer}");
    }
    assert_eq!(server.get("x").await, b"secret");
}

#[tokio::test]
async fn a_presigned_link_plays_in_a_browser_and_overrides_headers() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("a b/ü.webm", b"0123456789").await;
    let link = server.client.get_object().bucket(MEDIA).key("a b/ü.webm");
    let link = link
        .response_content_type("video/mp4")
        .response_content_disposition("attachment; filename=\"x.mp4\"")
        .presigned(PresigningConfig::expires_in(Duration::from_mins(1)).unwrap())
        .await
        .unwrap();
    let address = server.address;
    let path = link.uri().strip_prefix(&format!("http://{address}"));
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nOrigin: http://page\r\nRange: bytes=0-1\r\n\r\n",
        path.unwrap()
    );
    let answer = raw(address, &head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 206"), "{answer}");
    for header in [
        "content-type: video/mp4\r\n",
        "content-disposition: attachment; filename=\"x.mp4\"\r\n",
        "access-control-allow-origin: *\r\n",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
    assert!(answer.ends_with("\r\n\r\n01"), "{answer}");
}

#[tokio::test]
async fn a_browser_may_ask_from_any_origin() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let head = format!(
        "OPTIONS /media HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nOrigin: http://page\r\n\
         Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x-any\r\n\r\n",
        server.address
    );
    let answer = raw(server.address, &head, b"").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    for header in [
        "access-control-allow-origin: *\r\n",
        "access-control-allow-methods: GET,HEAD,PUT,POST\r\n",
        "access-control-allow-headers: x-any\r\n",
    ] {
        assert!(answer.contains(header), "{answer}");
    }
}

#[tokio::test]
async fn a_form_signed_hours_ago_stores_the_file_and_answers_where() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let key = "Alba/0/ä b.webm";
    let signed_at = OffsetDateTime::now_utc() - Duration::from_hours(3);
    let answer = post(server.address, &form(key, b"video", signed_at)).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let url = format!("http://{}/media/Alba/0/%C3%A4%20b.webm", server.address);
    for part in [
        &format!("location: {url}\r\n"),
        "access-control-expose-headers: etag,location\r\n",
        "<Bucket>media</Bucket>",
        "<Key>Alba/0/ä b.webm</Key>",
        &format!("<Location>{url}</Location>"),
        "<ETag>&quot;421b47ffd946ca083b65cd668c6b17e6&quot;</ETag>",
    ] {
        assert!(answer.contains(part), "{part}: {answer}");
    }
    let object = server.store.find(MEDIA, key).unwrap().unwrap();
    assert_eq!(object.size, 5);
    let content_type = object.attributes.content_type;
    assert_eq!(content_type.as_deref(), Some("video/webm"));
    let name = &server.events(1).await[0]["Records"][0]["eventName"];
    assert_eq!(name, "ObjectCreated:Post");
}

#[tokio::test]
async fn a_form_whose_file_looks_like_its_boundary_is_stored_whole() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let content = b"\r\n--for\r".repeat(500_000);
    let form = form("x.webm", &content, OffsetDateTime::now_utc());
    let answer = post(server.address, &form).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(server.get("x.webm").await == content);
}

#[tokio::test]
async fn forms_that_break_their_policy_store_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let now = OffsetDateTime::now_utc();
    let good = String::from_utf8(form("x.webm", b"video", now)).unwrap();
    let file = good.find("--form\r\nContent-Disposition: form-data; name=\"file\"");
    let (fields, file) = good.split_at(file.unwrap());
    let file = file.trim_end_matches("--form--\r\n");
    let file_first = format!("{file}{fields}--form--\r\n").into_bytes();
    let too_much = vec![0; 10_000_001];
    let other_type = good.replace("video/webm", "text/html").into_bytes();
    let cases = [
        (form("x.webm", b"", now), "400", "EntityTooSmall"),
        (form("x.webm", &too_much, now), "400", "EntityTooLarge"),
        (form("", b"video", now), "400", "InvalidArgument"),
        (form(&"k".repeat(1025), b"video", now), "400", "KeyTooLongError"),
        (form("${filename}", b"video", now), "501", "NotImplemented"),
        (other_type, "400", "InvalidPolicyDocument"),
        (file_first, "403", "AccessDenied"),
    ];
    for (body, status, code) in cases {
        let answer = post(server.address, &body).await;
        let status = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&status), "{code}: {answer}");
        let code = format!("<Code>{code}</Code>");
        assert!(answer.contains(&code), "{code}: {answer}");
    }
    assert_eq!(data_files(dir.path()), 0);
    assert_eq!(server.queued(), 0);
    let answer = post(server.address, good.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

#[tokio::test]
async fn every_new_object_of_the_media_bucket_sends_the_event_of_s3() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("Alba/0/a b+c%ü.webm", b"hello").await;
    let elsewhere = server.client.put_object().bucket(OUTPUT).key("silent");
    let elsewhere = elsewhere.body(ByteStream::from_static(b"x"));
    elsewhere.send().await.unwrap();
    let copy = server.client.copy_object().bucket(MEDIA).key("copy.webm");
    copy.copy_source("output/silent").send().await.unwrap();

    assert_eq!(server.queued(), 2);
    let events = server.events(2).await;
    let record = &events[0]["Records"][0];
    let time = record["eventTime"].as_str().unwrap();
    assert_eq!((time.len(), &time[19..20], &time[23..]), (24, ".", "Z"));
    let sequencer = record["s3"]["object"]["sequencer"].as_str().unwrap();
    assert_eq!(sequencer.len(), 18);
    assert!(sequencer.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
    let request = record["responseElements"]["x-amz-request-id"].as_str();
    assert_eq!(request.unwrap().len(), 16);
    let expected = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": time,
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AWS:LOCAL"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": record["responseElements"],
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "video-local",
            "bucket": {
                "name": MEDIA,
                "ownerIdentity": {"principalId": "LOCAL"},
                "arn": "arn:aws:s3:::media",
            },
            "object": {
                "key": "Alba/0/a+b%2Bc%25%C3%BC.webm",
                "size": 5,
                "eTag": "5d41402abc4b2a76b9719d911017c592",
                "sequencer": sequencer,
            },
        },
    });
    assert_eq!(*record, expected);
    let copy = &events[1]["Records"][0];
    assert_eq!(copy["eventName"], "ObjectCreated:Copy");
    assert!(copy["s3"]["object"]["sequencer"].as_str().unwrap() > sequencer);
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn a_restart_keeps_objects_uploads_and_undelivered_events() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"first").await;
    let before = server.store.find(MEDIA, "x").unwrap().unwrap();
    let upload = create_upload(&server).await;
    let part = put_part(&server, &upload, 1, b"part").await;
    server.stop().await;

    let server = Server::start(dir.path()).await;
    assert_eq!(server.get("x").await, b"first");
    let kept = server.store.find(MEDIA, "x").unwrap().unwrap();
    assert_eq!(kept.sequencer, before.sequencer);
    complete(&server, &upload, &[(1, &part)]).await.unwrap();
    server.put("x", b"second").await;
    let after = server.store.find(MEDIA, "x").unwrap().unwrap();
    assert!(after.sequencer > before.sequencer);
    let events = server.events(3).await;
    let names: Vec<_> = events.iter().map(|event| event["Records"][0]["eventName"].as_str().unwrap()).collect();
    let expected = ["ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload", "ObjectCreated:Put"];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn what_a_crash_leaves_behind_is_removed_at_the_next_start() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"kept").await;
    let upload = create_upload(&server).await;
    put_part(&server, &upload, 1, b"kept too").await;
    let staged = server.store.stage().unwrap();
    std::fs::write(staged.path(), b"half an upload").unwrap();
    std::mem::forget(staged);
    assert_eq!(data_files(dir.path()), 3);
    server.stop().await;

    let server = Server::start(dir.path()).await;
    assert_eq!(data_files(dir.path()), 2);
    assert_eq!(server.get("x").await, b"kept");
}

#[tokio::test]
async fn an_upload_that_breaks_off_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let address = server.address;
    let expires = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let link = server.client.put_object().bucket(MEDIA).key("x");
    let link = link.presigned(expires).await.unwrap();
    let path = link.uri().strip_prefix(&format!("http://{address}"));
    let head = format!("PUT {} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 1000\r\n\r\n", path.unwrap());
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[0; 500]).await.unwrap();
    eventually(|| data_files(dir.path()) == 1).await;
    drop(stream);
    eventually(|| data_files(dir.path()) == 0).await;
    assert!(server.store.find(MEDIA, "x").unwrap().is_none());
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn a_reader_finishes_with_the_old_bytes_while_the_object_is_replaced() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let old = vec![b'o'; 20_000_000];
    server.put("x", &old).await;
    let reading = server.client.get_object().bucket(MEDIA).key("x");
    let reading = reading.send().await.unwrap();
    server.put("x", b"new").await;
    assert!(reading.body.collect().await.unwrap().to_vec() == old);
    assert_eq!(server.get("x").await, b"new");
    assert_eq!(data_files(dir.path()), 1);
}

#[tokio::test]
async fn a_change_that_fails_takes_back_objects_files_and_events() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"old").await;
    let staged = server.store.stage().unwrap();
    std::fs::write(staged.path(), b"new").unwrap();
    let sealed = staged.seal().await.unwrap();
    let failed: Result<(), StoreError> = server.store.change(|change| {
        change.put(MEDIA, "x", sealed, &Attributes::default(), Cause::Put)?;
        Err(StoreError::PreconditionFailed)
    });
    assert!(failed.is_err());
    assert_eq!(server.get("x").await, b"old");
    assert_eq!(data_files(dir.path()), 1);
    assert_eq!(server.queued(), 1);
}

#[tokio::test]
async fn simultaneous_uploads_of_one_key_leave_one_of_them_whole() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let bodies: Vec<Vec<u8>> = (0..8).map(|n| vec![n; 300_000]).collect();
    let puts = bodies.iter().map(|body| server.put("x", body));
    futures_util::future::join_all(puts).await;
    assert!(bodies.contains(&server.get("x").await));
    assert_eq!(data_files(dir.path()), 1);
    let events = server.events(8).await;
    let sequencers: HashSet<&str> =
        events.iter().filter_map(|event| event["Records"][0]["s3"]["object"]["sequencer"].as_str()).collect();
    assert_eq!(sequencers.len(), 8);
    let stored = server.store.find(MEDIA, "x").unwrap().unwrap();
    assert_eq!(sequencers.iter().max(), Some(&stored.sequencer.as_str()));
}

#[tokio::test]
async fn what_is_not_supported_says_so() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let tagging = server.client.get_object_tagging().bucket(MEDIA).key("x");
    let tagging = refusal(tagging.send().await);
    assert_eq!(tagging, (501, "NotImplemented".to_owned()));
    let part = server.client.get_object().bucket(MEDIA).key("x");
    let part = refusal(part.part_number(1).send().await);
    assert_eq!(part, (501, "NotImplemented".to_owned()));
}

#[tokio::test]
async fn a_database_file_that_is_none_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("local.sqlite");
    std::fs::write(&file, "this is no database, however long it may be").unwrap();
    assert!(Database::open(&file, &[s3::SCHEMA]).is_err());
}

async fn eventually(holds: impl Fn() -> bool) {
    let deadline = SystemTime::now() + Duration::from_secs(10);
    while !holds() {
        assert!(SystemTime::now() < deadline, "it did not come true in time");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
