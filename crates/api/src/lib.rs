//! The HTTP API: one router, served by `lambda_http` on AWS and by `axum::serve` on one machine.

mod auth;
mod error;
mod openapi;
mod pages;
mod query;
mod retry;
mod routes;
mod stage;

use aws_types::SdkConfig;
use axum::Router;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, LINK, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::map_request;
use axum::routing::{get, post};
use tower::Layer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use video_core::aws::Aws;
use video_core::bucket::Bucket;
use video_core::config::{Api as Config, ConfigError, Upload};
use video_core::presigned_post::Signer;
use video_core::records::Table;

use crate::auth::Authenticator;
use crate::error::Error;

/// What the handlers share. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State(std::sync::Arc<Shared>);

#[derive(Debug)]
struct Shared {
    aws: Aws,
    signer: Signer,
    table: Table,
    s3: aws_sdk_s3::Client,
    media: Bucket,
    output: Bucket,
    upload: Upload,
    allowed_origin: Option<HeaderValue>,
    authenticator: Authenticator,
}

impl State {
    /// The state for this configuration; nothing is sent yet.
    ///
    /// # Errors
    /// [`ConfigError`] when the allowed origin cannot stand in a header.
    pub fn new(config: Config, aws: Aws) -> Result<Self, ConfigError> {
        let sdk = aws.sdk_config();
        let origin = config.allowed_origin.as_deref().map(HeaderValue::from_str).transpose();
        let rule = || "visible ASCII characters only".to_owned();
        Ok(Self(std::sync::Arc::new(Shared {
            table: Table::new(&sdk, &config.table),
            s3: s3_client(&sdk, &aws),
            media: Bucket::new(&config.media_bucket, &aws),
            output: Bucket::new(&config.output_bucket, &aws),
            upload: config.upload,
            allowed_origin: origin.map_err(|_| ConfigError::Invalid { name: "ALLOWED_ORIGIN", rule: rule() })?,
            authenticator: Authenticator::new(config.admin, &sdk),
            signer: Signer::new(&aws),
            aws,
        })))
    }

    /// Opens the connection to DynamoDB, so that the first caller need not wait for it; see [`Table::connect`].
    pub async fn connect(&self) {
        self.0.table.connect().await;
    }
}

/// Path-style behind an endpoint of one's own, where a bucket has no host name.
fn s3_client(sdk: &SdkConfig, aws: &Aws) -> aws_sdk_s3::Client {
    let path_style = aws.endpoints.of("S3").is_some();
    let config = aws_sdk_s3::config::Builder::from(sdk).force_path_style(path_style).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// The whole API. See the table in the README for what each route answers.
pub fn router(state: State) -> Router {
    let cors = cors(state.0.allowed_origin.clone());
    let routes = Router::new()
        .route("/", get(routes::root))
        .route("/hello", get(routes::hello))
        .route("/presignedurl/{project}/{step}", get(routes::presigned_url))
        .route("/presignedurl//{step}", get(routes::presigned_url_without_project))
        .route("/videos", get(routes::videos))
        .route("/videos/{project}/{step}/retry", post(retry::retry))
        .route("/openapi.yaml", get(openapi::document))
        .merge(pages::routes())
        .fallback(|| async { Error::NotFound("there is nothing at this path") })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .with_state(state)
        .layer(cors)
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(header(CACHE_CONTROL, "no-store"));
    // A layer of a router runs after routing, so what changes the path stands around it.
    let normalized = map_request(stage::strip).layer(NormalizePathLayer::trim_trailing_slash().layer(routes));
    Router::new().fallback_service(normalized)
}

fn header(name: axum::http::HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

fn cors(allowed_origin: Option<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(allowed_origin.map_or_else(AllowOrigin::any, AllowOrigin::exact))
        .allow_methods([Method::GET, Method::HEAD, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([LINK])
        .max_age(std::time::Duration::from_mins(10))
}
