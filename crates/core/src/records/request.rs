//! Writing down that somebody asked for a form.

use std::time::SystemTime;

use super::{RecordId, SERVICE, Status, Table, s};
use crate::Error;
use crate::key::ObjectKey;
use crate::time::rfc3339;

impl Table {
    /// Records that a form for `key` was asked for. Asking again never resets a state.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then nothing is promised to the client either.
    pub async fn request(&self, id: &RecordId, key: &ObjectKey, now: SystemTime) -> Result<(), Error> {
        let update = self
            .update(id)
            .update_expression(
                "SET video = :key, requestedAt = :now, updatedAt = :now, #status = if_not_exists(#status, :requested)",
            )
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":key", s(key.as_str()))
            .expression_attribute_values(":now", s(rfc3339(now)))
            .expression_attribute_values(":requested", s(Status::Requested.as_str()));
        update.send().await.map_err(|error| Error::unavailable(SERVICE, "UpdateItem", &error))?;
        Ok(())
    }
}
