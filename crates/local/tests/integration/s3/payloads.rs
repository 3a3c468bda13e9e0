//! How SDKs sign and frame the bodies of objects and parts.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;
use aws_sdk_s3::primitives::ByteStream;
use aws_sigv4::http_request::{PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tempfile::TempDir;

use super::multipart::{complete, create_upload};
use super::{ACCESS_KEY, SECRET_KEY, Server};
use crate::http::send;
use crate::store::{MEDIA, REGION, object_files};

/// The `x-amz-content-sha256` of every request that was sent.
#[derive(Clone, Debug, Default)]
struct Payloads(Arc<Mutex<Vec<String>>>);

impl Intercept for Payloads {
    fn name(&self) -> &'static str {
        "Payloads"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let payload = context.request().headers().get("x-amz-content-sha256").unwrap_or_default();
        self.0.lock().unwrap().push(payload.to_owned());
        Ok(())
    }
}

impl Payloads {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[tokio::test]
async fn bodies_in_chunks_are_stored_without_their_framing() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let content: Vec<u8> = (0..=250).cycle().take(1_000_003).collect();
    let file = dir.path().join("upload");
    std::fs::write(&file, &content).unwrap();
    let body = async || ByteStream::from_path(&file).await.unwrap();
    let payloads = Payloads::default();

    let put = server.client.put_object().bucket(MEDIA).key("signed").body(body().await);
    put.customize().interceptor(payloads.clone()).send().await.unwrap();
    assert!(server.get("signed").await == content);
    let upload = create_upload(&server).await;
    let part = server.client.upload_part().bucket(MEDIA).key("big").upload_id(&upload).part_number(1);
    let part = part.body(body().await).customize().interceptor(payloads.clone()).send().await.unwrap();
    complete(&server, &upload, &[(1, part.e_tag().unwrap())]).await.unwrap();
    assert!(server.get("big").await == content);
    assert_eq!(payloads.take(), ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"; 2]);
}

#[tokio::test]
async fn unsigned_chunks_are_stored_if_the_checksum_after_them_is_right() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let wrong = put_unsigned_chunks(server.address, "AAAAAA==").await;
    assert!(wrong.starts_with("HTTP/1.1 400") && wrong.contains("<Code>BadDigest</Code>"), "{wrong}");
    assert_eq!(object_files(dir.path()), 0);
    let right = put_unsigned_chunks(server.address, "fMfaLA==").await;
    assert!(right.starts_with("HTTP/1.1 200"), "{right}");
    assert_eq!(server.get("x").await, b"video");
}

/// Puts the object `x` as the SDK for JavaScript does in browsers, in chunks that are followed by the CRC32.
async fn put_unsigned_chunks(address: SocketAddr, crc32: &str) -> String {
    let credentials = aws_credential_types::Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
    let identity = credentials.into();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder().identity(&identity).region(REGION).name("s3").time(SystemTime::now());
    let params = params.settings(settings).build().unwrap().into();
    let body = format!("5\r\nvideo\r\n0\r\nx-amz-checksum-crc32:{crc32}\r\n\r\n");
    let headers = [
        ("content-encoding", "aws-chunked"),
        ("x-amz-decoded-content-length", "5"),
        ("x-amz-trailer", "x-amz-checksum-crc32"),
    ];
    let url = format!("http://{address}/{MEDIA}/x");
    let payload = SignableBody::StreamingUnsignedPayloadTrailer;
    let request = SignableRequest::new("PUT", &url, headers.into_iter(), payload).unwrap();
    let (instructions, _) = sign(request, &params).unwrap().into_parts();
    let headers = headers.into_iter().chain(instructions.headers());
    let headers: Vec<String> = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!(
        "PUT /{MEDIA}/x HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{}Content-Length: {}\r\n\r\n",
        headers.concat(),
        body.len()
    );
    send(address, &head, body.as_bytes()).await
}

#[tokio::test]
async fn bodies_that_are_not_signed_are_stored() {
    let dir = TempDir::new().unwrap();
    let server = Server::start(dir.path()).await;
    let body = || ByteStream::from_static(b"video");
    let payloads = Payloads::default();

    let put = server.client.put_object().bucket(MEDIA).key("x").body(body());
    let put = put.customize().disable_payload_signing().interceptor(payloads.clone());
    put.send().await.unwrap();
    assert_eq!(server.get("x").await, b"video");

    let upload = create_upload(&server).await;
    let part = server.client.upload_part().bucket(MEDIA).key("big").upload_id(&upload).part_number(1);
    let part = part.body(body()).customize().disable_payload_signing().interceptor(payloads.clone());
    let part = part.send().await.unwrap();
    complete(&server, &upload, &[(1, part.e_tag().unwrap())]).await.unwrap();
    assert_eq!(server.get("big").await, b"video");
    assert_eq!(payloads.take(), ["UNSIGNED-PAYLOAD"; 2]);
}
