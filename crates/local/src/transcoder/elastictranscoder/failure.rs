//! Elastic Transcoder's error codes.

use uuid::Uuid;

use crate::transcoder::failure::JobFailure;
use crate::transcoder::ffmpeg;
use crate::transcoder::jobs::{Job, Location, Outcome};

/// Returns the outcome of a failed job; the codes are those of AWS's page "Errors During Job Processing". Every message
/// starts with its code and an ID.
pub(in crate::transcoder) fn failed_outcome(job: &Job, failure: &JobFailure) -> Outcome {
    let object = |location: &Location| format!("bucket={}, key={}", location.bucket, location.key);
    let (code, message) = match failure {
        JobFailure::InputMissing => {
            (3001, format!("The specified object could not be found in the specified bucket: {}.", object(&job.input)))
        }
        JobFailure::OutputExists => (
            3002,
            format!(
                "The specified object could not be saved in the specified bucket because an object by that name \
                 already exists: {}.",
                object(&job.output)
            ),
        ),
        JobFailure::BucketMissing(bucket) => {
            (3005, format!("The specified S3 bucket does not exist: bucket={bucket}."))
        }
        JobFailure::Storing(_) => (3000, format!("{failure}.")),
        JobFailure::Transcoding(error) => match error {
            ffmpeg::Error::Empty | ffmpeg::Error::UnknownFormat | ffmpeg::Error::Undecodable(_) => {
                (4000, format!("Amazon Elastic Transcoder could not interpret the media file. {error}."))
            }
            ffmpeg::Error::NoVideo => (4008, format!("{error}.")),
            _ => (9000, format!("{error}.")),
        },
    };
    Outcome::Failed { code, message: format!("{code} {}: {message}", Uuid::new_v4()) }
}
