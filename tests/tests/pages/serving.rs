//! How the pages are served: their headers and caching, and under the path of an API Gateway stage.

use std::collections::BTreeMap;

use axum::Router;
use lambda_http::IntoResponse;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use serde_json::json;
use tower::ServiceExt;
use video_tests::gateway::{at_path, function_url, http_api, rest_api};
use video_tests::{TestSystem, media};

use crate::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_served_with_a_strict_policy() {
    let world = World::start().await;
    for path in ["/upload", "/upload/", "/admin", "/admin/?x=1"] {
        let response = world.system.get(path).await;
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        let policy = header("content-security-policy");
        for part in
            ["default-src 'none';", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'", &world.s3.url]
        {
            assert!(policy.contains(part), "{path}: {part} in {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_is_revalidated_and_its_assets_are_kept_for_a_year() {
    let world = World::start().await;
    let get = async |path: &str, tag: &str| {
        let request = world.system.http.get(format!("{}{path}", world.system.at.api)).header(IF_NONE_MATCH, tag);
        request.send().await.unwrap()
    };
    let page = get("/upload", "\"other\"").await;
    assert_eq!((page.status(), &page.headers()[CACHE_CONTROL]), (StatusCode::OK, &"no-cache".parse().unwrap()));
    let tag = page.headers()[ETAG].to_str().unwrap().to_owned();
    let policy = page.headers()["content-security-policy"].clone();
    let html = page.text().await.unwrap();
    let known = get("/upload", &tag).await;
    assert_eq!((known.status(), &known.headers()["content-security-policy"]), (StatusCode::NOT_MODIFIED, &policy));

    let (_, rest) = html.split_once("\"assets/").unwrap();
    let (hash, _) = rest.split_once('/').unwrap();
    for (name, content_type) in [
        ("upload.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("upload.es.json", "application/json"),
    ] {
        let path = format!("/assets/{hash}/{name}");
        let asset = get(&path, "\"other\"").await;
        assert_eq!(asset.status(), StatusCode::OK, "{name}");
        assert_eq!(asset.headers()[CONTENT_TYPE], content_type);
        assert_eq!(asset.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        let tag = asset.headers()[ETAG].to_str().unwrap();
        assert_eq!(get(&path, tag).await.status(), StatusCode::NOT_MODIFIED);
    }
    let outdated = get("/assets/0123456789abcdef/upload.js", "\"other\"").await;
    assert_eq!((outdated.status(), &outdated.headers()[CACHE_CONTROL]), (StatusCode::OK, &"no-store".parse().unwrap()));
    let absent = format!("/assets/{hash}/absent.js");
    for path in [&absent, "/assets/upload.js", "/assets/x/..%2fupload.html", "/assets/%ff/%ff"] {
        assert_eq!(get(path, "*").await.status(), StatusCode::NOT_FOUND, "{path}");
    }
    world.end().await;
}

/// In bytes as sent to a browser, which accepts gzip.
#[tokio::test(flavor = "multi_thread")]
async fn a_view_takes_less_than_20_kilobytes_and_all_views_in_all_languages_less_than_60() {
    let world = World::start().await;
    let size = async |path: &str| {
        let request = world.system.http.get(format!("{}{path}", world.system.at.api)).header(ACCEPT_ENCODING, "gzip");
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()[CONTENT_ENCODING], "gzip", "{path}");
        assert_eq!(response.headers()[VARY], "accept-encoding", "{path}");
        response.bytes().await.unwrap().len()
    };
    let mut sizes = BTreeMap::new();
    for page in ["upload", "admin"] {
        let document = size(&format!("/{page}")).await;
        let html = world.system.get(&format!("/{page}")).await;
        assert!(!html.headers().contains_key(CONTENT_ENCODING), "for who accepts no gzip");
        let html = html.text().await.unwrap();
        let hash = html.split("\"assets/").nth(1).unwrap().split('/').next().unwrap();
        for asset in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/api/pages/assets")).unwrap() {
            let name = asset.unwrap().file_name().into_string().unwrap();
            let asset_size = size(&format!("/assets/{hash}/{name}")).await;
            sizes.insert(name, asset_size);
        }
        let linked: usize = sizes.iter().filter(|(name, _)| html.contains(&format!("/{name}\""))).map(|it| it.1).sum();
        for language in ["en", "es"] {
            let view = document + linked + sizes[&format!("{page}.{language}.json")];
            assert!(view < 20_000, "{page} in {language}: {view}");
        }
        sizes.insert(page.to_owned(), document);
    }
    let all: usize = sizes.values().sum();
    assert!(all < 60_000, "{all}: {sizes:?}");
    world.end().await;
}

/// API Gateway takes binary bodies as base64.
#[tokio::test(flavor = "multi_thread")]
async fn on_lambda_a_compressed_body_is_sent_as_base64() {
    let system = TestSystem::start().await;
    for mut event in [http_api(), rest_api(), function_url()] {
        for (encoding, is_compressed) in [("gzip, br", true), ("identity", false)] {
            event["headers"]["accept-encoding"] = json!(encoding);
            event["multiValueHeaders"] = json!({ "accept-encoding": [encoding] });
            let request = lambda_http::request::from_str(&at_path(event.clone(), "/upload", "").to_string()).unwrap();
            let response = system.variables().api().oneshot(request).await.unwrap();
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), is_compressed, "{encoding}");
            let body = response.into_response().await;
            assert_eq!(matches!(body.body(), lambda_http::Body::Binary(_)), is_compressed, "{encoding}");
        }
    }
    system.stop().await;
}

/// The document, what its head links, and its texts.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_view_takes_three_round_trips_and_later_views_only_one() {
    let world = World::start().await;
    let browser = &world.browser;
    // Two modules are fetched once the page is shown.
    let assets = "performance.getEntriesByType('resource')
        .filter(({ name }) => name.includes('/assets/') && !/(parts|recorder).js$/.test(name))";
    for page in ["upload", "admin"] {
        let url = format!("{}/{page}", world.system.at.api);
        browser.open(&url).await;
        let linked = browser.eval("document.querySelectorAll('link[href*=assets], script').length").await;
        let loaded = browser.eval(&format!("new Set({assets}.map(({{ name }}) => name)).size")).await;
        assert_eq!(loaded.as_u64(), linked.as_u64().map(|linked| linked + 1), "{page}");
        let fetched = format!("{assets}.filter(({{ initiatorType }}) => initiatorType === 'fetch').length");
        assert_eq!(browser.eval(&format!("[{assets}.length, {fetched}]")).await, json!([loaded, 1]), "{page}");

        browser.open(&format!("{url}?again")).await;
        let transferred = format!("{assets}.filter((asset) => asset.transferSize > 0).map(({{ name }}) => name)");
        assert_eq!(browser.eval(&transferred).await, json!([]), "{page}");
    }
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_injected_script_does_not_run() {
    let world = World::start().await;
    let browser = &world.browser;
    for page in ["upload", "admin"] {
        browser.open(&format!("{}/{page}", world.system.at.api)).await;
        let inject = "const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            return null;";
        browser.eval(inject).await;
        browser
            .eval("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = true\">'), null")
            .await;
        browser.until("document.querySelector('img').complete").await;
        assert_eq!(browser.eval("window.ran ?? null").await, serde_json::Value::Null);
        let console_errors = browser.console_errors().await;
        assert!(console_errors.iter().any(|text| text.contains("Content Security Policy")), "{console_errors:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_work_behind_the_path_of_a_stage() {
    let world = World::start().await;
    let browser = &world.browser;
    // A second API of the running system, under a path that the system itself does not serve.
    let variables = world.system.variables().with("AWS_ENDPOINT_URL_S3", &world.s3.url);
    let api = variables.with("UPLOAD_LINK_SECRET", "the upload links of a stage's own API").api();
    let router = Router::new().nest_service("/some/stage", api);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = format!("http://{}/some/stage", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    for (end, invited) in [("", "ben@example.com"), ("/", "eva@example.com")] {
        browser.open(&format!("{stage}/upload{end}?project=Alba&mail=ana@example.com")).await;
        world.choose("a.webm", &media::small_webm()).await;
        world.send_until("done").await;
        let link = world.link_at(&stage, invited).await;
        browser.open(&format!("{stage}/u/{}{end}", link.rsplit('/').next().unwrap())).await;
        world.upload_shows("choose").await;
        world.choose("a.webm", &media::small_webm()).await;
        browser.click("#send").await;
        browser.until("['processing', 'result'].includes(stage.dataset.now)").await;
        browser.open(&format!("{stage}/admin{end}")).await;
        world.sign_in("admin", "local").await;
        browser.until(&format!("rows.textContent.includes('{invited}')")).await;
    }
    server.abort();
    world.end().await;
}
