//! An upload, as S3 announces it. Records and the events function both stand on this.

use std::time::SystemTime;

use crate::ids::{ObjectKey, Sequencer};

/// What an S3 event says of an upload.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The object's key.
    pub key: ObjectKey,
    /// Which upload of that key.
    pub sequencer: Sequencer,
    /// The object's size in bytes.
    pub size: u64,
    /// When S3 received it.
    pub uploaded_at: SystemTime,
}
