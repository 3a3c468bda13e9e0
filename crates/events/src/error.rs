//! Why an event failed; Lambda then retries it.

use lambda_runtime::Diagnostic;

/// Why an event failed, at least in part. Lambda retries it, and in the end keeps it in the dead-letter queue.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A call to AWS failed.
    #[error(transparent)]
    Aws(#[from] video_core::Error),
    /// Another invocation is at work on this upload.
    #[error("another invocation holds the lease of {0}")]
    LeaseHeld(String),
    /// The record was deleted while the event was handled.
    #[error("the record of {0} was deleted")]
    RecordDeleted(String),
    /// The function's deadline came before the event was done.
    #[error("the deadline was reached before the event was done")]
    DeadlineReached,
    /// Some messages of an event failed; the others are done.
    #[error("{failed} of {all} messages failed, the first one: {first}")]
    Partial {
        /// How many failed.
        failed: usize,
        /// How many there were.
        all: usize,
        /// The error of the first one that failed.
        first: String,
    },
}

impl From<Error> for Diagnostic {
    fn from(error: Error) -> Self {
        Self { error_type: "EventNotHandled".to_owned(), error_message: error.to_string() }
    }
}
