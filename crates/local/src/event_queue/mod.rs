//! The event queue: in place of S3 notifications, SNS and EventBridge, and of Lambda's asynchronous invocation.
//!
//! [`enqueue`] adds an event in the transaction that causes it; [`deliver`] invokes the function with Lambda's retries
//! and writes events that failed every time to the dead-letter file.

mod dead_letter;
mod delivery;
mod table;
#[cfg(test)]
mod tests;

pub use delivery::{DeliveryConfig, deliver};
pub use table::{SCHEMA, enqueue};
