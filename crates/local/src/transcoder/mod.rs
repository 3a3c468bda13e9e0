//! Elastic Transcoder and MediaConvert on one machine: both wire protocols over one queue of jobs and ffmpeg.
//!
//! Every operation serves a client:
//!
//! | service | operation | client |
//! |---|---|---|
//! | Elastic Transcoder | `CreateJob`, `ReadJob`, `ListJobsByPipeline`, `CancelJob` | `video-events` |
//! | | `CreatePipeline` | the deployment test, as docs/DEPLOY.md creates one |
//! | | `ReadPipeline`, `ListPipelines` | whoever needs the ID for `PIPELINE_NAME`: an operator, the tests |
//! | MediaConvert | `CreateJob`, `GetJob`, `ListJobs`, `SearchJobs`, `CancelJob` | `video-events` |

mod clip;
mod elastictranscoder;
mod failure;
mod ffmpeg;
mod frame;
mod jobs;
mod mediaconvert;
mod pages;
mod pipelines;
mod progress;
mod rows;
mod state;
mod worker;

use axum::Router;

pub use ffmpeg::{Error as FfmpegError, Ffmpeg, Media};
pub use state::{Settings, Transcoder};
pub use worker::work;

/// The tables of jobs and pipelines.
pub const SCHEMAS: [&str; 2] = [jobs::SCHEMA, pipelines::SCHEMA];

/// Creates an Elastic Transcoder pipeline that notifies of every change of a job, and returns its ID. Called again with
/// the same name, it updates the buckets and returns the same ID.
///
/// # Errors
/// When the database cannot be written.
pub fn create_pipeline(
    transcoder: &Transcoder,
    name: &str,
    input_bucket: &str,
    output_bucket: &str,
) -> rusqlite::Result<String> {
    elastictranscoder::create_pipeline(transcoder, name, input_bucket, output_bucket)
}

/// Returns the routes of both services, for `AWS_ENDPOINT_URL_ELASTIC_TRANSCODER` and `AWS_ENDPOINT_URL_MEDIACONVERT`:
/// the API versions in the paths tell them apart.
pub fn routes(transcoder: Transcoder) -> Router {
    Router::new()
        .nest("/2012-09-25", elastictranscoder::routes())
        .nest("/2017-08-29", mediaconvert::routes())
        .with_state(transcoder)
}
