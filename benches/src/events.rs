//! The events that contestants are invoked with.

use std::io;
use std::sync::Arc;

use serde_json::{Value, json};

/// Returns the request of an upload form as the event of an HTTP API (payload version 2.0).
pub fn form_event() -> Arc<[u8]> {
    bytes(&http_api_event())
}

/// Returns the same event with a body of so many bytes.
pub fn form_event_of(length: usize) -> Arc<[u8]> {
    let mut event = http_api_event();
    event["body"] = json!("x".repeat(length));
    bytes(&event)
}

/// Returns the request of the admin's list.
pub fn videos_event() -> Arc<[u8]> {
    let mut event = http_api_event();
    event["rawPath"] = json!("/videos");
    event["requestContext"]["http"]["path"] = json!("/videos");
    event["rawQueryString"] = json!("");
    event["headers"]["authorization"] = json!("Basic YWRtaW46bG9jYWw=");
    bytes(&event)
}

/// Returns the request of an upload form as the event of a Chalice app's REST API.
pub fn rest_form_event() -> Arc<[u8]> {
    let event = serde_json::from_str(include_str!("../../tests/fixtures/rest_api_v1.json"));
    let mut event: Value = event.unwrap_or_default();
    event["resource"] = json!("/presignedurl/{project}/{step}");
    event["requestContext"]["resourcePath"] = json!("/presignedurl/{project}/{step}");
    event["pathParameters"] = json!({ "project": "testProject", "step": "0" });
    bytes(&event)
}

/// Returns S3's event of one upload.
pub fn upload_event() -> Arc<[u8]> {
    include_bytes!("../../crates/events/fixtures/s3_object_created.json").as_slice().into()
}

/// Returns an event of S3 with a member of so many bytes that no function reads.
pub fn padded(event: &[u8], length: usize) -> io::Result<Arc<[u8]>> {
    let mut event: Value = serde_json::from_slice(event).map_err(io::Error::other)?;
    event["Records"][0]["responseElements"]["x-amz-id-2"] = json!("x".repeat(length));
    Ok(bytes(&event))
}

fn http_api_event() -> Value {
    serde_json::from_str(include_str!("../../tests/fixtures/http_api_v2.json")).unwrap_or_default()
}

fn bytes(event: &Value) -> Arc<[u8]> {
    event.to_string().into_bytes().into()
}
