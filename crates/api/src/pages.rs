//! The two web pages: each is one document with its style and script inside, so that it is one request and works under
//! any path.
//!
//! The files of `pages/` are written for people and joined here without a build step; the policy names the joined texts
//! by their hashes.

use std::future::{Ready, ready};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::State as Shared;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Uri};
use axum::response::IntoResponse;
use axum::routing::get;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};
use video_core::aws::Bucket;

use crate::state::AppState;

/// The files that a page is made of; `html` has a place for the style and one for the script.
struct Sources {
    html: &'static str,
    style: &'static [&'static str],
    script: &'static [&'static str],
}

const UPLOAD: Sources = Sources {
    html: include_str!("../pages/upload.html"),
    style: &[include_str!("../pages/page.css"), include_str!("../pages/upload.css")],
    script: &[
        include_str!("../pages/page.js"),
        include_str!("../pages/strings/shared.js"),
        include_str!("../pages/strings/upload.js"),
        include_str!("../pages/recorder.js"),
        include_str!("../pages/sender.js"),
        include_str!("../pages/upload.js"),
    ],
};

const ADMIN: Sources = Sources {
    html: include_str!("../pages/admin.html"),
    style: &[include_str!("../pages/page.css"), include_str!("../pages/admin.css")],
    script: &[
        include_str!("../pages/page.js"),
        include_str!("../pages/strings/shared.js"),
        include_str!("../pages/strings/admin.js"),
        include_str!("../pages/videos.js"),
        include_str!("../pages/admin.js"),
    ],
};

/// A deployment's new page is seen after so many seconds.
const CACHED: &str = "public, max-age=300";
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// `/upload` and `/admin`.
pub fn routes() -> Router<AppState> {
    Router::new().route("/upload", get(joined_once(upload))).route("/admin", get(joined_once(admin)))
}

/// Answers with a page that is joined and hashed when it is first asked for: most processes only hand out forms.
fn joined_once(page: fn(&AppState) -> Page) -> impl Fn(Shared<AppState>) -> Ready<Page> + Clone {
    let joined = Arc::new(OnceLock::new());
    move |Shared(state)| ready(joined.get_or_init(|| page(&state)).clone())
}

fn upload(state: &AppState) -> Page {
    let media = origin(&state.media);
    Page::new(&UPLOAD, &Allowed { connect: &media, media: "blob:", permissions: "camera=(self), microphone=(self)" })
}

fn admin(state: &AppState) -> Page {
    let watched = format!("{} {}", origin(&state.media), origin(&state.output));
    Page::new(&ADMIN, &Allowed { connect: "", media: &watched, permissions: "camera=(), microphone=()" })
}

/// What a page may reach beside the API that serves it.
struct Allowed<'a> {
    connect: &'a str,
    media: &'a str,
    permissions: &'static str,
}

/// A page as it is sent.
#[derive(Clone)]
struct Page {
    html: axum::body::Bytes,
    security: HeaderValue,
    permissions: &'static str,
}

impl Page {
    fn new(sources: &Sources, allowed: &Allowed) -> Self {
        let (style, script) = (tight(joined(sources.style)), joined(sources.script));
        let html = joined(&[sources.html]).replace("{{style}}", &style).replace("{{script}}", &script);
        let policy = format!(
            "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self' {}; media-src {}; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            hash(&script),
            hash(&style),
            allowed.connect,
            allowed.media,
        );
        Self {
            html: html.into(),
            // Origins always fit a header; should that ever be wrong, the page does nothing rather than anything.
            security: HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'")),
            permissions: allowed.permissions,
        }
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> axum::response::Response {
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (CACHE_CONTROL, HeaderValue::from_static(CACHED)),
            (CONTENT_SECURITY_POLICY, self.security),
            (PERMISSIONS_POLICY, HeaderValue::from_static(self.permissions)),
            (OPENER_POLICY, HeaderValue::from_static("same-origin")),
        ];
        (headers, self.html).into_response()
    }
}

/// The texts one after the other; indentation, empty lines and lines of comment stay behind.
fn joined(texts: &[&str]) -> String {
    let mut result = String::new();
    let mut in_comment = false;
    for line in texts.iter().flat_map(|text| text.lines()).map(str::trim) {
        in_comment |= line.starts_with("/*");
        if !(in_comment || line.is_empty() || line.starts_with("//")) {
            result.push_str(line);
            result.push('\n');
        }
        in_comment &= !line.ends_with("*/");
    }
    result
}

/// A style sheet without the spaces that only people need.
fn tight(style: String) -> String {
    [("\n", ""), (": ", ":"), ("; ", ";"), (", ", ","), (" { ", "{"), (" {", "{"), (" }", "}"), (";}", "}")]
        .into_iter()
        .fold(style, |style, (loose, tight)| style.replace(loose, tight))
}

/// A text as the policy names it: <https://www.w3.org/TR/CSP3/#grammardef-hash-source>.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// Where a bucket answers, without its path; nothing when its address is no URL, and so cannot be reached either.
fn origin(bucket: &Bucket) -> String {
    let uri: Uri = bucket.url().parse().unwrap_or_default();
    let origin = uri.scheme_str().zip(uri.authority());
    origin.map(|(scheme, authority)| format!("{scheme}://{authority}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(sources: &Sources) -> Page {
        Page::new(sources, &Allowed { connect: "https://m.example", media: "blob:", permissions: "" })
    }

    fn text(page: &Page) -> &str {
        str::from_utf8(&page.html).unwrap()
    }

    #[test]
    fn both_pages_together_stay_under_60_kilobytes() {
        let sizes = [&UPLOAD, &ADMIN].map(|sources| page(sources).html.len());
        assert!(sizes.iter().sum::<usize>() < 60_000, "{sizes:?}");
    }

    #[test]
    fn the_policy_names_what_stands_in_the_page_and_nothing_inline() {
        for sources in [&UPLOAD, &ADMIN] {
            let page = page(sources);
            let policy = page.security.to_str().unwrap();
            for (start, end) in [("<style>", "</style>"), ("<script type=\"module\">", "</script>")] {
                let (_, rest) = text(&page).split_once(start).unwrap();
                let (inside, after) = rest.split_once(end).unwrap();
                assert!(policy.contains(&hash(inside)), "{start}");
                assert!(!after.contains(end), "{start} stands once");
            }
            assert!(!policy.contains("unsafe"));
            assert!(policy.contains("connect-src 'self' https://m.example;"));
        }
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere_or_marked_up_from_text() {
        for sources in [&UPLOAD, &ADMIN] {
            let page = page(sources);
            let (_, after_the_icons_namespace) = text(&page).split_once("</style>").unwrap();
            for forbidden in [
                "http:",
                "https:",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "localStorage",
                "sessionStorage",
            ] {
                assert!(!after_the_icons_namespace.contains(forbidden), "{forbidden}");
            }
        }
    }

    #[test]
    fn english_and_spanish_say_the_same_things() {
        let strings = [
            include_str!("../pages/strings/shared.js"),
            include_str!("../pages/strings/upload.js"),
            include_str!("../pages/strings/admin.js"),
        ];
        let texts: Vec<_> =
            strings.iter().flat_map(|file| file.lines()).filter_map(|line| line.strip_suffix("],")).collect();
        assert!(texts.len() > 100);
        for text in texts {
            let (english, spanish) = text.split_once("', '").unwrap();
            assert_eq!(values(english), values(spanish), "{text}");
        }
    }

    /// The names of the values that a text takes.
    fn values(text: &str) -> Vec<&str> {
        let mut names: Vec<_> = text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn joining_drops_comments_and_indentation_only() {
        assert_eq!(
            joined(&["/* a\n b */\n  * { x }\n", "// c\n\n  d // e\n /** f\n * g\n */\nh"]),
            "* { x }\nd // e\nh\n"
        );
    }
}
