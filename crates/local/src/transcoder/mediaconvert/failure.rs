//! MediaConvert's error codes.

use crate::transcoder::failure::JobFailure;
use crate::transcoder::ffmpeg;
use crate::transcoder::jobs::{Job, Location, Outcome};

/// Returns the outcome of a failed job; the codes are those of AWS's page "MediaConvert error codes".
pub(in crate::transcoder) fn failed_outcome(job: &Job, failure: &JobFailure) -> Outcome {
    let object = |location: &Location| format!("s3://{}/{}", location.bucket, location.key);
    let (code, message) = match failure {
        JobFailure::InputMissing => {
            (1404, format!("Unable to open input file [{}]: it does not exist", object(&job.input)))
        }
        JobFailure::BucketMissing(bucket) => (1404, format!("The S3 bucket {bucket} does not exist")),
        JobFailure::OutputExists | JobFailure::Storing(_) => {
            (1999, format!("Unable to write [{}]: {failure}", object(&job.output)))
        }
        JobFailure::Transcoding(error) => {
            let code = match error {
                ffmpeg::Error::Empty | ffmpeg::Error::Undecodable(_) => 1010,
                ffmpeg::Error::NoVideo => 1020,
                ffmpeg::Error::UnknownFormat => 1030,
                ffmpeg::Error::DiskFull => 1050,
                _ => 1999,
            };
            (code, error.to_string())
        }
    };
    Outcome::Failed { code, message }
}
