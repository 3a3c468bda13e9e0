//! The admin's login in Secrets Manager, over its wire protocol: cached, rotated, unreachable, malformed and
//! brute-forced.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::post;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tower::ServiceExt;
use video_tests::{Log, Variables, eventually};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:admin-AbCdEf";

/// Secrets Manager with one secret: the operation `GetSecretValue` of its JSON 1.1 protocol.
/// See <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>.
#[derive(Clone, Default)]
struct SecretsManager(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    secret: String,
    behavior: Behavior,
    calls: usize,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Behavior {
    #[default]
    Responds,
    Fails,
    Hangs,
}

impl SecretsManager {
    fn with(username: &str, password: &str) -> Self {
        let service = Self::default();
        service.rotate(username, password);
        service
    }

    fn rotate(&self, username: &str, password: &str) {
        self.0.lock().unwrap().secret = json!({ "username": username, "password": password }).to_string();
    }

    fn set(&self, behavior: Behavior) {
        self.0.lock().unwrap().behavior = behavior;
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// Starts the API with its login in this secret.
    async fn api(&self) -> Api {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/", post(get_secret_value)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let variables = Variables::without_aws().without("ADMIN_USERNAME").without("ADMIN_PASSWORD");
        let variables = variables.with("ADMIN_SECRET_ARN", ARN).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint);
        Api(variables.api())
    }
}

async fn get_secret_value(
    State(service): State<SecretsManager>,
    headers: HeaderMap,
    body: String,
) -> axum::response::Response {
    let (secret, behavior) = {
        let mut inner = service.0.lock().unwrap();
        inner.calls += 1;
        (inner.secret.clone(), inner.behavior)
    };
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert!(headers["authorization"].to_str().unwrap().contains("/us-east-1/secretsmanager/aws4_request"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "SecretId": ARN }));
    let json = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    match behavior {
        Behavior::Responds => {
            (json, json!({ "ARN": ARN, "Name": "admin", "SecretString": secret }).to_string()).into_response()
        }
        Behavior::Fails => {
            let failure = json!({ "__type": "InternalServiceError", "Message": "try later" }).to_string();
            (StatusCode::INTERNAL_SERVER_ERROR, json, failure).into_response()
        }
        Behavior::Hangs => std::future::pending().await,
    }
}

#[derive(Clone)]
struct Api(Router);

impl Api {
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
    let service = SecretsManager::with("admin", "right");
    let api = service.api().await;
    assert_eq!(service.calls(), 0, "nothing is fetched before the first login");
    for _ in 0..50 {
        assert_eq!(api.status("admin", "right").await, 200);
    }
    assert_eq!(service.calls(), 1);
}

#[tokio::test]
async fn a_malformed_login_fetches_no_secret() {
    let service = SecretsManager::with("admin", "right");
    let api = service.api().await;
    for header in ["", "Basic", "Basic !!!!", "Bearer YWRtaW46cmlnaHQ=", "Basic YWRtaW4="] {
        let request = Request::get("/hello").header("authorization", header).body(Body::empty()).unwrap();
        assert_eq!(api.0.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{header}");
    }
    assert_eq!(service.calls(), 0);
}

#[tokio::test]
async fn a_rotated_secret_works_without_a_restart_and_the_old_one_stops() {
    let service = SecretsManager::with("admin", "old");
    let api = service.api().await;
    assert_eq!(api.status("admin", "old").await, 200);
    service.rotate("root", "new");
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
    let service = SecretsManager::with("admin", "right");
    let api = service.api().await;
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
    let service = SecretsManager::with("admin", "right");
    let api = service.api().await;
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
    let service = SecretsManager::with("admin", "right");
    let api = service.api().await;
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
    let service = SecretsManager::with("admin", "right");
    service.set(Behavior::Fails);
    let api = service.api().await;
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
    let service = SecretsManager::default();
    let api = service.api().await;
    for secret in [
        "canary-text",
        r#"{"username":"canary-name"}"#,
        r#"["canary-list"]"#,
        r#"{"username":1,"password":"canary"}"#,
        "",
    ] {
        service.0.lock().unwrap().secret = secret.to_owned();
        assert_eq!(api.status("admin", "canary-given").await, 503, "{secret}");
    }
    let log = log.text();
    assert_eq!(log.matches("the secret is not JSON with username and password").count(), 5, "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn a_wrong_name_a_wrong_password_and_both_get_identical_responses() {
    let service = SecretsManager::with("admin", "right");
    let api = service.api().await;
    let mut responses = Vec::new();
    for (username, password) in [("admin", "wrong"), ("nobody", "right"), ("nobody", "wrong"), ("", ""), ("admin", "")]
    {
        let (parts, body) = api.hello(username, password).await.into_parts();
        responses.push((parts.status, format!("{:?}", parts.headers), to_bytes(body, 1 << 16).await.unwrap()));
    }
    assert_eq!(responses[0].0, StatusCode::UNAUTHORIZED);
    assert!(responses.iter().all(|response| *response == responses[0]), "{responses:?}");
}
