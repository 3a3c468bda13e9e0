//! Browsers' forms: what s3s leaves to do before and after it has checked one.
//!
//! The rules are those of <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, ETAG, HOST, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::{Stream, TryStreamExt as _, stream};
use s3s::dto::PostResponse;
use s3s::xml::{SerResult, Serialize as _, Serializer};
use s3s::{S3Result, s3_error};

use super::service::path_encoded;

/// Keys have at most this many bytes of UTF-8; s3s checks it only for keys in a path.
const MAX_KEY_BYTES: usize = 1024;

/// The largest piece of a form that s3s gets at once.
///
/// When a piece ends with the first bytes of a form's boundary (a lone CR will do, which in a video is one piece of
/// 256), s3s 0.14 refuses the upload if the next piece is above 64 KiB; hyper's pieces grow to 400 KiB.
const MAX_PIECE: usize = 32 * 1024;

/// Cuts the body of a form into pieces that s3s can take.
pub(super) async fn in_small_pieces(request: Request) -> Request {
    let is_form =
        request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"));
    if !is_form {
        return request;
    }
    request.map(|body| Body::from_stream(body.into_data_stream().map_ok(pieces).try_flatten()))
}

fn pieces(chunk: Bytes) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    stream::unfold(chunk, async |mut rest| {
        let piece = rest.split_to(rest.len().min(MAX_PIECE));
        (!piece.is_empty()).then_some((Ok(piece), rest))
    })
}

/// Refuses a form's key that cannot be an object's.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.is_empty() {
        return Err(s3_error!(InvalidArgument, "User key must have a length greater than 0."));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(s3_error!(KeyTooLongError));
    }
    // s3s does not tell the file's name; an object of that literal name would be a silent mistake.
    if key.contains("${filename}") {
        return Err(s3_error!(NotImplemented, "${{filename}} is not supported here"));
    }
    Ok(())
}

/// What AWS answers a form with: an absolute address and a quoted `ETag`, where s3s writes a path and a bare one.
#[derive(Clone)]
pub(super) struct Posted {
    pub(super) headers: HeaderMap,
    xml: Vec<u8>,
}

impl Posted {
    /// The answer to a form that came with these headers.
    pub(super) fn new(request: &HeaderMap, bucket: &str, key: &str, etag: &str) -> S3Result<Self> {
        let host = request.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or("localhost");
        let location = format!("http://{host}/{bucket}/{}", path_encoded(key));
        let etag = format!("\"{etag}\"");
        let mut headers = HeaderMap::new();
        for (name, value) in [(LOCATION, &location), (ETAG, &etag)] {
            let value = HeaderValue::try_from(value.as_str());
            headers.insert(name, value.map_err(s3s::S3Error::internal_error)?);
        }
        let xml = xml(&PostResponse { location: &location, bucket, key, etag: &etag });
        Ok(Self { headers, xml: xml.map_err(s3s::S3Error::internal_error)? })
    }
}

fn xml(response: &PostResponse<'_>) -> SerResult<Vec<u8>> {
    let mut xml = Vec::new();
    let mut serializer = Serializer::new(&mut xml);
    serializer.decl()?;
    response.serialize(&mut serializer)?;
    Ok(xml)
}

/// Puts [`Posted`]'s XML in the place of s3s's own, if the form asked for `success_action_status` 201.
pub(super) async fn with_posted_xml(mut response: Response) -> Response {
    let posted = response.extensions_mut().remove::<Posted>();
    if let Some(posted) = posted
        && response.status() == StatusCode::CREATED
    {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(posted.xml);
    }
    response
}
