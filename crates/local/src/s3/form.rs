//! Upload forms: what is left to do once s3s has verified one.
//!
//! The rules are those of <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, ETAG, HOST, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use s3s::dto::PostResponse;
use s3s::xml::{SerResult, Serialize as _, Serializer};
use s3s::{S3Result, s3_error};

use super::error::internal_error;
use super::percent_encoding::encode_path;

/// The maximum length of a key in bytes of UTF-8; s3s checks it only for keys in a path.
const MAX_KEY_BYTES: usize = 1024;

/// Rejects a form's key that cannot be an object's.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if key.is_empty() {
        return Err(s3_error!(InvalidArgument, "User key must have a length greater than 0."));
    }
    if key.len() > MAX_KEY_BYTES {
        return Err(s3_error!(KeyTooLongError));
    }
    // An object with that literal name would be a silent mistake.
    if key.contains("${filename}") {
        return Err(s3_error!(NotImplemented, "${{filename}} is not supported here"));
    }
    Ok(())
}

/// AWS's response to a form: an absolute URL and a quoted `ETag`, where s3s writes a path and an unquoted one.
#[derive(Clone)]
pub(super) struct FormResponse {
    pub(super) headers: HeaderMap,
    xml: Vec<u8>,
}

impl FormResponse {
    /// Returns the response to a form whose request had these headers.
    pub(super) fn new(request: &HeaderMap, bucket: &str, key: &str, etag: &str) -> S3Result<Self> {
        let host = request.get(HOST).and_then(|host| host.to_str().ok());
        let host = host.unwrap_or("localhost");
        let location = format!("http://{host}/{bucket}/{}", encode_path(key));
        let etag = format!("\"{etag}\"");
        let mut headers = HeaderMap::new();
        for (name, value) in [(LOCATION, &location), (ETAG, &etag)] {
            let value = HeaderValue::try_from(value.as_str());
            headers.insert(name, value.map_err(internal_error)?);
        }
        let xml = xml(&PostResponse { location: &location, bucket, key, etag: &etag });
        Ok(Self { headers, xml: xml.map_err(internal_error)? })
    }
}

fn xml(response: &PostResponse<'_>) -> SerResult<Vec<u8>> {
    let mut xml = Vec::new();
    let mut serializer = Serializer::new(&mut xml);
    serializer.decl()?;
    response.serialize(&mut serializer)?;
    Ok(xml)
}

/// Replaces s3s's XML by that of the [`FormResponse`] if the form asked for `success_action_status` 201.
pub(super) async fn replace_form_xml(mut response: Response) -> Response {
    let form = response.extensions_mut().remove::<FormResponse>();
    if let Some(form) = form
        && response.status() == StatusCode::CREATED
    {
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(form.xml);
    }
    response
}
