//! The events with which API Gateway and a function URL invoke the API function.

use serde_json::{Value, json};

/// Returns the event of an HTTP API (payload version 2.0).
pub fn http_api() -> Value {
    parse(include_str!("../fixtures/http_api_v2.json"))
}

/// Returns the event of a REST API (payload version 1.0).
pub fn rest_api() -> Value {
    parse(include_str!("../fixtures/rest_api_v1.json"))
}

/// Returns the event of a function URL.
pub fn function_url() -> Value {
    parse(include_str!("../fixtures/function_url.json"))
}

/// Returns whether this is an event of payload version 2.0.
pub fn is_version_2(event: &Value) -> bool {
    event.get("rawPath").is_some()
}

/// Points an event at another path and query, as its kind of gateway writes them.
pub fn at_path(mut event: Value, path: &str, query: &str) -> Value {
    if is_version_2(&event) {
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        event["rawQueryString"] = json!(query);
    } else {
        event["path"] = json!(path);
        event["requestContext"]["path"] = json!(format!("/api{path}"));
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let single = pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        let multiple = pairs.iter().map(|(name, value)| ((*name).to_owned(), json!([value]))).collect();
        event["queryStringParameters"] = Value::Object(single);
        event["multiValueQueryStringParameters"] = Value::Object(multiple);
    }
    event
}

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
