//! The event that S3 sends to Lambda when an object was created.

use serde_json::{Value, json};

use super::object::Object;
use super::percent_encoding::form_urlencode;
use crate::timestamps::rfc3339_millis;

/// The bucket notification: which bucket's new objects cause events.
#[derive(Clone, Debug)]
pub struct NotificationConfig {
    /// The bucket; others send nothing.
    pub bucket: String,
    /// `awsRegion` of the events.
    pub region: String,
}

/// How an object was created: the part of S3's event name after `ObjectCreated:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventName {
    /// `PutObject`.
    Put,
    /// An upload form.
    Post,
    /// `CopyObject`.
    Copy,
    /// `CompleteMultipartUpload`.
    CompleteMultipartUpload,
}

impl NotificationConfig {
    /// Returns the event for `object` if its bucket sends events; see
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
    pub(super) fn event(&self, bucket: &str, key: &str, object: &Object, event_name: EventName) -> Option<Value> {
        (bucket == self.bucket).then(|| {
            let request = uuid::Uuid::new_v4().simple().to_string().to_uppercase();
            json!({"Records": [{
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": self.region,
                "eventTime": rfc3339_millis(object.last_modified),
                "eventName": format!("ObjectCreated:{event_name:?}"),
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
                        "key": form_urlencode(key),
                        "size": object.size,
                        "eTag": object.etag,
                        "sequencer": object.sequencer,
                    },
                },
            }]})
        })
    }
}
