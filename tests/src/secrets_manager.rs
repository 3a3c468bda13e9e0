//! Secrets Manager with one secret: the operation `GetSecretValue` of its JSON 1.1 protocol.
//!
//! See <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html>.

use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

/// The service. Clones are the same one.
#[derive(Clone)]
pub struct SecretsManager(Arc<Mutex<Inner>>);

struct Inner {
    current: String,
    previous: Option<String>,
    behavior: Behavior,
    calls: usize,
}

/// What the service does with a request.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Behavior {
    #[default]
    Responds,
    Fails,
    Hangs,
}

impl SecretsManager {
    /// The secret's name.
    pub const ARN: &str = "arn:aws:secretsmanager:us-east-1:000000000000:secret:videos-AbCdEf";

    /// Returns a service whose secret has this value.
    pub fn with(secret: &str) -> Self {
        let behavior = Behavior::default();
        Self(Arc::new(Mutex::new(Inner { current: secret.to_owned(), previous: None, behavior, calls: 0 })))
    }

    /// Gives the secret a new value; the old one becomes the previous version.
    pub fn rotate(&self, secret: &str) {
        let mut inner = self.inner();
        inner.previous = Some(std::mem::replace(&mut inner.current, secret.to_owned()));
    }

    /// Changes what the service does with requests.
    pub fn set(&self, behavior: Behavior) {
        self.inner().behavior = behavior;
    }

    /// Returns how many requests there were.
    pub fn calls(&self) -> usize {
        self.inner().calls
    }

    /// Serves the protocol on a free port and returns its endpoint.
    pub async fn serve(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/", post(get_secret_value)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        endpoint
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn version(&self, stage: &Value) -> Option<String> {
        match stage.as_str() {
            Some("AWSCURRENT") | None => Some(self.inner().current.clone()),
            Some("AWSPREVIOUS") => self.inner().previous.clone(),
            Some(other) => panic!("{other} is no staging label"),
        }
    }
}

async fn get_secret_value(State(service): State<SecretsManager>, headers: HeaderMap, body: String) -> Response {
    let behavior = {
        let mut inner = service.inner();
        inner.calls += 1;
        inner.behavior
    };
    assert_eq!(headers["x-amz-target"], "secretsmanager.GetSecretValue");
    assert_eq!(headers["content-type"], "application/x-amz-json-1.1");
    assert!(headers["authorization"].to_str().unwrap().contains("/us-east-1/secretsmanager/aws4_request"));
    let request: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(request["SecretId"], SecretsManager::ARN);
    let version = service.version(&request["VersionStage"]);
    let (status, answer) = match (behavior, version) {
        (Behavior::Hangs, _) => std::future::pending().await,
        (Behavior::Fails, _) => {
            (StatusCode::INTERNAL_SERVER_ERROR, json!({ "__type": "InternalServiceError", "Message": "try later" }))
        }
        (Behavior::Responds, None) => (
            StatusCode::BAD_REQUEST,
            json!({ "__type": "ResourceNotFoundException", "Message": "can't find the specified secret value" }),
        ),
        (Behavior::Responds, Some(secret)) => {
            (StatusCode::OK, json!({ "ARN": SecretsManager::ARN, "Name": "videos", "SecretString": secret }))
        }
    };
    (status, [(header::CONTENT_TYPE, "application/x-amz-json-1.1")], answer.to_string()).into_response()
}
