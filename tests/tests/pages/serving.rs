//! How the pages are served: their headers and caching, and under the path of an API Gateway stage.

use axum::Router;
use reqwest::StatusCode;
use reqwest::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use serde_json::json;
use video_tests::media;

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
    let known = get("/upload", &format!("W/{tag}")).await;
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

/// The document, what its head links, and its texts.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_view_takes_three_round_trips_and_later_views_only_one() {
    let world = World::start().await;
    let browser = &world.browser;
    let assets = "performance.getEntriesByType('resource').filter(({ name }) => name.includes('/assets/'))";
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
async fn both_pages_work_behind_the_path_of_a_stage() {
    let world = World::start().await;
    let browser = &world.browser;
    // A second API of the running system, under a path that the system itself does not serve.
    let api = world.system.variables().with("AWS_ENDPOINT_URL_S3", &world.s3.url).api();
    let router = Router::new().nest_service("/some/stage", api);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = format!("http://{}/some/stage", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    for end in ["", "/"] {
        browser.open(&format!("{stage}/upload{end}?project=Alba&mail=ana@example.com")).await;
        world.choose("a.webm", &media::small_webm()).await;
        world.send_until("done").await;
        browser.open(&format!("{stage}/admin{end}")).await;
        world.sign_in("admin", "local").await;
        browser.until("rows.children.length === 1").await;
    }
    server.abort();
    world.end().await;
}
