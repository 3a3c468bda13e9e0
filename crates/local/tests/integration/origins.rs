//! Web pages: those of this machine may use every port, foreign ones none.

use std::net::SocketAddr;

use tempfile::TempDir;
use video_local::{Description, Options, System};

use crate::http::send;

async fn start(dir: &TempDir, allowed: &[&str]) -> System {
    let mut options = Options::new(dir.path());
    options.allowed_origins = allowed.iter().map(|origin| origin.parse().unwrap()).collect();
    System::start(options).await.unwrap()
}

fn ports(description: &Description) -> Vec<SocketAddr> {
    let Description { api, s3, dynamodb, transcoder, .. } = description;
    [api, s3, dynamodb, transcoder].map(|url| url.strip_prefix("http://").unwrap().parse().unwrap()).to_vec()
}

/// Sends a request with these headers, and returns whether the port refuses pages like its sender.
async fn is_refused(port: SocketAddr, method: &str, host: &str, origin: Option<&str>) -> bool {
    let origin = origin.map(|origin| format!("Origin: {origin}\r\n")).unwrap_or_default();
    let head = format!("{method} / HTTP/1.1\r\nHost: {host}\r\n{origin}Connection: close\r\nContent-Length: 0\r\n\r\n");
    let response = send(port, &head, b"").await;
    assert!(response.starts_with("HTTP/1.1 "), "{response}");
    let is_ours = response.ends_with("--allow-origin allows it.\n") || response.contains("must name this machine");
    assert_eq!(is_ours, response.starts_with("HTTP/1.1 403 ") && !response.contains("AccessDenied"), "{response}");
    is_ours
}

#[tokio::test]
async fn every_port_refuses_foreign_pages_and_names_that_were_pointed_here() {
    let dir = TempDir::new().unwrap();
    let system = start(&dir, &[]).await;
    for port in ports(system.description()) {
        let here = port.to_string();
        for method in ["GET", "POST", "OPTIONS"] {
            for origin in ["https://evil.example", "http://127.0.0.1.evil.example:9000", "null"] {
                assert!(is_refused(port, method, &here, Some(origin)).await, "{method} {origin}");
            }
            for host in ["evil.example", &format!("evil.example:{}", port.port())] {
                assert!(is_refused(port, method, host, None).await, "{method} {host}");
                assert!(is_refused(port, method, host, Some(&format!("http://{host}"))).await, "{method} {host}");
            }
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn every_port_serves_pages_of_this_machine_and_programs_without_an_origin() {
    let dir = TempDir::new().unwrap();
    let system = start(&dir, &[]).await;
    for port in ports(system.description()) {
        for host in [port.to_string(), format!("localhost:{}", port.port())] {
            for origin in
                [None, Some("http://localhost:3000"), Some("http://127.0.0.1:5173"), Some("http://[::1]:3000")]
            {
                assert!(!is_refused(port, "GET", &host, origin).await, "{host} {origin:?}");
            }
        }
    }
    system.stop().await;
}

#[tokio::test]
async fn further_origins_can_be_allowed() {
    let dir = TempDir::new().unwrap();
    let system = start(&dir, &["https://example.com"]).await;
    for port in ports(system.description()) {
        let here = port.to_string();
        assert!(!is_refused(port, "GET", &here, Some("https://example.com")).await);
        assert!(is_refused(port, "GET", &here, Some("http://example.com")).await);
        assert!(is_refused(port, "GET", "example.com", Some("https://example.com")).await);
    }
    system.stop().await;
}
