//! Failures of calls to AWS, described without anything that a person typed.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

/// A call to AWS that failed, or an answer that cannot be used. A later retry may succeed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service failed, throttled, refused or could not be reached.
    #[error("{service} {operation}: {reason}")]
    Unavailable {
        /// The AWS service.
        service: &'static str,
        /// The operation as its API names it.
        operation: &'static str,
        /// The service's own code and message, or the transport's.
        reason: String,
    },
    /// A stored item does not have the shape of a record.
    #[error("an item of the table is not a record: {0}")]
    Malformed(String),
    /// No usable credentials or no region for signing.
    #[error("AWS credentials cannot be used: {0}")]
    Credentials(String),
}

impl Error {
    /// Returns the error of an operation that failed, described as [`describe`] does.
    pub fn unavailable<E>(service: &'static str, operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        Self::Unavailable { service, operation, reason: describe(error) }
    }
}

/// Returns one line for the log: code and message of the service, or the chain of transport errors.
///
/// The SDK's own `DisplayErrorContext` also prints the raw answer, and the answer to a failed condition holds the item
/// with its mail.
pub fn describe<E>(error: &SdkError<E, HttpResponse>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    if let Some(service) = error.as_service_error() {
        let status = error.raw_response().map_or(0, |response| response.status().as_u16());
        let code = service.code().unwrap_or("unknown error");
        return format!("{code} ({status}): {}", service.message().unwrap_or("no message"));
    }
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        line.push_str(": ");
        line.push_str(&cause.to_string());
        source = cause.source();
    }
    line
}
