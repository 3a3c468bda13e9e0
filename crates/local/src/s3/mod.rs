//! S3 on one machine: the wire protocol, signatures and POST policies of s3s over the files of the store.

mod body;
mod form;
mod listing;
mod multipart;
mod notification;
mod service;
mod store;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::error_handling::HandleError;
use axum::http::header::{ETAG, LOCATION};
use axum::http::{Method, StatusCode};
use axum::middleware::{map_request, map_response};
use s3s::HttpError;
use s3s::auth::SimpleAuth;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::net::TcpListener;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};

pub use listing::{Page, Query};
pub use multipart::{Part, Upload};
pub use notification::{Cause, Notify};
pub use store::{Attributes, Change, Expected, Object, SCHEMA, Sealed, Staged, Store, StoreError};

/// How old a signature's date may be, in seconds.
///
/// s3s applies its 15 minutes to forms too, where AWS lets the policy's own expiration decide. A signing key lives for
/// seven days, so no form is older. Signed requests may then be replayed as long, which loopback can bear.
const MAX_SKEW_SECONDS: u32 = 7 * 24 * 60 * 60;

/// The one key pair whose signatures are accepted.
#[derive(Clone)]
pub struct Credentials {
    /// The access key id.
    pub access_key_id: String,
    /// The secret access key.
    pub secret_access_key: String,
}

/// Serves the store with path-style addresses until `shutdown`, then lets running requests finish. Every request must
/// be signed, by header, query or form; browsers may come from any origin.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    store: Store,
    credentials: Credentials,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = HandleError::new(s3_service(store, credentials), internal_error);
    let router = Router::new()
        .fallback_service(service)
        .layer(map_request(form::in_small_pieces))
        .layer(map_response(form::with_posted_xml))
        .layer(cors());
    axum::serve(listener, router).with_graceful_shutdown(shutdown).await
}

fn s3_service(store: Store, credentials: Credentials) -> S3Service {
    let mut config = S3Config::default();
    config.presigned_url_max_skew_time_secs = MAX_SKEW_SECONDS;
    let region = store.region().to_owned();
    let mut builder = S3ServiceBuilder::new(service::Service { store, region });
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
    builder.set_auth(SimpleAuth::from_single(credentials.access_key_id, credentials.secret_access_key));
    builder.build()
}

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
