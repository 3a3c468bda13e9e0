//! Signatures, presigned URLs and CORS.

use std::time::Duration;

use aws_sdk_s3::presigning::PresigningConfig;
use tempfile::TempDir;

use super::{Server, client, status_and_code};
use crate::http::send;
use crate::store::MEDIA;

#[tokio::test]
async fn requests_without_a_valid_signature_are_rejected() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    server.put("x", b"secret").await;
    let forged = client(server.address, "another secret");
    let forged = forged.get_object().bucket(MEDIA).key("x").send().await;
    assert_eq!(status_and_code(forged), (403, "SignatureDoesNotMatch".to_owned()));
    for request in ["GET /media/x", "GET /media", "GET /", "PUT /media/y", "DELETE /media/x"] {
        let head =
            format!("{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", server.address);
        let response = send(server.address, &head, b"").await;
        assert!(response.starts_with("HTTP/1.1 403"), "{request}: {response}");
        assert!(response.contains("<Code>AccessDenied</Code>"), "{response}");
    }
    assert_eq!(server.get("x").await, b"secret");
}

#[tokio::test]
async fn a_presigned_url_plays_in_a_browser_and_overrides_headers() {
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
    let response = send(address, &head, b"").await;
    assert!(response.starts_with("HTTP/1.1 206"), "{response}");
    for header in [
        "content-type: video/mp4\r\n",
        "content-disposition: attachment; filename=\"x.mp4\"\r\n",
        "access-control-allow-origin: *\r\n",
    ] {
        assert!(response.contains(header), "{response}");
    }
    assert!(response.ends_with("\r\n\r\n01"), "{response}");
}

#[tokio::test]
async fn browsers_may_upload_from_any_origin() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let preflights = [
        // A form, and one whose progress is shown.
        ("/media", "POST", "x-any"),
        ("/media/a%20b.webm?partNumber=1&uploadId=x", "PUT", "content-type,x-amz-checksum-crc32"),
        ("/media/a%20b.webm", "GET", "range"),
    ];
    for (path, method, headers) in preflights {
        let head = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nOrigin: https://page.example\r\n\
             Access-Control-Request-Method: {method}\r\nAccess-Control-Request-Headers: {headers}\r\n\r\n",
            server.address
        );
        let response = send(server.address, &head, b"").await;
        assert!(response.starts_with("HTTP/1.1 200"), "{response}");
        for header in [
            "access-control-allow-origin: *\r\n",
            "access-control-allow-methods: GET,HEAD,PUT,POST\r\n",
            &format!("access-control-allow-headers: {headers}\r\n"),
        ] {
            assert!(response.contains(header), "{method}: {response}");
        }
    }
}
