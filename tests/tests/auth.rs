//! The admin's login in Secrets Manager, over its wire protocol: cached, rotated, unreachable, malformed and
//! brute-forced.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;
use video_tests::secrets_manager::{Behavior, SecretsManager};
use video_tests::{Log, Variables, eventually};

/// Returns Secrets Manager with this login.
fn secret(username: &str, password: &str) -> SecretsManager {
    SecretsManager::with(&login(username, password))
}

fn login(username: &str, password: &str) -> String {
    json!({ "username": username, "password": password }).to_string()
}

#[derive(Clone)]
struct Api(Router);

impl Api {
    /// Starts the API with its login in this secret.
    async fn with(service: &SecretsManager) -> Self {
        let variables = Variables::without_aws().without("ADMIN_USERNAME").without("ADMIN_PASSWORD");
        let variables = variables.with("ADMIN_SECRET_ARN", SecretsManager::ARN);
        Self(variables.with("AWS_ENDPOINT_URL_SECRETS_MANAGER", service.serve().await).api())
    }

    async fn hello(&self, username: &str, password: &str) -> Response<Body> {
        let basic = BASE64_STANDARD.encode(format!("{username}:{password}"));
        let request = Request::get("/hello").header("authorization", format!("Basic {basic}"));
        self.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn status(&self, username: &str, password: &str) -> u16 {
        self.hello(username, password).await.status().as_u16()
    }
}

#[tokio::test]
async fn the_secret_is_fetched_once_and_cached() {
    let service = secret("admin", "right");
    let api = Api::with(&service).await;
    assert_eq!(service.calls(), 0, "nothing is fetched before the first login");
    for _ in 0..50 {
        assert_eq!(api.status("admin", "right").await, 200);
    }
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_malformed_login_fetches_no_secret() {
    let service = secret("admin", "right");
    let api = Api::with(&service).await;
    for header in ["", "Basic", "Basic !!!!", "Bearer YWRtaW46cmlnaHQ=", "Basic YWRtaW4="] {
        let request = Request::get("/hello").header("authorization", header).body(Body::empty()).unwrap();
        assert_eq!(api.0.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{header}");
    }
    assert_eq!(service.calls(), 0);
}

#[tokio::test]
async fn a_rotated_secret_works_without_a_restart_and_the_old_one_stops() {
    let service = secret("admin", "old");
    let api = Api::with(&service).await;
    assert_eq!(api.status("admin", "old").await, 200);
    service.rotate(&login("root", "new"));
    // A wrong login fetches the secret again once it is ten seconds old.
    eventually("the new login works", async || (api.status("root", "new").await == 200).then_some(())).await;
    assert_eq!(service.calls(), 2);
    for (username, password) in [("admin", "old"), ("root", "old"), ("admin", "new")] {
        assert_eq!(api.status(username, password).await, 401);
    }
    assert_eq!(api.status("root", "new").await, 200);
    assert_eq!(service.calls(), 2);
}

#[tokio::test]
async fn a_thousand_wrong_logins_make_few_calls_and_correct_ones_none() {
    let started = std::time::Instant::now();
    let service = secret("admin", "right");
    let api = Api::with(&service).await;
    for i in 0..1000 {
        assert_eq!(api.status("admin", &format!("guess {i}")).await, 401);
        if i % 10 == 0 {
            assert_eq!(api.status("admin", "right").await, 200);
        }
    }
    let max = 1 + usize::try_from(started.elapsed().as_secs()).unwrap() / 10;
    assert!(service.calls() <= max, "{} calls, {max} at most", service.calls());
}

#[tokio::test]
async fn while_secrets_manager_fails_the_cached_login_stays_valid() {
    let service = secret("admin", "right");
    let api = Api::with(&service).await;
    assert_eq!(api.status("admin", "right").await, 200);
    service.set(Behavior::Fails);
    // A wrong login gets a 401, even when the secret cannot be fetched.
    eventually("a wrong login fetches the secret again", async || {
        assert_eq!(api.status("admin", "wrong").await, 401);
        (service.calls() > 1).then_some(())
    })
    .await;
    assert_eq!(api.status("admin", "right").await, 200);
    let calls = service.calls();
    assert_eq!(api.status("admin", "wrong").await, 401);
    assert_eq!(service.calls(), calls, "a failed fetch counts too");
}

#[tokio::test]
async fn a_wrong_login_that_waits_for_secrets_manager_does_not_delay_a_correct_one() {
    let service = secret("admin", "right");
    let api = Api::with(&service).await;
    assert_eq!(api.status("admin", "right").await, 200);
    service.set(Behavior::Hangs);
    let guesses = {
        let api = api.clone();
        tokio::spawn(async move {
            while api.status("admin", "wrong").await == 401 {
                tokio::task::yield_now().await;
            }
        })
    };
    eventually("a wrong login fetches the secret and gets no response", async || (service.calls() > 1).then_some(()))
        .await;
    let right = api.status("admin", "right");
    tokio::select! {
        biased;
        status = right => assert_eq!(status, 200),
        () = until_the_sdk_retries(&service) => panic!("the correct login waited for the wrong one"),
    }
    guesses.abort();
}

/// Waits until the SDK has given up its attempt and makes the next one.
async fn until_the_sdk_retries(service: &SecretsManager) {
    let calls = service.calls();
    eventually("the SDK retries", async || (service.calls() > calls).then_some(())).await;
}

#[tokio::test]
async fn without_a_cached_login_every_login_gets_a_503_while_secrets_manager_fails() {
    let service = secret("admin", "right");
    service.set(Behavior::Fails);
    let api = Api::with(&service).await;
    for password in ["right", "wrong"] {
        let response = api.hello("admin", password).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body: Value = serde_json::from_slice(&to_bytes(response.into_body(), 1 << 16).await.unwrap()).unwrap();
        assert_eq!(body["Code"], "ServiceUnavailableError");
    }
    service.set(Behavior::Responds);
    assert_eq!(api.status("admin", "right").await, 200);
}

#[tokio::test]
async fn with_a_malformed_secret_every_login_fails_and_the_log_does_not_contain_it() {
    let (log, _capturing) = Log::capture("info,video_api=trace,video_core=trace");
    let service = SecretsManager::with("");
    let api = Api::with(&service).await;
    for secret in [
        "canary-text",
        r#"{"username":"canary-name"}"#,
        r#"["canary-list"]"#,
        r#"{"username":1,"password":"canary"}"#,
        "",
    ] {
        service.rotate(secret);
        assert_eq!(api.status("admin", "canary-given").await, 503, "{secret}");
    }
    let log = log.text();
    assert_eq!(log.matches("the secret must be JSON with username and password").count(), 5, "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn a_wrong_name_a_wrong_password_and_both_get_identical_responses() {
    let service = secret("admin", "right");
    let api = Api::with(&service).await;
    let mut responses = Vec::new();
    for (username, password) in [("admin", "wrong"), ("nobody", "right"), ("nobody", "wrong"), ("", ""), ("admin", "")]
    {
        let (parts, body) = api.hello(username, password).await.into_parts();
        responses.push((parts.status, format!("{:?}", parts.headers), to_bytes(body, 1 << 16).await.unwrap()));
    }
    assert_eq!(responses[0].0, StatusCode::UNAUTHORIZED);
    assert!(responses.iter().all(|response| *response == responses[0]), "{responses:?}");
}

/// A browser that remembers the login sends it with any page's requests.
#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_and_the_own_and_the_allowed_one_may() {
    let allowed = "https://www.example.com";
    let api = Api(Variables::without_aws().with("ALLOWED_ORIGIN", allowed).api());
    let send = async |method: &str, path: &str, headers: &[(&str, &str)]| {
        let login = BASE64_STANDARD.encode("admin:local");
        let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
        request = request.header("authorization", format!("Basic {login}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = api.0.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let (status, body) = (response.status(), to_bytes(response.into_body(), 1 << 16).await.unwrap());
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let writes = [("DELETE", "/videos"), ("DELETE", "/videos/p/0"), ("POST", "/videos/p/0/retry"), ("POST", "/links")];
    for (method, path) in writes {
        for foreign in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")] {
            let (status, body) = send(method, path, &[foreign]).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path} {foreign:?}");
            assert!(body.starts_with(r#"{"Code":"ForbiddenError","Message":"#), "{body}");
        }
        for own in
            [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none"), ("origin", allowed), ("accept", "*/*")]
        {
            // Each lacks something else.
            let (status, body) = send(method, path, &[own]).await;
            assert!(status.is_client_error() && status != StatusCode::FORBIDDEN, "{method} {path} {own:?}: {body}");
        }
    }
    let (status, _) = send("GET", "/hello", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(status, StatusCode::OK, "reading is left to CORS");
}
