//! The dead-letter file: one line of JSON for each event that failed every time.

use std::io;
use std::path::Path;
use std::time::SystemTime;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::table::Event;
use crate::timestamps::rfc3339_millis;

/// Appends the record that Lambda sends to a function's on-failure destination.
///
/// # Errors
/// When the file cannot be written.
pub(super) async fn write_dead_letter(
    file: &Path,
    function_arn: &str,
    event: &Event,
    error_message: &str,
) -> io::Result<()> {
    let record = json!({
        "version": "1.0",
        "timestamp": rfc3339_millis(SystemTime::now()),
        "requestContext": {
            "requestId": event.request_id,
            "functionArn": function_arn,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": event.attempts,
        },
        "requestPayload": event.payload,
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "responsePayload": {"errorMessage": error_message},
    });
    let mut file = tokio::fs::OpenOptions::new().create(true).append(true).open(file).await?;
    file.write_all(format!("{record}\n").as_bytes()).await?;
    file.sync_data().await
}
