//! Recording what a transcoder's events say. They come at least once, in any order, also before our own record of the
//! submission.

use std::time::SystemTime;

use super::{RecordId, Table, transitions};
use crate::Error;
use crate::job::JobEvent;

impl Table {
    /// Applies a job's event to its record. False when the event changes nothing: a newer upload is known, the record
    /// is ready, or another job is at work for this upload.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn job_changed(&self, id: &RecordId, event: &JobEvent, now: SystemTime) -> Result<bool, Error> {
        self.apply(id, transitions::job_changed(event, now)).await
    }
}
