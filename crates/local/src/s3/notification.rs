//! The event that S3 sends to Lambda when an object was created.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::store::Object;
use crate::events::rfc3339;

/// What S3 leaves as it is in a key of an event; a space becomes `+`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// Which bucket's new objects are told to the events function.
#[derive(Clone, Debug)]
pub struct Notify {
    /// The bucket; others are silent.
    pub bucket: String,
    /// `awsRegion` of the events, and where every bucket says it is.
    pub region: String,
}

/// How an object came to be: the last word of S3's event name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// `PutObject`.
    Put,
    /// A browser's form.
    Post,
    /// `CopyObject`.
    Copy,
    /// `CompleteMultipartUpload`.
    CompleteMultipartUpload,
}

impl Notify {
    /// The event that tells of `object`, if its bucket is the one to tell about; see
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
    pub(super) fn event(&self, bucket: &str, key: &str, object: &Object, cause: Cause) -> Option<Value> {
        (bucket == self.bucket).then(|| {
            let request = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
            json!({"Records": [{
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": self.region,
                "eventTime": rfc3339(object.last_modified),
                "eventName": format!("ObjectCreated:{cause:?}"),
                "userIdentity": {"principalId": "AWS:LOCAL"},
                "requestParameters": {"sourceIPAddress": "127.0.0.1"},
                "responseElements": {"x-amz-request-id": request.get(..16), "x-amz-id-2": request},
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "video-local",
                    "bucket": {
                        "name": bucket,
                        "ownerIdentity": {"principalId": "LOCAL"},
                        "arn": format!("arn:aws:s3:::{bucket}"),
                    },
                    "object": {
                        "key": form_urlencoded(key),
                        "size": object.size,
                        "eTag": object.etag,
                        "sequencer": object.sequencer,
                    },
                },
            }]})
        })
    }
}

/// The key as S3 writes it into an event: `a b+c/d.webm` becomes `a+b%2Bc/d.webm`.
fn form_urlencoded(key: &str) -> String {
    utf8_percent_encode(key, PLAIN).to_string().replace("%20", "+")
}
