//! The admin's login in Secrets Manager, over its real wire protocol: cached, rotated, away, malformed, and guessed at.

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
use tracing_subscriber::EnvFilter;
use video_tests::{Log, Variables, eventually};

const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:admin-AbCdEf";

/// Secrets Manager with one secret: `GetSecretValue` of its JSON 1.1 protocol.
/// See <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>.
#[derive(Clone, Default)]
struct SecretsManager(Arc<Mutex<Vault>>);

#[derive(Default)]
struct Vault {
    secret: String,
    mood: Mood,
    calls: usize,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Answers,
    Fails,
    Hangs,
}

impl SecretsManager {
    fn with(username: &str, password: &str) -> Self {
        let vault = Self::default();
        vault.rotate(username, password);
        vault
    }

    fn rotate(&self, username: &str, password: &str) {
        self.0.lock().unwrap().secret = json!({ "username": username, "password": password }).to_string();
    }

    fn is(&self, mood: Mood) {
        self.0.lock().unwrap().mood = mood;
    }

    fn calls(&self) -> usize {
        self.0.lock().unwrap().calls
    }

    /// The API whose admin is in this vault.
    async fn api(&self) -> Api {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/", post(answer)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let variables = Variables::without_aws().without("ADMIN_USERNAME").without("ADMIN_PASSWORD");
        let variables = variables.with("ADMIN_SECRET_ARN", ARN).with("AWS_ENDPOINT_URL_SECRETS_MANAGER", endpoint);
        Api(variables.api())
    }
}

async fn answer(State(vault): State<SecretsManager>, headers: HeaderMap, body: String) -> axum::response::Response {
    let (secret, mood) = {
        let mut vault = vault.0.lock().unwrap();
        vault.calls += 1;
        (vault.secret.clone(), vault.mood)
    };
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert!(headers["authorization"].to_str().unwrap().contains("/us-east-1/secretsmanager/aws4_request"));
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), json!({ "SecretId": ARN }));
    let json = [(header::CONTENT_TYPE, "application/x-amz-json-1.1")];
    match mood {
        Mood::Answers => {
            (json, json!({ "ARN": ARN, "Name": "admin", "SecretString": secret }).to_string()).into_response()
        }
        Mood::Fails => {
            let failure = json!({ "__type": "InternalServiceError", "Message": "try later" }).to_string();
            (StatusCode::INTERNAL_SERVER_ERROR, json, failure).into_response()
        }
        Mood::Hangs => std::future::pending().await,
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
async fn the_secret_is_read_once_and_kept() {
    let vault = SecretsManager::with("admin", "right");
    let api = vault.api().await;
    assert_eq!(vault.calls(), 0, "nothing is read before somebody signs in");
    for _ in 0..50 {
        assert_eq!(api.status("admin", "right").await, 200);
    }
    assert_eq!(vault.calls(), 1);
}

#[tokio::test]
async fn what_is_no_login_at_all_never_reaches_the_secret() {
    let vault = SecretsManager::with("admin", "right");
    let api = vault.api().await;
    for header in ["", "Basic", "Basic !!!!", "Bearer YWRtaW46cmlnaHQ=", "Basic YWRtaW4="] {
        let request = Request::get("/hello").header("authorization", header).body(Body::empty()).unwrap();
        assert_eq!(api.0.clone().oneshot(request).await.unwrap().status(), StatusCode::UNAUTHORIZED, "{header}");
    }
    assert_eq!(vault.calls(), 0);
}

#[tokio::test]
async fn a_rotated_secret_works_without_a_restart_and_the_old_one_stops() {
    let vault = SecretsManager::with("admin", "old");
    let api = vault.api().await;
    assert_eq!(api.status("admin", "old").await, 200);
    vault.rotate("root", "new");
    // A mismatch asks again once the last look is ten seconds old.
    eventually("the new login works", async || (api.status("root", "new").await == 200).then_some(())).await;
    assert_eq!(vault.calls(), 2);
    for (username, password) in [("admin", "old"), ("root", "old"), ("admin", "new")] {
        assert_eq!(api.status(username, password).await, 401);
    }
    assert_eq!(api.status("root", "new").await, 200);
    assert_eq!(vault.calls(), 2);
}

#[tokio::test]
async fn a_thousand_wrong_tries_cost_few_calls_and_none_for_the_right_ones() {
    let started = std::time::Instant::now();
    let vault = SecretsManager::with("admin", "right");
    let api = vault.api().await;
    for i in 0..1000 {
        assert_eq!(api.status("admin", &format!("guess {i}")).await, 401);
        if i % 10 == 0 {
            assert_eq!(api.status("admin", "right").await, 200);
        }
    }
    let most = 1 + usize::try_from(started.elapsed().as_secs()).unwrap() / 10;
    assert!(vault.calls() <= most, "{} calls, {most} at most", vault.calls());
}

#[tokio::test]
async fn while_secrets_manager_is_away_the_cached_login_stays_good() {
    let vault = SecretsManager::with("admin", "right");
    let api = vault.api().await;
    assert_eq!(api.status("admin", "right").await, 200);
    vault.is(Mood::Fails);
    // Wrong ones are told so all the time, also by the try that finds nobody to ask.
    eventually("a wrong try asks again", async || {
        assert_eq!(api.status("admin", "wrong").await, 401);
        (vault.calls() > 1).then_some(())
    })
    .await;
    assert_eq!(api.status("admin", "right").await, 200);
    let calls = vault.calls();
    assert_eq!(api.status("admin", "wrong").await, 401);
    assert_eq!(vault.calls(), calls, "a failed look counts as a look");
}

#[tokio::test]
async fn a_wrong_try_that_waits_for_secrets_manager_holds_up_no_right_one() {
    let vault = SecretsManager::with("admin", "right");
    let api = vault.api().await;
    assert_eq!(api.status("admin", "right").await, 200);
    vault.is(Mood::Hangs);
    let guesses = {
        let api = api.clone();
        tokio::spawn(async move {
            while api.status("admin", "wrong").await == 401 {
                tokio::task::yield_now().await;
            }
        })
    };
    eventually("a wrong try asks and gets no answer", async || (vault.calls() > 1).then_some(())).await;
    let right = api.status("admin", "right");
    tokio::select! {
        biased;
        status = right => assert_eq!(status, 200),
        () = until_the_answer_is_given_up(&vault) => panic!("the right login waited for the wrong one"),
    }
    guesses.abort();
}

/// Ends when the SDK has given its attempt up and makes the next one.
async fn until_the_answer_is_given_up(vault: &SecretsManager) {
    let calls = vault.calls();
    eventually("the SDK tries again", async || (vault.calls() > calls).then_some(())).await;
}

#[tokio::test]
async fn without_a_cached_login_nobody_is_let_in_while_secrets_manager_is_away() {
    let vault = SecretsManager::with("admin", "right");
    vault.is(Mood::Fails);
    let api = vault.api().await;
    for password in ["right", "wrong"] {
        let answer = api.hello("admin", password).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 1 << 16).await.unwrap()).unwrap();
        assert_eq!(body["Code"], "ServiceUnavailableError");
    }
    vault.is(Mood::Answers);
    assert_eq!(api.status("admin", "right").await, 200);
}

#[tokio::test]
async fn a_malformed_secret_lets_nobody_in_and_its_text_stays_out_of_the_log() {
    let log = Log::default();
    let filter = EnvFilter::new("info,video_api=trace,video_core=trace");
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(move || writer.clone()).finish();
    let _capturing = tracing::subscriber::set_default(subscriber);

    let vault = SecretsManager::default();
    let api = vault.api().await;
    for secret in [
        "canary-text",
        r#"{"username":"canary-name"}"#,
        r#"["canary-list"]"#,
        r#"{"username":1,"password":"canary"}"#,
        "",
    ] {
        vault.0.lock().unwrap().secret = secret.to_owned();
        assert_eq!(api.status("admin", "canary-given").await, 503, "{secret}");
    }
    let log = log.text();
    assert_eq!(log.matches("the secret is not JSON with username and password").count(), 5, "{log}");
    assert!(!log.contains("canary"), "{log}");
}

#[tokio::test]
async fn a_wrong_name_a_wrong_password_and_both_get_the_same_bytes() {
    let vault = SecretsManager::with("admin", "right");
    let api = vault.api().await;
    let mut answers = Vec::new();
    for (username, password) in [("admin", "wrong"), ("nobody", "right"), ("nobody", "wrong"), ("", ""), ("admin", "")]
    {
        let (parts, body) = api.hello(username, password).await.into_parts();
        answers.push((parts.status, format!("{:?}", parts.headers), to_bytes(body, 1 << 16).await.unwrap()));
    }
    assert_eq!(answers[0].0, StatusCode::UNAUTHORIZED);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}
