//! What holds for every response of the API.

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::{Method, Request, Response, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use tower::ServiceExt;
use video_core::ids::ObjectKey;

#[derive(Debug)]
pub struct Received {
    pub status: StatusCode,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// Sends a request to the API and receives the whole response.
pub async fn send<B>(api: &Router, request: Request<B>) -> Received
where
    B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    let response: Response<Body> = api.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = value.to_str().unwrap_or_else(|_| panic!("{name} is not printable ASCII: {value:?}"));
        (name.to_string(), value.to_owned())
    });
    let headers = headers.collect();
    Received { status: parts.status, headers, body: to_bytes(body, usize::MAX).await.unwrap() }
}

impl Received {
    fn is_about_a_link(&self) -> bool {
        String::from_utf8_lossy(&self.body).contains("the upload link is invalid or has expired")
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// Every header that the API sends; any other one was injected.
const HEADERS: [&str; 18] = [
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "etag",
    "link",
    "permissions-policy",
    "referrer-policy",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];

/// Checks what holds for every response while all AWS services respond.
pub fn check_response(method: &Method, response: &Received) -> Result<(), TestCaseError> {
    prop_assert!(response.status.as_u16() < 500, "{response:?}");
    for (name, _) in &response.headers {
        prop_assert!(HEADERS.contains(&name.as_str()), "unexpected header {name}: {response:?}");
    }
    prop_assert_eq!(response.header("access-control-allow-origin"), Some("*"));
    prop_assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
    let is_method_error = response.status == StatusCode::METHOD_NOT_ALLOWED;
    prop_assert!(response.header("allow").is_some() == is_method_error || method == Method::OPTIONS, "{response:?}");
    // A login is of no use to whoever has an invalid upload link.
    let is_unauthorized = response.status == StatusCode::UNAUTHORIZED;
    let asks_for_login = response.header("www-authenticate").is_some();
    prop_assert!(is_unauthorized || !asks_for_login, "{response:?}");
    let has_body = method != Method::HEAD;
    prop_assert!(!is_unauthorized || !has_body || asks_for_login != response.is_about_a_link(), "{response:?}");
    if let Some(link) = response.header("link") {
        let inside = link.strip_prefix("</").and_then(|rest| rest.strip_suffix(">; rel=\"next\""));
        prop_assert!(inside.is_some_and(|url| !url.contains(['<', '>', '"', ' ', ','])), "{link}");
    }
    if method == Method::HEAD {
        prop_assert!(response.body.is_empty());
        return Ok(());
    }
    if response.status.is_client_error() {
        return check_error(response);
    }
    if response.header("content-type") == Some("application/json") {
        let body: Value =
            serde_json::from_slice(&response.body).map_err(|error| TestCaseError::fail(error.to_string()))?;
        if let Some(fields) = body.get("fields") {
            check_form(fields)?;
        }
    }
    Ok(())
}

fn check_error(response: &Received) -> Result<(), TestCaseError> {
    let code = match response.status.as_u16() {
        400 => "BadRequestError",
        401 => "UnauthorizedError",
        403 => "ForbiddenError",
        404 => "NotFoundError",
        405 => "MethodNotAllowedError",
        409 => "ConflictError",
        _ => return Err(TestCaseError::fail(format!("the status is not in the contract: {response:?}"))),
    };
    prop_assert_eq!(response.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&response.body).unwrap_or_default();
    let repeated = usize::from(body["message"] == body["Message"]);
    prop_assert_eq!(body.as_object().map(serde_json::Map::len), Some(2 + repeated), "{:?}", response);
    prop_assert_eq!(&body["Code"], code);
    let message = body["Message"].as_str().unwrap_or_default();
    prop_assert!(!message.is_empty() && message.is_ascii() && message.len() < 200, "{message}");
    Ok(())
}

/// Checks that a form's key has only valid characters, is the key of the policy, and that events with this key are
/// recognized.
fn check_form(fields: &Value) -> Result<(), TestCaseError> {
    let key = fields["key"].as_str().unwrap_or_default();
    let parts: Vec<&str> = key.split('/').collect();
    let [project, step, file] = parts[..] else {
        return Err(TestCaseError::fail(format!("{key} does not have three parts")));
    };
    let in_project = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    prop_assert!(project.starts_with(|c: char| c.is_ascii_alphanumeric()) && project.len() <= 64, "{key}");
    prop_assert!(project.chars().all(in_project), "{key}");
    prop_assert!(step.parse::<i64>().is_ok_and(|number| number.to_string() == step), "{key}");
    let (hash, extension) = file.split_once('.').unwrap_or_default();
    prop_assert!(hash.len() == 20 && hash.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{key}");
    let content_type = match extension {
        "webm" => "video/webm",
        "mp4" => "video/mp4",
        "mov" => "video/quicktime",
        _ => return Err(TestCaseError::fail(format!("{key} has an unknown extension"))),
    };
    prop_assert_eq!(&fields["Content-Type"], content_type);
    let object = ObjectKey::from_event(key).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(object.as_str(), key, "the event has another key than the form");
    prop_assert!(object.upload_prefix().is_some() && object.is_video(), "{key}");

    let policy = BASE64_STANDARD.decode(fields["policy"].as_str().unwrap_or_default()).unwrap_or_default();
    let policy: Value = serde_json::from_slice(&policy).unwrap_or_default();
    let conditions = policy["conditions"].as_array().cloned().unwrap_or_default();
    for (name, value) in fields.as_object().into_iter().flatten() {
        if name != "policy" && name != "x-amz-signature" {
            prop_assert!(conditions.contains(&json!({ name: value })), "{name} has no condition: {policy}");
        }
    }
    Ok(())
}
