//! Recording that a form was issued.

use std::time::SystemTime;

use super::{RecordId, SERVICE, Table, transitions};
use crate::Error;
use crate::ids::ObjectKey;

impl Table {
    /// Records that a form for `key` was issued. A repeated request never resets a state.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then no form may be issued either.
    pub async fn record_form(&self, id: &RecordId, key: &ObjectKey, now: SystemTime) -> Result<(), Error> {
        let update = self.update(id, transitions::form_issued(key, now)).send().await;
        update.map(|_| ()).map_err(|error| Error::unavailable(SERVICE, "UpdateItem", &error))
    }
}
