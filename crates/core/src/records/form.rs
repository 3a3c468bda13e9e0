//! Recording that a form was issued.

use std::time::SystemTime;

use super::record::RecordId;
use super::table::Table;
use super::transitions;
use crate::Error;
use crate::ids::ObjectKey;

impl Table {
    /// Records that a form for `key` was issued; false when the record is being erased. A repeated request never resets
    /// a state.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: then no form may be issued either.
    pub async fn record_form(&self, id: &RecordId, key: &ObjectKey, now: SystemTime) -> Result<bool, Error> {
        self.apply(id, transitions::form_issued(id, key, now)).await
    }

    /// The same for a record that must be there already, since it was written with an upload link; false when it was
    /// erased.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn renew_form(&self, id: &RecordId, key: &ObjectKey, now: SystemTime) -> Result<bool, Error> {
        self.apply(id, transitions::form_renewed(id, key, now)).await
    }
}
