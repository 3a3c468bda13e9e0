//! How the pages are served: their headers, and under the path of an API Gateway stage.

use axum::Router;
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
async fn a_script_that_somebody_slips_in_does_not_run() {
    let world = World::start().await;
    let browser = &world.browser;
    for page in ["upload", "admin"] {
        browser.open(&format!("{}/{page}", world.system.at.api)).await;
        browser.eval("document.body.append(Object.assign(document.createElement('script'), { textContent: 'window.ran = true' })), null").await;
        browser
            .eval("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = true\">'), null")
            .await;
        browser.until("document.querySelector('img').complete").await;
        assert_eq!(browser.eval("window.ran ?? null").await, serde_json::Value::Null);
        let complaints = browser.complaints().await;
        assert!(complaints.iter().any(|text| text.contains("Content Security Policy")), "{complaints:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_pages_work_behind_the_path_of_a_stage() {
    let world = World::start().await;
    let browser = &world.browser;
    // The API of the running system once more, under a path that the system itself does not have.
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
