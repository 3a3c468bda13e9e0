//! What the floors on the AWS SDK share: the least that its clients need in a Lambda function, region, credentials, an
//! endpoint, and HTTP/1.1 over TLS.
//!
//! The HTTPS client is as small as the functions' own, which costs far less than the SDK's default: a floor that the
//! functions are below would be none.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::DateTime;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::date_time::Format;
use aws_types::SdkConfig;
use aws_types::region::Region;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect};
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why a start or an invocation fails.
pub type Failure = Box<dyn Error + Send + Sync>;

/// What every client of a function shares.
pub struct Sdk {
    config: SdkConfig,
    /// What the presigned form is signed with as well.
    pub credentials: Credentials,
    /// `AWS_REGION`.
    pub region: String,
}

impl Sdk {
    /// Reads the standard variables.
    ///
    /// # Errors
    /// A variable that is not set, or a file of authorities that cannot be read.
    pub fn from_env() -> Result<Self, Failure> {
        let (id, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
        let token = std::env::var("AWS_SESSION_TOKEN").ok();
        let credentials = Credentials::new(id, secret, token, None, "Environment");
        let region = variable("AWS_REGION")?;
        let connector = SharedHttpConnector::new(Connector::new()?);
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(credentials.clone()))
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        Ok(Self { config, credentials, region })
    }

    /// Returns the settings of a client whose endpoint this variable names.
    #[must_use]
    pub fn config(&self, endpoint: &str) -> SdkConfig {
        let mut config = self.config.to_builder();
        config.set_endpoint_url(std::env::var(endpoint).ok());
        config.build()
    }
}

/// Opens the connection to DynamoDB; the first invocation reports what fails.
pub async fn connect(dynamodb: &aws_sdk_dynamodb::Client, table: &str) {
    let get = dynamodb.get_item().table_name(table).key("ProjectStep", s("-")).key("Mail", s("-"));
    let _ = get.send().await;
}

/// Returns a text as DynamoDB has it.
pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Formats a time to the second, as RFC 3339.
#[must_use]
pub fn rfc3339(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    DateTime::from_secs(seconds.cast_signed()).fmt(Format::DateTime).unwrap_or_default()
}

/// Reads a variable of the environment.
///
/// # Errors
/// When it is not set.
pub fn variable(name: &str) -> Result<String, Failure> {
    std::env::var(name).map_err(|_| format!("{name} is not set").into())
}

#[derive(Clone)]
struct Connector(Client<HttpsConnector<connect::HttpConnector>, SdkBody>);

impl Connector {
    fn new() -> Result<Self, Failure> {
        let tls = ClientConfig::builder().with_root_certificates(authorities()?).with_no_client_auth();
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let https =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        Ok(Self(Client::builder(TokioExecutor::new()).build(https)))
    }
}

/// Returns those of `AWS_CA_BUNDLE`, else Mozilla's.
fn authorities() -> Result<Arc<RootCertStore>, Failure> {
    let Ok(bundle) = std::env::var("AWS_CA_BUNDLE") else {
        return Ok(Arc::new(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect()));
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(bundle)? {
        roots.add(certificate?)?;
    }
    Ok(Arc::new(roots))
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connector")
    }
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(|error| ConnectorError::io(error.into()))?;
            let answer = HttpResponse::try_from(answer.map(SdkBody::from_body_1_x));
            answer.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
