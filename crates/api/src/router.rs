//! Which path leads to which handler, and what every response carries.

use axum::Router;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, LINK, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method};
use axum::middleware::map_request;
use axum::routing::{delete, get, post};
use tower::Layer;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::normalize_path::NormalizePathLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::error::Error;
use crate::extract::strip_stage;
use crate::state::AppState;
use crate::{handlers, pages};

/// Builds the whole API. The table in the README says what each route returns.
pub fn router(state: AppState) -> Router {
    let cors = cors(state.allowed_origin.clone());
    let routes = Router::new()
        .route("/", get(handlers::root))
        .route("/hello", get(handlers::hello))
        .route("/presignedurl/{project}/{step}", get(handlers::presigned_url))
        .route("/presignedurl//{step}", get(handlers::presigned_url_without_project))
        .route("/videos", get(handlers::videos).delete(handlers::delete_videos))
        .route("/videos/counts", get(handlers::counts))
        .route("/videos/{project}/{step}", delete(handlers::delete_video))
        .route("/videos/{project}/{step}/retry", post(handlers::retry))
        .route("/links", post(handlers::create_links))
        .route("/u/{token}/video", get(handlers::link_video))
        .route("/u/{token}/presignedurl", get(handlers::presigned_url_of_link))
        .nest("/s3", handlers::multipart::routes())
        .nest("/u/{token}/s3", handlers::multipart::routes())
        .route("/openapi.yaml", get(handlers::document))
        .merge(pages::routes())
        .fallback(|| async { Error::NotFound("there is nothing at this path") })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .with_state(state)
        .layer(cors)
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .layer(header(CACHE_CONTROL, "no-store"));
    // A layer of a router runs after routing, so what changes the path stands around it.
    let normalized = map_request(strip_stage).layer(NormalizePathLayer::trim_trailing_slash().layer(routes));
    Router::new().fallback_service(normalized)
}

fn header(name: axum::http::HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

fn cors(allowed_origin: Option<HeaderValue>) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(allowed_origin.map_or_else(AllowOrigin::any, AllowOrigin::exact))
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::DELETE])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        .expose_headers([LINK])
        .max_age(std::time::Duration::from_mins(10))
}
