//! Uploads that survive a broken network: the S3 routes of Uppy's Companion, so that its clients work unchanged.
//!
//! The routes and their answers are those of `@uppy/companion`'s `controllers/s3.ts`; see
//! <https://uppy.io/docs/aws-s3/>. They stand under `/s3` for everyone and under `/u/{token}/s3` for one person.

mod abort;
mod complete;
mod create;
mod form;
mod part;
mod parts;

use axum::Json;
use axum::Router;
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use video_core::ids::{MediaType, ObjectKey};
use video_core::storage::{MultipartError, MultipartUpload};

use crate::error::{Error, ErrorBody};
use crate::extract::{Access, MAIL_IS_EMPTY, PROJECT_IS_EMPTY, PathResult, Query, StepField, parameters};
use crate::state::{App, AppState};
use crate::upload_target::UploadTarget;

/// The routes, without the prefix that says who may use them.
pub fn routes() -> Router<AppState> {
    Router::new()
        .route("/params", get(form::form))
        .route("/multipart", post(create::create))
        .route("/multipart/{upload_id}", get(parts::parts).delete(abort::abort))
        .route("/multipart/{upload_id}/{part_number}", get(part::part))
        .route("/multipart/{upload_id}/complete", post(complete::complete))
        .layer(map_response(repeat_message))
}

/// An upload as the path names it.
#[derive(Deserialize)]
struct UploadPath {
    upload_id: String,
}

/// An upload that a request may touch.
struct Upload {
    key: ObjectKey,
    id: String,
}

impl Upload {
    /// Reads the upload's ID from the path and its key from the query.
    fn new(access: &Access, path: PathResult<UploadPath>, query: &Query) -> Result<Self, Error> {
        let UploadPath { upload_id } = parameters(path)?;
        Ok(Self { key: access.check_key(query.required("key")?)?, id: checked_id(upload_id)? })
    }

    fn at<'a>(&'a self, app: &'a App) -> MultipartUpload<'a> {
        MultipartUpload { bucket: &app.media.name, key: self.key.as_str(), id: &self.id }
    }
}

/// Checks an upload's ID: S3 makes them of these characters, and calls others a bad request.
fn checked_id(id: String) -> Result<String, Error> {
    let may_be = id.len() <= 1024 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~=+/-".contains(&b));
    if may_be { Ok(id) } else { Err(MultipartError::NoSuchUpload.into()) }
}

/// What is uploaded, as Uppy says it. Further metadata is of no interest.
#[derive(Deserialize, Default)]
struct Metadata {
    #[serde(default)]
    mail: String,
    #[serde(default)]
    project: String,
    #[serde(default)]
    step: StepField,
}

impl Access {
    /// Returns whose video is uploaded: the link's, whatever the metadata says, else the metadata's.
    fn target(&self, metadata: &Metadata) -> Result<UploadTarget, Error> {
        match self {
            Self::Link(link) => Ok(link.target.clone()),
            Self::Open => metadata.target(),
        }
    }
}

impl Metadata {
    fn target(&self) -> Result<UploadTarget, Error> {
        if self.mail.is_empty() {
            return Err(MAIL_IS_EMPTY);
        }
        if self.project.is_empty() {
            return Err(PROJECT_IS_EMPTY);
        }
        Ok(UploadTarget { project: self.project.parse()?, step: self.step.step()?, mail: self.mail.parse()? })
    }
}

/// Returns the media type that a client names; where it names none, the file's name tells it.
fn media_type(named: Option<&str>, file_name: Option<&str>) -> Result<MediaType, Error> {
    let named = named.filter(|named| !named.is_empty());
    let of_file = || file_name.and_then(MediaType::of_file_name);
    Ok(match named {
        // What browsers and Uppy call a file of a type that they do not know.
        None | Some("application/octet-stream") => of_file().map_or_else(|| named.unwrap_or_default().parse(), Ok)?,
        Some(named) => named.parse()?,
    })
}

impl From<MultipartError> for Error {
    fn from(error: MultipartError) -> Self {
        match error {
            MultipartError::NoSuchUpload => Self::NotFound("there is no such multipart upload"),
            MultipartError::InvalidParts(_) => Self::BadRequest(error.to_string()),
            MultipartError::Unavailable(error) => Self::Unavailable(error),
        }
    }
}

/// An error with the one field that Uppy 5 shows.
#[derive(Serialize)]
struct UppyError {
    #[serde(flatten)]
    error: ErrorBody,
    message: String,
}

/// Repeats an error's message where Uppy looks for it.
async fn repeat_message(mut response: Response) -> Response {
    let Some(error) = response.extensions_mut().remove::<ErrorBody>() else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    let message = error.message.clone();
    (parts.status, parts.headers, Json(UppyError { error, message })).into_response()
}
