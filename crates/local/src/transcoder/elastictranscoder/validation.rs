//! Elastic Transcoder's errors and the rules of its fields.

use axum::http::StatusCode;
use rusqlite::Connection;

use crate::aws_json::ApiError;
use crate::transcoder::pipelines::{self, Pipeline};

/// Returns a `ValidationException`.
pub(super) fn invalid(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "ValidationException", message)
}

/// Returns a `ResourceNotFoundException` for a job or a pipeline of the account.
pub(super) fn not_found(account: &str, what: &str, id: &str) -> ApiError {
    let message = format!("The specified {what} was not found: account={account}, {what}Id={id}.");
    ApiError::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
}

/// Returns the error for a missing field.
pub(super) fn missing(field: &str) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
    ))
}

/// Returns the error for a field over its maximum length.
pub(super) fn too_long(field: &str, max: usize) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length less \
         than or equal to {max}"
    ))
}

/// Returns a field that must be present.
pub(super) fn required(value: Option<String>, field: &str) -> Result<String, ApiError> {
    value.ok_or_else(|| missing(field))
}

/// Returns a field of 1 to `max` characters.
pub(super) fn text<'a>(value: Option<&'a str>, field: &str, max: usize) -> Result<&'a str, ApiError> {
    let value = value.ok_or_else(|| missing(field))?;
    if value.is_empty() {
        return Err(violated(value, field, "Member must have length greater than or equal to 1"));
    }
    if value.chars().count() > max {
        return Err(too_long(field, max));
    }
    Ok(value)
}

/// Returns an error unless the ID has AWS's form: 13 digits, a hyphen, 6 letters or digits.
pub(super) fn check_id(id: &str, field: &str) -> Result<(), ApiError> {
    let is_id = id.split_once('-').is_some_and(|(time, suffix)| {
        time.len() == 13
            && time.bytes().all(|b| b.is_ascii_digit())
            && suffix.len() == 6
            && suffix.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if is_id {
        return Ok(());
    }
    Err(violated(id, field, r"Member must satisfy regular expression pattern: ^\d{13}-\w{6}$"))
}

/// Looks up a pipeline that must exist.
pub(super) fn find_pipeline(account: &str, db: &Connection, id: &str) -> Result<Pipeline, ApiError> {
    check_id(id, "pipelineId")?;
    pipelines::find(db, id)?.ok_or_else(|| not_found(account, "pipeline", id))
}

fn violated(value: &str, field: &str, constraint: &str) -> ApiError {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {constraint}"
    ))
}
