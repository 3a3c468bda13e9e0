//! `CreateJob`: what a request may contain and the job that it becomes.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use video_core::TranscoderKind;

use super::error::{bad_request, bad_value, not_found};
use crate::aws_json::ApiError;
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
    inputs: Vec<Input>,
    output_groups: Vec<OutputGroup>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    file_input: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputGroup {
    output_group_settings: Option<OutputGroupSettings>,
    #[serde(default)]
    outputs: Vec<Output>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutputGroupSettings {
    r#type: Option<String>,
    file_group_settings: Option<FileGroupSettings>,
}

#[derive(Deserialize)]
struct FileGroupSettings {
    destination: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    container_settings: Option<ContainerSettings>,
    name_modifier: Option<String>,
}

#[derive(Deserialize)]
struct ContainerSettings {
    container: Option<String>,
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
        output: output(&settings.output_groups, &input)?,
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

fn input(inputs: &[Input]) -> Result<Location, ApiError> {
    let url = match inputs {
        [] => return Err(bad_value("/settings/inputs", "Should not be empty")),
        [input] => input.file_input.as_deref(),
        _ => return Err(bad_value("/settings/inputs", "The local MediaConvert reads one input")),
    };
    let path = "/settings/inputs/0/fileInput";
    let url = url.ok_or_else(|| bad_value(path, "Should not be empty"))?;
    parse_s3_url(url)
        .filter(|location| !location.key.is_empty() && !location.key.ends_with('/'))
        .ok_or_else(|| bad_value(path, "Should be an S3 URL of an object: s3://bucket/key"))
}

fn output(groups: &[OutputGroup], input: &Location) -> Result<Location, ApiError> {
    let group = match groups {
        [] => return Err(bad_value("/settings/outputGroups", "Should not be empty")),
        [group] => group,
        _ => return Err(bad_value("/settings/outputGroups", "The local MediaConvert writes one group")),
    };
    let settings = group.output_group_settings.as_ref();
    if settings.and_then(|settings| settings.r#type.as_deref()) != Some("FILE_GROUP_SETTINGS") {
        return Err(bad_value(
            "/settings/outputGroups/0/outputGroupSettings/type",
            "The local MediaConvert writes FILE_GROUP_SETTINGS",
        ));
    }
    let output = match group.outputs.as_slice() {
        [] => return Err(bad_value("/settings/outputGroups/0/outputs", "Should not be empty")),
        [output] => output,
        _ => {
            let rule = "The local MediaConvert writes one output";
            return Err(bad_value("/settings/outputGroups/0/outputs", rule));
        }
    };
    let container = output.container_settings.as_ref().and_then(|settings| settings.container.as_deref());
    if container != Some("MP4") {
        return Err(bad_value(
            "/settings/outputGroups/0/outputs/0/containerSettings/container",
            "The local MediaConvert writes MP4",
        ));
    }
    let destination = settings
        .and_then(|settings| settings.file_group_settings.as_ref())
        .and_then(|settings| parse_s3_url(settings.destination.as_deref()?))
        .ok_or_else(|| {
            bad_value(
                "/settings/outputGroups/0/outputGroupSettings/fileGroupSettings/destination",
                "Should be an S3 URL: s3://bucket/path/",
            )
        })?;
    Ok(output_location(destination, input, output.name_modifier.as_deref().unwrap_or_default()))
}

/// Returns where the output goes: a destination that ends in `/` is completed with the input's name, any other is the
/// output's name itself.
fn output_location(destination: Location, input: &Location, modifier: &str) -> Location {
    let Location { bucket, key: path } = destination;
    let stem = if path.is_empty() || path.ends_with('/') { file_stem(&input.key) } else { "" };
    Location { bucket, key: format!("{path}{stem}{modifier}.mp4") }
}

/// Returns `x.y` for `Alba/0/x.y.webm`.
fn file_stem(key: &str) -> &str {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// Parses `s3://bucket/key`; the key is not percent-encoded.
fn parse_s3_url(url: &str) -> Option<Location> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| Location { bucket: bucket.to_owned(), key: key.to_owned() })
}
