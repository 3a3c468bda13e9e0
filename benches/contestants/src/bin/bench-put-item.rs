//! The smallest function that writes a record: a handwritten runtime loop and one handwritten, signed `PutItem` for
//! each event.

use std::error::Error;
use std::sync::Arc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;
use ring::{digest, hmac};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use serde_json::json;
use time::OffsetDateTime;
use time::macros::format_description;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

type Failure = Box<dyn Error + Send + Sync>;
type Client = SendRequest<Full<Bytes>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let api = variable("AWS_LAMBDA_RUNTIME_API")?;
    let mut table = Table::from_environment()?;
    let mut runtime = over(tcp(&api).await?).await?;
    loop {
        let next = request(Method::GET, "/2018-06-01/runtime/invocation/next", &api).body(Full::default())?;
        let next = send(&mut runtime, next).await?;
        let id = next.headers().get("lambda-runtime-aws-request-id").ok_or("an invocation without a request ID")?;
        let path = format!("/2018-06-01/runtime/invocation/{}/response", id.to_str()?);
        let event = next.into_body().collect().await?.to_bytes();
        let answer = table.record(&serde_json::from_slice(&event)?).await?;
        let response = request(Method::POST, &path, &api).body(Full::from(answer.to_string()))?;
        send(&mut runtime, response).await?.into_body().collect().await?;
    }
}

/// The part of an API Gateway event (version 2.0) that names a record.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    raw_path: String,
    query_string_parameters: Parameters,
}

#[derive(Deserialize)]
struct Parameters {
    mail: String,
}

/// The table, over a connection that stays open.
struct Table {
    name: String,
    endpoint: Uri,
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    connection: Option<Client>,
    signing_key: Option<(String, hmac::Key)>,
}

impl Table {
    fn from_environment() -> Result<Self, Failure> {
        Ok(Self {
            name: variable("RESPONSES_TABLE_NAME")?,
            endpoint: variable("AWS_ENDPOINT_URL_DYNAMODB")?.parse()?,
            region: variable("AWS_REGION")?,
            access_key_id: variable("AWS_ACCESS_KEY_ID")?,
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN")?,
            connection: None,
            signing_key: None,
        })
    }

    async fn record(&mut self, event: &Event) -> Result<serde_json::Value, Failure> {
        let key = event.raw_path.trim_matches('/').trim_start_matches("presignedurl/");
        let item = json!({
            "ProjectStep": { "S": key.replace('/', "-") },
            "Mail": { "S": event.query_string_parameters.mail },
            "video": { "S": format!("{key}.webm") },
        });
        let body = json!({ "TableName": self.name, "Item": item }).to_string();
        let request = self.signed(body, OffsetDateTime::now_utc())?;
        let answer = send(self.connection().await?, request).await?;
        let status = answer.status();
        answer.into_body().collect().await?;
        let body = json!({ "key": key }).to_string();
        Ok(json!({
            "statusCode": status.as_u16(),
            "headers": { "content-type": "application/json" },
            "body": body,
            "isBase64Encoded": false,
        }))
    }

    /// Signs a request. See
    /// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.
    fn signed(&mut self, body: String, now: OffsetDateTime) -> Result<Request<Full<Bytes>>, Failure> {
        const TARGET: &str = "DynamoDB_20120810.PutItem";
        const TYPE: &str = "application/x-amz-json-1.0";
        let date = now.format(format_description!("[year][month][day]T[hour][minute][second]Z"))?;
        let day = date.get(..8).unwrap_or_default().to_owned();
        let scope = format!("{day}/{}/dynamodb/aws4_request", self.region);
        let host = self.endpoint.authority().map(ToString::to_string).unwrap_or_default();
        let token = &self.session_token;
        let names = "content-type;host;x-amz-date;x-amz-security-token;x-amz-target";
        let canonical = format!(
            "POST\n/\n\ncontent-type:{TYPE}\nhost:{host}\nx-amz-date:{date}\nx-amz-security-token:{token}\n\
             x-amz-target:{TARGET}\n\n{names}\n{}",
            hex(digest::digest(&digest::SHA256, body.as_bytes()).as_ref())
        );
        let canonical = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
        let signature =
            hmac::sign(self.signing_key(day), format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{canonical}").as_bytes());
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={}",
            self.access_key_id,
            hex(signature.as_ref())
        );
        let request = request(Method::POST, "/", &host)
            .header(CONTENT_TYPE, TYPE)
            .header("x-amz-date", date)
            .header("x-amz-security-token", &self.session_token)
            .header("x-amz-target", TARGET)
            .header(AUTHORIZATION, authorization);
        Ok(request.body(Full::from(body))?)
    }

    /// Returns the key of the day, derived when it is first needed.
    fn signing_key(&mut self, day: String) -> &hmac::Key {
        let derive = |day: &str| {
            let secret = format!("AWS4{}", self.secret_access_key);
            [day, &self.region, "dynamodb", "aws4_request"]
                .into_iter()
                .fold(key(secret.as_bytes()), |parent, part| key(hmac::sign(&parent, part.as_bytes()).as_ref()))
        };
        if self.signing_key.as_ref().is_none_or(|(of, _)| *of != day) {
            self.signing_key = None;
        }
        let entry = self.signing_key.get_or_insert_with(|| {
            let derived = derive(&day);
            (day, derived)
        });
        &entry.1
    }

    async fn connection(&mut self) -> Result<&mut Client, Failure> {
        if self.connection.as_ref().is_none_or(Client::is_closed) {
            self.connection = None;
        }
        let open = match self.connection.take() {
            Some(open) => open,
            None => connect(&self.endpoint).await?,
        };
        Ok(self.connection.insert(open))
    }
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret)
}

async fn connect(endpoint: &Uri) -> Result<Client, Failure> {
    let authority = endpoint.authority().ok_or("an endpoint without a host")?;
    let stream = tcp(authority.as_str()).await?;
    if endpoint.scheme_str() != Some("https") {
        return over(stream).await;
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(authority.host().to_owned())?;
    over(TlsConnector::from(Arc::new(config)).connect(name, stream).await?).await
}

async fn tcp(address: &str) -> Result<TcpStream, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Client, Failure> {
    let (client, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn request(method: Method, path: &str, host: &str) -> hyper::http::request::Builder {
    Request::builder().method(method).uri(path).header(HOST, host)
}

async fn send(client: &mut Client, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
    client.ready().await?;
    Ok(client.send_request(request).await?)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}
