//! Authentication and unknown operations.

use aws_sdk_elastictranscoder::error::ProvideErrorMetadata as _;

use super::Local;
use crate::http::send;

#[tokio::test]
async fn only_requests_with_the_access_key_are_served() {
    let local = Local::start().await;
    let error = local.elastictranscoder_as("stranger").list_pipelines().send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    let get = |path: &str, header: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{header}Connection: close\r\n\r\n", local.address)
    };
    let cases = [
        (get("/2012-09-25/pipelines", ""), "403 Forbidden", "MissingAuthenticationTokenException"),
        (get("/2017-08-29/jobs", ""), "403 Forbidden", "MissingAuthenticationTokenException"),
        (get("/2017-08-29/jobs", "Authorization: Basic eA==\r\n"), "400 Bad Request", "IncompleteSignatureException"),
        (get("/2012-09-25/nothing", ""), "404 Not Found", "UnknownOperationException"),
        (get("/", ""), "404 Not Found", "UnknownOperationException"),
        (get("/2012-09-25/jobs", ""), "404 Not Found", "UnknownOperationException"),
    ];
    for (request, status, code) in cases {
        let response = send(local.address, &request, b"").await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}{response}");
        assert!(response.contains(&format!("\r\nx-amzn-errortype: {code}\r\n")), "{request}{response}");
    }
}
