//! Objects as the index knows them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

/// The headers and user metadata that S3 stores with an object and returns with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// `Content-Type`; S3 returns `binary/octet-stream` for an object without one.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `x-amz-meta-*`, the names without that prefix and in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The file of its bytes. It never changes and is unlinked when the object is replaced or deleted; readers that
    /// have it open still read the old bytes.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// The MD5 of the bytes in lower-case hex, without quotes; after a multipart upload, the MD5 of the parts' MD5s
    /// and `-N`.
    pub etag: String,
    /// When it was committed, to the millisecond.
    pub last_modified: SystemTime,
    /// 18 upper-case hex digits that grow with every commit.
    pub sequencer: String,
    /// Headers and user metadata.
    pub attributes: Attributes,
}
