//! The table of records: one item for each person's video of a step, from the first form to the playable result.
//!
//! [`transitions`] declares every write.

mod backfill;
mod batch_get;
mod counts;
mod erase;
mod find;
mod form;
mod job;
mod list;
mod outbox;
mod query;
mod record;
mod schema;
mod stuck;
#[cfg(test)]
mod tests;
mod transitions;
mod update;
mod upload;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;

use crate::Error;

pub use backfill::SEGMENTS;
pub use counts::Counts;
pub use job::Applied;
pub use list::{Cursor, Entry, Filter, Page};
pub use outbox::{Owed, SHARDS};
pub use record::{Record, RecordId, Status};
pub use stuck::NotRetryable;
pub use upload::{Claim, Upload};

use update::Update;

const SERVICE: &str = "DynamoDB";
const VIDEO_INDEX: &str = "video-index";
const STATUS_INDEX: &str = "status-index";
const PROJECT_INDEX: &str = "project-index";
const STEP_INDEX: &str = "step-index";
const MAIL_INDEX: &str = "mail-list-index";
const OUTBOX_INDEX: &str = "outbox-index";
/// How long a start may wait for DynamoDB.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The DynamoDB table of records.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// Creates a client of the table `name`; nothing is sent yet.
    #[must_use]
    pub fn new(aws: &SdkConfig, name: &str) -> Self {
        Self { client: Client::new(aws), name: name.to_owned() }
    }

    /// Opens the connection to DynamoDB with the cheapest request there is, a read of a record that cannot exist. Gives
    /// up after a second and reports no failure: the first real request does.
    pub async fn connect(&self) {
        let nobody = RecordId { project_step: "-".to_owned(), mail: "-".to_owned() };
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, self.get(&nobody)).await;
    }

    /// Reads one record, consistently.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Malformed`] when the item is no record.
    pub async fn get(&self, id: &RecordId) -> Result<Option<Record>, Error> {
        let get = self.client.get_item().table_name(&self.name).set_key(Some(id.to_key())).consistent_read(true);
        let answer = get.send().await.map_err(|error| Error::unavailable(SERVICE, "GetItem", &error))?;
        answer.item.map(from_item).transpose()
    }

    /// Applies a transition; false when its condition was not met.
    async fn apply(&self, id: &RecordId, transition: Update) -> Result<bool, Error> {
        condition_met(self.update(id, transition).send().await)
    }

    fn update(&self, id: &RecordId, transition: Update) -> UpdateItemFluentBuilder {
        transition.into_request(self.client.update_item().table_name(&self.name).set_key(Some(id.to_key())))
    }
}

type Item = std::collections::HashMap<String, AttributeValue>;

fn from_item<T: serde::de::DeserializeOwned>(item: Item) -> Result<T, Error> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| Error::Malformed(error.to_string()))
}

fn from_items<T: serde::de::DeserializeOwned>(items: Option<Vec<Item>>) -> Result<Vec<T>, Error> {
    items.unwrap_or_default().into_iter().map(from_item).collect()
}

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Returns whether a write failed by its condition alone.
fn condition_failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalCheckFailedException")
}

/// Returns the record that a condition failed on; there is none when the record does not exist.
fn stored_item(error: UpdateItemError) -> Option<Item> {
    match error {
        UpdateItemError::ConditionalCheckFailedException(failed) => failed.item,
        _ => None,
    }
}

/// Returns whether the condition of a write was met.
fn condition_met<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> Result<bool, Error>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match result {
        Ok(_) => Ok(true),
        Err(error) if condition_failed(&error) => Ok(false),
        Err(error) => Err(Error::unavailable(SERVICE, "UpdateItem", &error)),
    }
}
