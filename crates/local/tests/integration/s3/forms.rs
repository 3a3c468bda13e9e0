//! Upload forms.

use std::net::SocketAddr;
use std::time::Duration;

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use time::macros::format_description;

use super::{ACCESS_KEY, SECRET_KEY, Server};
use crate::http::send;
use crate::store::{MEDIA, REGION, object_files};

/// Returns the body that posts `content` with a form for `key`, signed at `signed_at`.
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
    send(address, &head, body).await
}

#[tokio::test]
async fn a_form_signed_hours_ago_stores_the_file_and_returns_its_url() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let key = "Alba/0/ä b.webm";
    let signed_at = OffsetDateTime::now_utc() - Duration::from_hours(3);
    let response = post(server.address, &form(key, b"video", signed_at)).await;
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
    let form = form("x.webm", &content, OffsetDateTime::now_utc());
    let response = post(server.address, &form).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
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
        let response = post(server.address, &body).await;
        let status = format!("HTTP/1.1 {status}");
        assert!(response.starts_with(&status), "{code}: {response}");
        let code = format!("<Code>{code}</Code>");
        assert!(response.contains(&code), "{code}: {response}");
    }
    assert_eq!(object_files(dir.path()), 0);
    assert_eq!(server.queued(), 0);
    let response = post(server.address, good.as_bytes()).await;
    assert!(response.starts_with("HTTP/1.1 201"), "{response}");
}
