//! MediaConvert's errors.

use axum::http::StatusCode;

use crate::aws_json::ApiError;

pub(super) fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::BAD_REQUEST, "BadRequestException", message)
}

/// Returns the error for a value that breaks a rule; `path` leads to it.
pub(super) fn bad_value(path: &str, rule: &str) -> ApiError {
    bad_request(format!("{path}: {rule}"))
}

pub(super) fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "ConflictException", message)
}

pub(super) fn not_found(what: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "NotFoundException", format!("The {what} does not exist."))
}
