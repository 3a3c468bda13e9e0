//! The HTTPS client under every AWS client: HTTP/1.1, which is what these services speak, with Mozilla's certificate
//! authorities built in.
//!
//! The SDK's own client brings HTTP/2 along and reads the system's authorities whenever a process starts: a tenth of
//! the program, and half of the instructions of a cold start.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{self, CaptureConnection, capture_connection};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// For TCP, over all addresses of the host; a name or a TLS handshake that takes too long ends with the attempt.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// What all clients share: one pool of connections.
#[derive(Clone)]
pub(super) struct HyperConnector(Client<HttpsConnector<connect::HttpConnector>, SdkBody>);

impl HyperConnector {
    /// A client that trusts Mozilla's certificate authorities, or those of a PEM file alone.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no certificate or one that is none.
    pub(super) fn new(authorities: Option<&str>) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let roots = match authorities {
            Some(path) => read_authorities(path)?,
            None => webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect(),
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = connect::HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        Ok(Self(Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector)))
    }
}

fn read_authorities(path: &str) -> Result<RootCertStore, Box<dyn Error + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)? {
        roots.add(certificate?)?;
    }
    if roots.is_empty() { Err("it holds no certificate".into()) } else { Ok(roots) }
}

impl fmt::Debug for HyperConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HyperConnector")
    }
}

impl HttpConnector for HyperConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let answer = self.0.request(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await.map_err(classified)?;
            let answer = HttpResponse::try_from(answer.map(SdkBody::from_body_1_x));
            answer.map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// What the SDK needs in order to give up a connection whose server is in trouble: its next attempt may then reach
/// another one.
fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    connection.connection_metadata().as_ref()?;
    let connection = connection.clone();
    let give_up = move || {
        if let Some(connected) = connection.connection_metadata().as_ref() {
            connected.poison();
        }
    };
    Some(ConnectionMetadata::builder().proxied(false).poison_fn(give_up).build())
}

/// Whatever happens to a connection may pass; a body that cannot be sent never will.
fn classified(error: legacy::Error) -> ConnectorError {
    let http = error.source().and_then(|source| source.downcast_ref::<hyper::Error>());
    if http.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

/// Whether this error of a client says that there was no connection, so that the request cannot have reached the
/// service.
pub(crate) fn never_connected(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |&cause| cause.source());
    causes.any(|cause| cause.downcast_ref::<legacy::Error>().is_some_and(legacy::Error::is_connect))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    fn request(port: u16) -> HttpRequest {
        let mut request = HttpRequest::new(SdkBody::empty());
        request.set_uri(format!("http://127.0.0.1:{port}/")).unwrap();
        request
    }

    /// How asking this port for anything fails.
    async fn failure(port: u16) -> ConnectorError {
        HyperConnector::new(None).unwrap().call(request(port)).await.unwrap_err()
    }

    /// Answers every request; the answer is the number of its connection.
    async fn answer(listener: TcpListener) {
        for number in 1.. {
            let (mut connection, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut request = [0; 1024];
                // These requests are small enough for one read.
                while connection.read(&mut request).await.unwrap() > 0 {
                    let answer = format!("HTTP/1.1 200 OK\r\nx-connection: {number}\r\ncontent-length: 0\r\n\r\n");
                    connection.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn a_connection_is_used_again_until_the_sdk_gives_it_up() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(answer(listener));
        let client = HyperConnector::new(None).unwrap();
        let mut connections = Vec::new();
        for give_up in [false, true, false] {
            let (mut request, capture) = (request(port), CaptureSmithyConnection::new());
            request.add_extension(capture.clone());
            let answer = client.call(request).await.unwrap();
            connections.push(answer.headers().get("x-connection").unwrap().to_owned());
            let connection = capture.get().unwrap();
            if give_up {
                connection.poison();
            }
            // The answer's end gives the connection back to the pool.
            http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
            tokio::task::yield_now().await;
        }
        assert_eq!(connections, ["1", "1", "2"]);
    }

    #[tokio::test]
    async fn a_request_is_known_not_to_have_arrived_only_without_a_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let hung_up = async { drop(listener.accept().await.unwrap()) };
        let (error, ()) = tokio::join!(failure(port), hung_up);
        assert!(error.is_io() && !never_connected(&error), "{error:?}");
        drop(listener);
        let error = failure(port).await;
        assert!(error.is_io() && never_connected(&error), "{error:?}");
    }

    /// <https://www.amazontrust.com/repository/>: what every endpoint of AWS is signed by.
    #[test]
    fn amazons_authorities_are_built_in() {
        for name in ["Amazon Root CA 1", "Amazon Root CA 4", "Starfield Services Root Certificate Authority - G2"] {
            let is_named = |subject: &[u8]| subject.windows(name.len()).any(|part| part == name.as_bytes());
            assert!(webpki_roots::TLS_SERVER_ROOTS.iter().any(|authority| is_named(&authority.subject)), "{name}");
        }
    }

    #[test]
    fn a_file_of_authorities_that_cannot_be_used_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("authorities.pem");
        let path = file.to_str().unwrap();
        assert!(HyperConnector::new(Some(path)).is_err(), "there is no file");
        for content in ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&file, content).unwrap();
            assert!(HyperConnector::new(Some(path)).is_err(), "{content}");
        }
    }
}
