//! `CreateJob`: what a request may contain and the job that it becomes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use video_core::TranscoderKind;

use super::error::{bad_request, bad_value, not_found};
use super::outputs::{OutputGroup, parse_s3_url, result_location};
use crate::aws_json::ApiError;
use crate::transcoder::clip::timecode;
use crate::transcoder::jobs::{Location, NewJob};
use crate::transcoder::state::Transcoder;

/// The only queue.
const QUEUE: &str = "Default";

/// The fields of a `CreateJob` that matter here; the others are returned as they were sent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateJob {
    role: Option<String>,
    queue: Option<String>,
    client_request_token: Option<String>,
    /// Only its type is checked.
    #[serde(default, rename = "userMetadata")]
    _user_metadata: BTreeMap<String, String>,
    settings: Option<JobSettings>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct JobSettings {
    inputs: Vec<JobInput>,
    output_groups: Vec<OutputGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobInput {
    file_input: Option<String>,
    timecode_source: Option<String>,
    #[serde(default)]
    input_clippings: Vec<InputClipping>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InputClipping {
    start_timecode: Option<String>,
    end_timecode: Option<String>,
}

/// Validates a request.
///
/// # Errors
/// `BadRequestException` with the path of the field, or `NotFoundException` for a queue that does not exist.
pub(super) fn validate(transcoder: &Transcoder, request: Value) -> Result<NewJob, ApiError> {
    let parsed = CreateJob::deserialize(&request).map_err(|error| bad_request(error.to_string()))?;
    let CreateJob { role, queue, client_request_token: token, settings, .. } = parsed;
    if role.is_none_or(|role| role.is_empty()) {
        return Err(bad_value("/role", "Should not be empty"));
    }
    if token.as_ref().is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
        return Err(bad_value("/clientRequestToken", "Should be at most 64 ASCII characters"));
    }
    let settings = settings.ok_or_else(|| bad_value("/settings", "Should not be empty"))?;
    let input = input(&settings.inputs)?;
    Ok(NewJob {
        service: TranscoderKind::MediaConvert,
        queue: queue_arn(transcoder, queue.as_deref())?,
        token,
        output: result_location(&settings.output_groups, &input)?,
        input,
        request,
    })
}

/// Returns the ARN of the queue with this name or ARN, by default the default queue.
///
/// # Errors
/// `NotFoundException` for any other queue.
pub(super) fn queue_arn(transcoder: &Transcoder, name_or_arn: Option<&str>) -> Result<String, ApiError> {
    let arn = transcoder.arn("mediaconvert", &format!("queues/{QUEUE}"));
    match name_or_arn {
        Some(other) if other != QUEUE && other != arn => Err(not_found(&format!("queue {other}"))),
        _ => Ok(arn),
    }
}

fn input(inputs: &[JobInput]) -> Result<Location, ApiError> {
    let url = match inputs {
        [] => return Err(bad_value("/settings/inputs", "Should not be empty")),
        [input] => {
            check_clippings(input)?;
            input.file_input.as_deref()
        }
        _ => return Err(bad_value("/settings/inputs", "The local MediaConvert reads one input")),
    };
    let path = "/settings/inputs/0/fileInput";
    let url = url.ok_or_else(|| bad_value(path, "Should not be empty"))?;
    parse_s3_url(url)
        .filter(|location| !location.key.is_empty() && !location.key.ends_with('/'))
        .ok_or_else(|| bad_value(path, "Should be an S3 URL of an object: s3://bucket/key"))
}

/// Checks what a job reads of its input: its beginning, told by timecodes that start at 0, or all of it.
fn check_clippings(input: &JobInput) -> Result<(), ApiError> {
    let path = "/settings/inputs/0/inputClippings";
    let end = match input.input_clippings.as_slice() {
        [] => return Ok(()),
        [InputClipping { start_timecode: None, end_timecode }] => end_timecode.as_deref(),
        _ => return Err(bad_value(path, "The local MediaConvert reads one clip, from the input's start")),
    };
    if end.and_then(timecode).is_none() {
        return Err(bad_value(&format!("{path}/0/endTimecode"), "Should be HH:MM:SS:FF"));
    }
    match input.timecode_source.as_deref() {
        Some("ZEROBASED") => Ok(()),
        _ => {
            Err(bad_value("/settings/inputs/0/timecodeSource", "The local MediaConvert knows no other than ZEROBASED"))
        }
    }
}
