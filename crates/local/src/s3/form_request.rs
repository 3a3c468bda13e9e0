//! Upload forms on their way to s3s, which verifies their fields, while their file stays a stream.
//!
//! s3s keeps the whole file of a form in memory. So it is given the same fields with a placeholder for the file: zeros,
//! as many as the policy requires at least. Only if the policy and the signature are valid does s3s call `PostObject`,
//! which takes the [`FormFile`] from the request's extensions.

use std::iter::repeat_n;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use multer::{Field, Multipart};
use s3s::post_policy::{PostPolicy, PostPolicyCondition};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::body::MAX_SIZE;

/// The maximum size of everything before the file, as on AWS.
const MAX_FIELDS_SIZE: usize = 20 * 1024;

/// How much is read in search of the file: more than the fields, since the chunk in which the file begins counts whole.
const MAX_READ_BEFORE_FILE: usize = 2 * 1024 * 1024;

/// What placeholders consist of.
static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// The file of a form.
#[derive(Clone)]
pub(super) struct FormFile {
    content: Arc<Mutex<Option<Field<'static>>>>,
    /// The sizes that every `content-length-range` of the policy allows.
    pub(super) sizes: RangeInclusive<u64>,
}

impl FormFile {
    /// Returns the file's bytes, once.
    pub(super) fn stream(&self) -> impl Stream<Item = Result<Bytes, multer::Error>> + Send + use<> {
        let content = self.content.lock().unwrap_or_else(PoisonError::into_inner).take();
        stream::iter(content).flatten()
    }
}

/// Replaces the file of a form by a placeholder and adds the [`FormFile`] to the request. Other requests, and forms
/// without a boundary, which s3s rejects, stay as they are.
///
/// # Errors
/// The response to a form that cannot be parsed, whose fields are too large or that has no file.
pub(super) async fn detach_file(request: Request) -> Result<Request, Response> {
    let Some(boundary) = form_boundary(&request) else { return Ok(request) };
    let (mut parts, body) = request.into_parts();
    let (fields, file) = read_fields(body, boundary).await.map_err(error_response)?;
    let file = FormFile { content: Arc::new(Mutex::new(Some(file))), sizes: fields.file_sizes.clone() };
    parts.extensions.insert(file);
    parts.headers.remove(CONTENT_LENGTH);
    Ok(Request::from_parts(parts, fields.into_body()))
}

/// Returns the boundary of what s3s takes for a form, too.
fn form_boundary(request: &Request) -> Option<String> {
    let content_type = request.headers().get(CONTENT_TYPE).filter(|_| request.method() == Method::POST)?;
    multer::parse_boundary(content_type.to_str().ok()?).ok()
}

async fn read_fields(body: Body, boundary: String) -> S3Result<(Fields, Field<'static>)> {
    let is_before_file = Arc::new(AtomicBool::new(true));
    let mut form = Multipart::new(limit_while(is_before_file.clone(), body), boundary.as_str());
    let mut fields = Fields::new(boundary);
    while let Some(field) = form.next_field().await.map_err(form_error)? {
        let name = field.name().unwrap_or_default().to_ascii_lowercase();
        if name == "file" {
            is_before_file.store(false, Ordering::Relaxed);
            return Ok((fields, field));
        }
        fields.add(&name, field).await?;
    }
    Err(s3_error!(IncorrectNumberOfFilesInPostRequest, "POST requires exactly one file upload per request."))
}

/// Returns the body's chunks; as long as the flag is set, not too many of them.
fn limit_while(is_before_file: Arc<AtomicBool>, body: Body) -> impl Stream<Item = S3Result<Bytes>> + Send {
    let mut read = 0;
    body.into_data_stream().map(move |chunk| {
        let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "the body is incomplete: {error}"))?;
        read += chunk.len();
        if read > MAX_READ_BEFORE_FILE && is_before_file.load(Ordering::Relaxed) {
            return Err(fields_too_large());
        }
        Ok(chunk)
    })
}

/// The fields before the file.
struct Fields {
    boundary: String,
    /// The fields as a form.
    form: Vec<u8>,
    file_sizes: RangeInclusive<u64>,
}

impl Fields {
    fn new(boundary: String) -> Self {
        Self { boundary, form: Vec::new(), file_sizes: 0..=MAX_SIZE }
    }

    async fn add(&mut self, name: &str, mut field: Field<'static>) -> S3Result<()> {
        self.begin_part(name)?;
        let start = self.form.len();
        while let Some(chunk) = field.chunk().await.map_err(form_error)? {
            self.form.extend_from_slice(&chunk);
            if self.form.len() > MAX_FIELDS_SIZE {
                return Err(fields_too_large());
            }
        }
        if name == "policy" {
            self.narrow_file_sizes(start);
        }
        self.form.extend_from_slice(b"\r\n");
        Ok(())
    }

    fn begin_part(&mut self, name: &str) -> S3Result<()> {
        if name.is_empty() || name.contains(|character: char| character == '"' || character.is_control()) {
            return Err(s3_error!(MalformedPOSTRequest, "each field of a form needs a name without quotation marks"));
        }
        let head = format!("--{}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n", self.boundary);
        self.form.extend_from_slice(head.as_bytes());
        Ok(())
    }

    /// Applies the policy that starts there in the form. A policy that is invalid changes nothing, since s3s rejects
    /// it. Of two policies, s3s verifies one; the file must satisfy both.
    fn narrow_file_sizes(&mut self, start: usize) {
        let policy = self.form.get(start..).and_then(|policy| std::str::from_utf8(policy).ok());
        let policy = policy.and_then(|policy| PostPolicy::from_base64(policy).ok());
        for condition in policy.map(|policy| policy.conditions).unwrap_or_default() {
            if let PostPolicyCondition::ContentLengthRange { min, max } = condition {
                self.file_sizes = min.max(*self.file_sizes.start())..=max.min(*self.file_sizes.end());
            }
        }
    }

    /// Returns the form with the smallest file that the policy allows.
    fn into_body(mut self) -> Body {
        let size = *self.file_sizes.start();
        let end = format!("\r\n--{}--\r\n", self.boundary);
        let head = format!("--{}\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\n", self.boundary);
        self.form.extend_from_slice(head.as_bytes());
        let chunk = ZEROS.len() as u64;
        let whole = usize::try_from(size / chunk).unwrap_or(usize::MAX);
        let rest = usize::try_from(size % chunk).unwrap_or_default();
        let zeros = repeat_n(Bytes::from_static(&ZEROS), whole).chain([Bytes::from_static(&ZEROS).slice(..rest)]);
        let chunks = [self.form.into()].into_iter().chain(zeros).chain([end.into()]);
        Body::from_stream(stream::iter(chunks.map(Ok::<Bytes, S3Error>)))
    }
}

fn fields_too_large() -> S3Error {
    s3_error!(
        MaxPostPreDataLengthExceededError,
        "Your POST request fields preceding the upload file were too large: the maximum is {MAX_FIELDS_SIZE} bytes."
    )
}

/// Returns the error of the body if that is why the form cannot be parsed.
fn form_error(error: multer::Error) -> S3Error {
    match error {
        multer::Error::StreamReadFailed(source) => source
            .downcast()
            .map_or_else(|source| S3Error::with_source(S3ErrorCode::IncompleteBody, source), |error| *error),
        error => s3_error!(error, MalformedPOSTRequest, "The body of your POST request is not well-formed multipart."),
    }
}

fn error_response(error: S3Error) -> Response {
    match error.to_http_response() {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
