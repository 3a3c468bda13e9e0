//! The two web pages: documents that name their style sheets and modules by a hash of all of them.

mod assets;

use axum::Router;
use axum::extract::{Extension, State as Shared};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_extra::TypedHeader;
use axum_extra::headers::{ETag, HeaderMapExt, IfNoneMatch};
use video_core::aws::Bucket;

use crate::extract::ClientPath;
use crate::state::AppState;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The `If-None-Match` header of a request, if there is one.
type KnownTags = Option<TypedHeader<IfNoneMatch>>;

/// Routes `/upload`, `/admin` and the assets of both.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/upload", get(upload))
        .route("/u/{token}", get(upload))
        .route("/admin", get(admin))
        .route("/assets/{hash}/{name}", get(assets::asset))
}

async fn upload(Shared(state): Shared<AppState>, Extension(path): Extension<ClientPath>, known: KnownTags) -> Response {
    let page = Page {
        html: include_str!("../pages/upload.html"),
        connect: &origin(&state.media),
        media: "blob:",
        pictures: "",
        permissions: "camera=(self), microphone=(self)",
    };
    page.response(&path, known)
}

async fn admin(Shared(state): Shared<AppState>, Extension(path): Extension<ClientPath>, known: KnownTags) -> Response {
    let page = Page {
        html: include_str!("../pages/admin.html"),
        connect: "",
        media: &format!("{} {}", origin(&state.media), origin(&state.output)),
        pictures: &origin(&state.output),
        permissions: "camera=(), microphone=()",
    };
    page.response(&path, known)
}

/// A document and what it may use besides the API that serves it.
struct Page<'a> {
    html: &'static str,
    connect: &'a str,
    media: &'a str,
    pictures: &'a str,
    permissions: &'static str,
}

impl Page<'_> {
    fn response(&self, path: &ClientPath, known: KnownTags) -> Response {
        let html = self.html.replace("\"assets/", &format!("\"{}", assets_directory(&path.0)));
        let policy = self.policy();
        let etag = assets::hash([html.as_str(), &policy]);
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
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

/// Returns where the assets are, relative to a page at this path; to a browser, a trailing slash is one more directory.
fn assets_directory(path: &str) -> String {
    let slashes = path.len() - path.trim_end_matches('/').len();
    format!("{}assets/{}/", "../".repeat(slashes), *assets::HASH)
}

/// Responds with the body and its tag, or with 304 if the browser has it already.
fn unless_known(hash: &str, known: KnownTags, body: impl IntoResponse) -> Response {
    let Ok(etag) = format!("\"{hash}\"").parse::<ETag>() else { return body.into_response() };
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
    fn each_trailing_slash_is_one_directory_down() {
        let hash = &*assets::HASH;
        for (path, directory) in [
            ("/upload", "assets/"),
            ("/some/stage/upload", "assets/"),
            ("/upload/", "../assets/"),
            ("/upload//", "../../assets/"),
        ] {
            assert_eq!(assets_directory(path), format!("{directory}{hash}/"), "{path}");
        }
    }
}
