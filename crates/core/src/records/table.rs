//! The client of the table: reading one record, and applying a transition.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_types::SdkConfig;

use super::item::{Item, from_item};
use super::record::{Record, RecordId};
use super::update::Update;
use crate::Error;

pub(super) const SERVICE: &str = "DynamoDB";
pub(super) const VIDEO_INDEX: &str = "video-index";
pub(super) const STATUS_INDEX: &str = "status-index";
pub(super) const PROJECT_INDEX: &str = "project-index";
pub(super) const STEP_INDEX: &str = "step-index";
pub(super) const MAIL_INDEX: &str = "mail-list-index";
pub(super) const OUTBOX_INDEX: &str = "outbox-index";
/// How long a start may wait for DynamoDB.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The DynamoDB table of records.
#[derive(Debug, Clone)]
pub struct Table {
    pub(super) client: Client,
    pub(super) name: String,
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
    pub(super) async fn apply(&self, id: &RecordId, transition: Update) -> Result<bool, Error> {
        condition_met(self.update(id, transition).send().await)
    }

    /// Returns the request of a transition.
    pub(super) fn update(&self, id: &RecordId, transition: Update) -> UpdateItemFluentBuilder {
        transition.into_request(self.client.update_item().table_name(&self.name).set_key(Some(id.to_key())))
    }
}

/// Returns whether a write failed by its condition alone.
pub(super) fn condition_failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> bool {
    error.as_service_error().and_then(ProvideErrorMetadata::code) == Some("ConditionalCheckFailedException")
}

/// Returns the record that a condition failed on; there is none when the record does not exist.
pub(super) fn stored_item(error: UpdateItemError) -> Option<Item> {
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
