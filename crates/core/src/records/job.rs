//! Recording what a transcoder's events say. They come at least once, in any order, also before our own record of the
//! submission.

use std::time::SystemTime;

use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use super::item::from_item;
use super::record::{Record, RecordId};
use super::table::{SERVICE, Table, condition_failed, stored_item};
use super::transitions;
use crate::Error;
use crate::job::JobEvent;

/// What became of a job's event.
#[derive(Debug)]
pub struct Applied {
    /// Whether the event changed the record. If not, a newer upload is known, the record is ready or being erased, or
    /// another job is at work for this upload.
    pub changed: bool,
    /// The record as it is now; `None` when it was deleted.
    pub record: Option<Record>,
}

impl Table {
    /// Applies a job's event to its record.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_changed(&self, id: &RecordId, event: &JobEvent, now: SystemTime) -> Result<Applied, Error> {
        let update = self
            .update(id, transitions::job_changed(id, event, now))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let (changed, item) = match update.send().await {
            Ok(answer) => (true, answer.attributes),
            Err(error) if condition_failed(&error) => (false, stored_item(error.into_service_error())),
            Err(error) => return Err(Error::unavailable(SERVICE, "UpdateItem", &error)),
        };
        Ok(Applied { changed, record: item.map(from_item).transpose()? })
    }
}
