//! The event queues: in place of S3 notifications, SNS and EventBridge's targets, and of Lambda's asynchronous
//! invocation.
//!
//! [`enqueue`] adds an event in the transaction that causes it; [`deliver`] hands it to its receiver, the events
//! function or the webhook, with retries, and writes events that failed every time to a dead-letter file.

mod dead_letter;
mod delivery;
mod table;
#[cfg(test)]
mod tests;

pub use delivery::{DeliveryConfig, deliver};
pub use table::{Queue, SCHEMA, enqueue, enqueue_in};
