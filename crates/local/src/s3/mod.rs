//! S3 on one machine: s3s for the wire protocol, signatures and POST policies, over the files of the [`Store`].
//!
//! Every operation serves a client:
//!
//! | operation | client |
//! |---|---|
//! | `PostObject` | browsers, with the form that `video-api` signs |
//! | `GetObject` | browsers, with the URL that `video-api` presigns for playback |
//! | `HeadObject` | `video-api`, before a retry |
//! | `ListObjectVersions`, `DeleteObjects` | `video-events`, which erases |
//! | `ListMultipartUploads`, `AbortMultipartUpload` | `video-events`, which erases |
//! | `PutObject`, `CopyObject`, `ListObjectsV2`, `DeleteObject` | `aws s3 cp`, `mv`, `ls` and `rm`; SDKs |
//! | multipart uploads, with `ListParts` and `UploadPartCopy` | `aws s3 cp` with files over 8 MB; SDKs |
//! | `ListBuckets`, `CreateBucket` | the deployment test, whose buckets have the stack's names |

mod body;
mod conditions;
mod disk;
mod error;
mod files;
mod form;
mod form_request;
mod headers;
mod index;
mod listing;
mod listing_output;
mod listing_requests;
mod multipart;
mod notification;
mod object;
mod percent_encoding;
mod service;
mod store;
mod transaction;
mod versions;

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::error_handling::HandleError;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{Method, StatusCode};
use axum::middleware::{map_request, map_response};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{HttpError, S3Result, s3_error};
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

pub use error::StoreError;
pub use files::{SealedFile, StagedFile};
pub use index::SCHEMA;
pub use listing::{Page, Query};
pub use multipart::{Part, Upload, UploadEntry, UploadsQuery};
pub use notification::{EventName, NotificationConfig};
pub use object::{Attributes, Object};
pub use store::Store;
pub use transaction::{Precondition, StoreTransaction};

/// The maximum age of a signature's date, in seconds.
///
/// s3s applies its 15 minutes to forms too, where on AWS only the policy's expiration counts. A signing key is valid
/// for seven days, so no form is older. Signed requests can be replayed for as long, which is acceptable on loopback.
const MAX_SKEW_SECONDS: u32 = 7 * 24 * 60 * 60;

/// The one key pair whose signatures are accepted.
#[derive(Clone)]
pub struct Credentials {
    /// The access key ID.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
}

#[async_trait]
impl S3Auth for Credentials {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            return Ok(self.secret_access_key.clone().into());
        }
        Err(s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records."))
    }
}

/// Returns the routes of the store at path-style URLs. Every request must be signed by header, query or form.
pub fn router(store: Store, credentials: Credentials) -> Router {
    let service = HandleError::new(s3_service(store, credentials), internal_error);
    Router::new()
        .fallback_service(service)
        .layer(map_request(form_request::detach_file))
        .layer(map_response(form::replace_form_xml))
        .layer(cors())
}

fn s3_service(store: Store, credentials: Credentials) -> S3Service {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = MAX_SKEW_SECONDS;
    let mut builder = S3ServiceBuilder::new(service::Service { store });
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(credentials);
    builder.build()
}

/// Allows every origin, as the media bucket does; the port lets only some of them send requests.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::POST])
        // A wildcard would not cover Authorization.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([ETAG, LOCATION])
}

async fn internal_error(error: HttpError) -> StatusCode {
    tracing::error!(?error, "S3 request failed");
    StatusCode::INTERNAL_SERVER_ERROR
}
