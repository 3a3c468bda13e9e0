//! The two web pages: documents that name their style sheets and modules by a hash of all of them.

mod assets;

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::TypedHeader;
use axum_extra::headers::{ETag, HeaderMapExt, IfNoneMatch};
use tower_http::compression::CompressionLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use video_core::aws::Bucket;

use crate::extract::ClientPath;
use crate::state::AppState;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The `If-None-Match` header of a request, if there is one.
type KnownTags = Option<TypedHeader<IfNoneMatch>>;

/// Routes `/upload`, `/u/{token}`, `/admin` and the assets of all.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/upload", get(upload))
        .route("/u/{token}", get(upload_link))
        .route("/admin", get(admin))
        .route("/assets/{hash}/{name}", get(assets::asset))
        .route_layer(SetResponseHeaderLayer::if_not_present(VARY, HeaderValue::from_static("accept-encoding")))
        .route_layer(CompressionLayer::new())
}

async fn upload(Shared(state): Shared<AppState>, Extension(path): Extension<ClientPath>, known: KnownTags) -> Response {
    upload_page(&state, "blob:").response(&path, known)
}

/// The upload page of one person, which also plays the result. Whether the token is valid is for the page to ask.
async fn upload_link(
    Shared(state): Shared<AppState>,
    Extension(path): Extension<ClientPath>,
    known: KnownTags,
) -> Response {
    let media = format!("blob: {}", origin(&state.output));
    let page = Page { depth: 1, cache: "no-store", ..upload_page(&state, &media) };
    page.response(&path, known)
}

fn upload_page<'a>(state: &AppState, media: &'a str) -> Page<'a> {
    let max_bytes = state.upload.max_bytes.to_string();
    Page {
        html: include_str!("../pages/upload.html").replace("MAX_UPLOAD_BYTES", &max_bytes),
        connect: origin(&state.media),
        media,
        pictures: "",
        permissions: "camera=(self), microphone=(self)",
        depth: 0,
        cache: "no-cache",
    }
}

async fn admin(Shared(state): Shared<AppState>, Extension(path): Extension<ClientPath>, known: KnownTags) -> Response {
    let page = Page {
        html: include_str!("../pages/admin.html").to_owned(),
        connect: String::new(),
        media: &format!("{} {}", origin(&state.media), origin(&state.output)),
        pictures: &origin(&state.output),
        permissions: "camera=(), microphone=()",
        depth: 0,
        cache: "no-cache",
    };
    page.response(&path, known)
}

/// A document and what it may use besides the API that serves it.
struct Page<'a> {
    html: String,
    connect: String,
    media: &'a str,
    pictures: &'a str,
    permissions: &'static str,
    /// How many directories below the root the document is.
    depth: usize,
    cache: &'static str,
}

impl Page<'_> {
    fn response(&self, path: &ClientPath, known: KnownTags) -> Response {
        let html = self.html.replace("\"assets/", &format!("\"{}", assets_directory(self.depth, &path.0)));
        let policy = self.policy();
        let etag = assets::hash([html.as_str(), &policy]);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CACHE_CONTROL, HeaderValue::from_static(self.cache)),
            // Origins always fit a header; if that is ever wrong, the page may do nothing rather than anything.
            (CONTENT_SECURITY_POLICY, policy.try_into().unwrap_or(HeaderValue::from_static("default-src 'none'"))),
            (PERMISSIONS_POLICY, HeaderValue::from_static(self.permissions)),
            (OPENER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        (headers, unless_known(&etag, known, html)).into_response()
    }

    fn policy(&self) -> String {
        format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: {}; connect-src 'self' {}; \
             media-src {}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            self.pictures, self.connect, self.media
        )
    }
}

/// Returns where the assets are, relative to a page at this depth and path; to a browser, a trailing slash is one more
/// directory.
fn assets_directory(depth: usize, path: &str) -> String {
    let slashes = path.len() - path.trim_end_matches('/').len();
    format!("{}assets/{}/", "../".repeat(depth + slashes), *assets::HASH)
}

/// Responds with the body and its tag, or with 304 if the browser has it already. The tag is weak, since it stands for
/// the body in any encoding.
fn unless_known(hash: &str, known: KnownTags, body: impl IntoResponse) -> Response {
    let Ok(etag) = format!("W/\"{hash}\"").parse::<ETag>() else { return body.into_response() };
    let is_known = known.is_some_and(|TypedHeader(tags)| !tags.precondition_passes(&etag));
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    response.headers_mut().typed_insert(etag);
    response
}

/// Returns the scheme and host of a bucket's URL; nothing if it is no URL, and so cannot be reached either.
fn origin(bucket: &Bucket) -> String {
    let uri: Uri = bucket.url().parse().unwrap_or_default();
    let origin = uri.scheme_str().zip(uri.authority());
    origin.map(|(scheme, authority)| format!("{scheme}://{authority}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_directory_and_each_trailing_slash_is_one_up() {
        let hash = &*assets::HASH;
        for (depth, path, directory) in [
            (0, "/upload", "assets/"),
            (0, "/some/stage/upload", "assets/"),
            (0, "/upload/", "../assets/"),
            (0, "/upload//", "../../assets/"),
            (1, "/u/token", "../assets/"),
            (1, "/some/stage/u/token/", "../../assets/"),
        ] {
            assert_eq!(assets_directory(depth, path), format!("{directory}{hash}/"), "{path}");
        }
    }
}
