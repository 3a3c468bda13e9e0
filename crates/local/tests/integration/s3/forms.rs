//! Upload forms.

use std::net::SocketAddr;
use std::time::Duration;

use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::Server;
use super::form::{END, FILE_HEAD, Form, field};
use crate::eventually::eventually;
use crate::http::send;
use crate::store::{MEDIA, object_files};

async fn post(address: SocketAddr, body: &[u8]) -> String {
    let head = Form::new("any").head(address, body.len() as u64);
    send(address, &head, body).await
}

/// Sends the beginning of a body whose length is larger, and returns the connection.
async fn post_beginning(address: SocketAddr, beginning: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = Form::new("any").head(address, 1_000_000_000);
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(beginning).await.unwrap();
    stream
}

fn assert_error(response: &str, status: u16, code: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{code}: {response}");
    assert!(response.contains(&format!("<Code>{code}</Code>")), "{code}: {response}");
}

#[tokio::test]
async fn a_form_signed_hours_ago_stores_the_file_and_returns_its_url() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let key = "Alba/0/ä b.webm";
    let signed_at = OffsetDateTime::now_utc() - Duration::from_hours(3);
    let form = Form { signed_at, ..Form::new(key) };
    let response = post(server.address, &form.with_file(b"video")).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    let url = format!("http://{}/media/Alba/0/%C3%A4%20b.webm", server.address);
    for part in [
        &format!("location: {url}\r\n"),
        "access-control-expose-headers: etag,location\r\n",
        "<Bucket>media</Bucket>",
        "<Key>Alba/0/ä b.webm</Key>",
        &format!("<Location>{url}</Location>"),
        "<ETag>&quot;421b47ffd946ca083b65cd668c6b17e6&quot;</ETag>",
    ] {
        assert!(response.contains(part), "{part}: {response}");
    }
    let object = server.store.find(MEDIA, key).unwrap().unwrap();
    assert_eq!(object.size, 5);
    let content_type = object.attributes.content_type;
    assert_eq!(content_type.as_deref(), Some("video/webm"));
    let name = &server.events(1).await[0]["Records"][0]["eventName"];
    assert_eq!(name, "ObjectCreated:Post");
}

#[tokio::test]
async fn a_form_whose_file_looks_like_its_boundary_is_stored_completely() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let content = b"\r\n--for\r".repeat(500_000);
    let response = post(server.address, &Form::new("x.webm").with_file(&content)).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    assert!(server.get("x.webm").await == content);
}

#[tokio::test]
async fn a_form_that_arrives_byte_by_byte_is_stored() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let body = Form::new("x.webm").with_file(b"video\r\n--for");
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let head = Form::new("x.webm").head(server.address, body.len() as u64);
    stream.write_all(head.as_bytes()).await.unwrap();
    for byte in body {
        stream.write_all(&[byte]).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    assert_eq!(server.get("x.webm").await, b"video\r\n--for");
}

#[tokio::test]
async fn forms_that_break_their_policy_store_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let form = Form::new("x.webm");
    let good = String::from_utf8(form.with_file(b"video")).unwrap();
    let file = format!("{FILE_HEAD}video\r\n");
    let file_first = format!("{file}{}--form--\r\n", form.fields()).into_bytes();
    let too_much = vec![0; 10_000_001];
    let other_type = good.replace("Content-Type\"\r\n\r\nvideo/webm", "Content-Type\"\r\n\r\ntext/html").into_bytes();
    let expired = Form { expires_at: OffsetDateTime::now_utc() - Duration::from_secs(1), ..form };
    let other_secret = Form { secret_key: "another secret", ..form };
    let unknown_access_key = Form { access_key: "UNKNOWN", ..form };
    let other_bucket = Form { bucket: "output", ..form };
    let extra_field = form.fields() + &field("x-amz-meta-note", "x") + &file + "--form--\r\n";
    let cases = [
        (form.with_file(b""), 400, "EntityTooSmall"),
        (form.with_file(&too_much), 400, "EntityTooLarge"),
        (Form::new("").with_file(b"video"), 400, "InvalidArgument"),
        (Form::new(&"k".repeat(1025)).with_file(b"video"), 400, "KeyTooLongError"),
        (Form::new("${filename}").with_file(b"video"), 501, "NotImplemented"),
        (other_type, 400, "InvalidPolicyDocument"),
        (file_first, 403, "AccessDenied"),
        (expired.with_file(b"video"), 403, "AccessDenied"),
        (other_secret.with_file(b"video"), 403, "SignatureDoesNotMatch"),
        (unknown_access_key.with_file(b"video"), 403, "InvalidAccessKeyId"),
        (other_bucket.with_file(b"video"), 400, "InvalidPolicyDocument"),
        (extra_field.into_bytes(), 403, "AccessDenied"),
    ];
    for (body, status, code) in cases {
        assert_error(&post(server.address, &body).await, status, code);
    }
    assert_eq!(object_files(dir.path()), 0);
    assert_eq!(server.queued(), 0);
    let response = post(server.address, good.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
}

#[tokio::test]
async fn forms_that_are_not_well_formed_store_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let form = Form::new("x.webm");
    let (fields, file) = (form.fields(), format!("{FILE_HEAD}video\r\n--form--\r\n"));
    let large_field = field("x-ignore-a", &"a".repeat(20 * 1024)) + &fields + &file;
    let many_fields = field("x-ignore-a", "a").repeat(400) + &fields + &file;
    let long_preamble = "a".repeat(4_000_000) + "\r\n" + &fields + &file;
    let long_part_head = format!("--form\r\nX-Header: {}", "a".repeat(4_000_000));
    let nameless = "--form\r\nContent-Disposition: form-data\r\n\r\nx\r\n".to_owned() + &fields + &file;
    let quoted = "--form\r\nContent-Disposition: form-data; name=\"a\\\"b\"\r\n\r\nx\r\n".to_owned() + &fields + &file;
    let unfinished = form.before_file() + "video";
    let cases = [
        (fields.clone() + "--form--\r\n", "IncorrectNumberOfFilesInPostRequest"),
        (large_field, "MaxPostPreDataLengthExceededError"),
        (many_fields, "MaxPostPreDataLengthExceededError"),
        (long_preamble, "MaxPostPreDataLengthExceededError"),
        (long_part_head, "MaxPostPreDataLengthExceededError"),
        (nameless, "MalformedPOSTRequest"),
        (quoted, "MalformedPOSTRequest"),
        ("no form".to_owned(), "MalformedPOSTRequest"),
        (fields, "MalformedPOSTRequest"),
        (unfinished, "IncompleteBody"),
    ];
    for (body, code) in cases {
        assert_error(&post(server.address, body.as_bytes()).await, 400, code);
    }
    assert_eq!(object_files(dir.path()), 0);
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn the_fields_after_the_file_are_ignored_and_so_is_the_case_of_names() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let form = Form::new("x.webm");
    let fields = form.fields().replace("name=\"key\"", "name=KEY").replace("name=\"policy\"", "name=\"Policy\"");
    let file = FILE_HEAD.replace("name=\"file\"", "name=\"File\"");
    let preamble = "This is a preamble.\r\n";
    let body = format!("{preamble}{fields}{file}video\r\n{}--form--\r\n", field("key", "other.webm"));
    let response = post(server.address, body.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
    assert_eq!(server.get("x.webm").await, b"video");
    assert_eq!(object_files(dir.path()), 1);
}

#[tokio::test]
async fn every_size_that_the_policy_allows_is_stored_and_no_other() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let key = "x.webm";
    let cases: [((u64, u64), usize, Option<&str>); 8] = [
        ((0, 0), 0, None),
        ((0, 0), 1, Some("EntityTooLarge")),
        ((200_000, 300_000), 199_999, Some("EntityTooSmall")),
        ((200_000, 300_000), 200_000, None),
        ((200_000, 300_000), 300_000, None),
        ((200_000, 300_000), 300_001, Some("EntityTooLarge")),
        ((131_072, 131_072), 131_072, None),
        // No object of one request is that large.
        ((u64::MAX, u64::MAX), 1, Some("EntityTooLarge")),
    ];
    for (sizes, size, error) in cases {
        let form = Form { sizes, ..Form::new(key) };
        let response = post(server.address, &form.with_file(&vec![b'x'; size])).await;
        if let Some(code) = error {
            assert_error(&response, 400, code);
        } else {
            assert!(response.starts_with("HTTP/1.1 201"), "{sizes:?} {size}: {response}");
            assert!(server.get(key).await == vec![b'x'; size], "{sizes:?} {size}");
        }
    }
    assert_eq!(object_files(dir.path()), 1);
}

#[tokio::test]
async fn of_two_policies_the_file_satisfies_both() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let narrow = Form { sizes: (1, 4), ..Form::new("x.webm") }.fields();
    let narrow = narrow.split("--form\r\n").find(|part| part.contains("name=\"policy\"")).unwrap();
    let body = format!("--form\r\n{narrow}{}", String::from_utf8(Form::new("x.webm").with_file(b"video")).unwrap());
    let response = post(server.address, body.as_bytes()).await;
    assert_error(&response, 400, "EntityTooLarge");
    assert_eq!(object_files(dir.path()), 0);
}

#[tokio::test]
async fn policy_and_signature_are_verified_before_the_file_has_arrived() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let form = Form::new("x.webm");
    let other_secret = Form { secret_key: "another secret", ..form };
    let expired = Form { expires_at: OffsetDateTime::now_utc() - Duration::from_secs(1), ..form };
    let other_key = form.before_file().replace("\r\n\r\nx.webm", "\r\n\r\ny.webm");
    let cases = [
        (other_secret.before_file(), 403, "SignatureDoesNotMatch"),
        (expired.before_file(), 403, "AccessDenied"),
        (other_key, 400, "InvalidPolicyDocument"),
    ];
    for (beginning, status, code) in cases {
        let mut stream = post_beginning(server.address, beginning.as_bytes()).await;
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        assert_error(&response, status, code);
    }
    assert_eq!(object_files(dir.path()), 0);
}

#[tokio::test]
async fn a_file_that_exceeds_its_policy_is_rejected_before_its_end() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let form = Form { sizes: (1, 1000), ..Form::new("x.webm") };
    let beginning = form.before_file() + &"x".repeat(1001);
    let mut stream = post_beginning(server.address, beginning.as_bytes()).await;
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    assert_error(&response, 400, "EntityTooLarge");
    eventually(|| object_files(dir.path()) == 0).await;
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn a_form_whose_client_disconnects_leaves_nothing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let beginning = Form::new("x.webm").before_file() + "half a video";
    let stream = post_beginning(server.address, beginning.as_bytes()).await;
    eventually(|| object_files(dir.path()) == 1).await;
    drop(stream);
    eventually(|| object_files(dir.path()) == 0).await;
    assert!(server.store.find(MEDIA, "x.webm").unwrap().is_none());
    assert_eq!(server.queued(), 0);
}

#[tokio::test]
async fn a_form_without_a_closing_boundary_is_incomplete() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let complete = Form::new("x.webm").with_file(b"video");
    for missing in 5..END.len() {
        let response = post(server.address, &complete[..complete.len() - missing]).await;
        assert_error(&response, 400, "IncompleteBody");
    }
    assert_eq!(object_files(dir.path()), 0);
}
