//! The least program on the packages of the API: it answers `GET /presignedurl/{project}/{step}?mail=` with
//! the same write to DynamoDB and the same signed form, and connects to DynamoDB before its first event.

use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use blake2::digest::consts::U10;
use blake2::{Blake2b, Digest};
use lambda_http::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE};
use lambda_http::{Body, Request, RequestExt, Response, service_fn};
use video_bench_contestants::{Failure, Sdk, connect, rfc3339, s, variable};

const EXPIRES: Duration = Duration::from_hours(1);
const MAX_POST_BYTES: u64 = 5 << 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let app = App::from_env()?;
    connect(&app.dynamodb, &app.table).await;
    let app = &app;
    lambda_http::run(service_fn(|request| async move { app.answer(&request).await })).await
}

struct App {
    sdk: Sdk,
    dynamodb: Client,
    table: String,
    bucket: String,
    /// A day as `20261124`, and its key.
    key: Mutex<(String, Vec<u8>)>,
}

/// A response that is no form: status, code and message.
type Refusal = (u16, &'static str, &'static str);

impl App {
    fn from_env() -> Result<Self, Failure> {
        let sdk = Sdk::from_env()?;
        Ok(Self {
            dynamodb: Client::new(&sdk.config("AWS_ENDPOINT_URL_DYNAMODB")),
            table: variable("RESPONSES_TABLE_NAME")?,
            bucket: variable("MEDIA_BUCKET_NAME")?,
            key: Mutex::default(),
            sdk,
        })
    }

    async fn answer(&self, request: &Request) -> Result<Response<Body>, Failure> {
        let (status, body) = match self.form(request).await {
            Ok(form) => (200, form),
            Err((status, code, message)) => (status, format!(r#"{{"Code":"{code}","Message":"{message}"}}"#)),
        };
        let response = Response::builder().status(status).header(CONTENT_TYPE, "application/json");
        Ok(response.header(ACCESS_CONTROL_ALLOW_ORIGIN, "*").body(body.into())?)
    }

    async fn form(&self, request: &Request) -> Result<String, Refusal> {
        let path = request.uri().path().strip_prefix("/presignedurl/");
        let path = path.ok_or((404, "NotFoundError", "there is no such path"))?;
        let parameters = request.query_string_parameters();
        if parameters.is_empty() {
            return Err((404, "NotFoundError", "No parameter has been sent"));
        }
        let mail = parameters.first("mail").filter(|mail| !mail.is_empty());
        let mail = mail.ok_or((404, "NotFoundError", "mail is empty"))?;
        let (project, step) = path.trim_end_matches('/').split_once('/').unwrap_or((path, ""));
        if project.is_empty() {
            return Err((404, "NotFoundError", "project is empty"));
        }
        // So that it stands in JSON as it is.
        if !project.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
            return Err((400, "BadRequestError", "project: letters, digits and ._- only"));
        }
        let step: i64 = step.parse().unwrap_or(0);
        let digest = hex::encode(Blake2b::<U10>::digest(mail));
        let (key, now) = (format!("{project}/{step}/{digest}.webm"), SystemTime::now());
        match self.record(project, step, mail, &digest, &key, now).await {
            Ok(()) => Ok(self.sign(&key, now)),
            Err(_) => Err((503, "ServiceUnavailableError", "an AWS call failed; no form was issued")),
        }
    }

    /// Writes what the API writes.
    async fn record(
        &self,
        project: &str,
        step: i64,
        mail: &str,
        digest: &str,
        key: &str,
        now: SystemTime,
    ) -> Result<(), Failure> {
        let listed_at = now.duration_since(UNIX_EPOCH)?.as_millis();
        let update = self.dynamodb.update_item().table_name(&self.table);
        let update = update
            .key("ProjectStep", s(format!("{project}-{step}")))
            .key("Mail", s(mail))
            .update_expression(
                "SET #s = if_not_exists(#s, :s), listedAt = if_not_exists(listedAt, :l), \
                 #p = if_not_exists(#p, :p), video = :v, requestedAt = :t, updatedAt = :t",
            )
            .condition_expression("attribute_not_exists(#s) OR #s <> :d")
            .expression_attribute_names("#s", "status")
            .expression_attribute_names("#p", "project")
            .expression_attribute_values(":s", s("requested"))
            .expression_attribute_values(":d", s("deleting"))
            .expression_attribute_values(":l", s(format!("{listed_at:013}~{digest}")))
            .expression_attribute_values(":p", s(project))
            .expression_attribute_values(":v", s(key))
            .expression_attribute_values(":t", s(rfc3339(now)));
        update.send().await?;
        Ok(())
    }

    /// Returns the form. Nothing in it needs escaping.
    fn sign(&self, key: &str, now: SystemTime) -> String {
        let (bucket, region, expires_at) = (&self.bucket, &self.sdk.region, rfc3339(now + EXPIRES));
        let date = rfc3339(now).replace(['-', ':'], "");
        let day = date.get(..8).unwrap_or_default();
        let credential = format!("{}/{day}/{region}/s3/aws4_request", self.sdk.credentials.access_key_id());
        let fields = [
            ("key", key),
            ("Content-Type", "video/webm"),
            ("success_action_status", "201"),
            ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
            ("x-amz-credential", &credential),
            ("x-amz-date", &date),
            ("x-amz-security-token", self.sdk.credentials.session_token().unwrap_or_default()),
        ];
        let mut policy = format!(r#"{{"expiration":"{expires_at}","conditions":[{{"bucket":"{bucket}"}},"#);
        let mut form = format!(r#"{{"url":"https://{bucket}.s3.{region}.amazonaws.com/","fields":{{"#);
        for (name, value) in fields {
            policy.extend([r#"{""#, name, r#"":""#, value, r#""},"#]);
            form.extend([r#"""#, name, r#"":""#, value, r#"","#]);
        }
        let _ = write!(policy, r#"["content-length-range",1,{MAX_POST_BYTES}]]}}"#);
        let policy = BASE64_STANDARD.encode(policy);
        let signature = self.signature(&policy, day, now);
        form + &format!(r#""policy":"{policy}","x-amz-signature":"{signature}"}},"expiresAt":"{expires_at}"}}"#)
    }

    fn signature(&self, policy: &str, day: &str, now: SystemTime) -> String {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        if key.0 != day {
            let secret = self.sdk.credentials.secret_access_key();
            *key = (day.to_owned(), generate_signing_key(secret, now, &self.sdk.region, "s3").as_ref().to_vec());
        }
        calculate_signature(&key.1, policy.as_bytes())
    }
}
