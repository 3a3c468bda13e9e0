//! The URLs and logins of a running system.

use serde::Serialize;

use super::environment::{ACCESS_KEY_ID, Environment, MEDIA_BUCKET, OUTPUT_BUCKET, REGION, SECRET_ACCESS_KEY, TABLE};
use super::listeners::{Listeners, url};

/// The URLs and logins: the content of the ready file.
#[derive(Debug, Clone, Serialize)]
pub struct Description {
    /// The API's URL.
    pub api: String,
    /// The S3 endpoint.
    pub s3: String,
    /// The DynamoDB endpoint.
    pub dynamodb: String,
    /// The endpoint of both transcoders.
    pub transcoder: String,
    /// The EventBridge endpoint.
    pub eventbridge: String,
    /// The region of everything.
    pub region: &'static str,
    /// The access key ID.
    pub access_key_id: &'static str,
    /// The secret access key.
    pub secret_access_key: &'static str,
    /// The bucket that browsers upload to.
    pub media_bucket: &'static str,
    /// The bucket of the results.
    pub output_bucket: &'static str,
    /// The table of records.
    pub table: &'static str,
    /// The admin's login.
    pub admin: Login,
}

/// The admin's login.
#[derive(Debug, Clone, Serialize)]
pub struct Login {
    /// The user name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl Description {
    pub(super) fn new(listeners: &Listeners, environment: &Environment) -> Self {
        Self {
            api: url(&listeners.api),
            s3: url(&listeners.s3),
            dynamodb: url(&listeners.dynamodb),
            transcoder: url(&listeners.transcoder),
            eventbridge: url(&listeners.transcoder),
            region: REGION,
            access_key_id: ACCESS_KEY_ID,
            secret_access_key: SECRET_ACCESS_KEY,
            media_bucket: MEDIA_BUCKET,
            output_bucket: OUTPUT_BUCKET,
            table: TABLE,
            admin: Login {
                username: environment.get("ADMIN_USERNAME").unwrap_or_default(),
                password: environment.get("ADMIN_PASSWORD").unwrap_or_default(),
            },
        }
    }
}
