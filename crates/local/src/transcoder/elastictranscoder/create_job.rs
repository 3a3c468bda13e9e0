//! `CreateJob`: what a request may contain and the job that it becomes.

use std::collections::BTreeMap;

use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use video_core::TranscoderKind;

use super::validation::{check_id, find_pipeline, invalid, missing, not_found, required, text, too_long};
use crate::aws_json::ApiError;
use crate::transcoder::clip::seconds;
use crate::transcoder::jobs::{Location, NewJob};

/// "System preset: Web", the only preset.
const WEB: &str = "1351620000001-100070";

/// What AWS allows in metadata besides ASCII letters and digits.
const METADATA_SYMBOLS: &str = " _.:/=+-%@";
const MAX_METADATA_PAIRS: usize = 10;

/// The body of a `CreateJob`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct CreateJob {
    pipeline_id: Option<String>,
    input: Option<JobInput>,
    output_key_prefix: Option<String>,
    output: Option<CreateOutput>,
    outputs: Option<Vec<CreateOutput>>,
    #[serde(default)]
    user_metadata: BTreeMap<String, String>,
}

/// Everything but the key and the span is a hint that ffmpeg does not need; it is returned as it was sent.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct JobInput {
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_rate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolution: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interlaced: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time_span: Option<TimeSpan>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeSpan {
    #[serde(skip_serializing_if = "Option::is_none")]
    start_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateOutput {
    key: Option<String>,
    preset_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rotate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thumbnail_pattern: Option<String>,
}

impl CreateJob {
    /// Validates the request by the rules of
    /// <https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/create-job.html>.
    ///
    /// # Errors
    /// `ValidationException`, or `ResourceNotFoundException` for a pipeline or preset that does not exist.
    pub(super) fn validate(mut self, account: &str, db: &Connection) -> Result<NewJob, ApiError> {
        let pipeline_id = required(self.pipeline_id, "pipelineId")?;
        let input = self.input.ok_or_else(|| missing("input"))?;
        let input_key = text(input.key.as_deref(), "input.key", 1024)?.to_owned();
        check_time_span(input.time_span.as_ref())?;
        let output = single_output(self.output.take(), self.outputs.take())?;
        let output_key = text(output.key.as_deref(), "outputs.1.member.key", 255)?;
        check_thumbnail_pattern(output.thumbnail_pattern.as_deref().unwrap_or_default())?;
        if output.rotate.as_deref().is_some_and(|rotate| rotate != "auto") {
            return Err(invalid("The local Elastic Transcoder rotates as the input says: Rotate must be auto"));
        }
        if let Some(prefix) = &self.output_key_prefix {
            text(Some(prefix), "outputKeyPrefix", 255)?;
        }
        check_metadata(&self.user_metadata)?;
        check_preset(account, output.preset_id.as_deref())?;
        let pipeline = find_pipeline(account, db, &pipeline_id)?;
        let bucket = |name: &str| pipeline.settings.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(NewJob {
            service: TranscoderKind::ElasticTranscoder,
            token: None,
            input: Location { bucket: bucket("InputBucket"), key: input_key },
            output: Location {
                bucket: bucket("OutputBucket"),
                key: format!("{}{output_key}", self.output_key_prefix.as_deref().unwrap_or_default()),
            },
            request: json!({
                "Input": input,
                "OutputKeyPrefix": self.output_key_prefix,
                "Output": output,
                "UserMetadata": self.user_metadata,
            }),
            queue: pipeline_id,
        })
    }
}

fn check_time_span(span: Option<&TimeSpan>) -> Result<(), ApiError> {
    let Some(TimeSpan { start_time, duration }) = span else { return Ok(()) };
    if start_time.is_some() {
        return Err(invalid("The local Elastic Transcoder begins at the input's start: TimeSpan takes no StartTime"));
    }
    if duration.as_deref().is_some_and(|duration| seconds(duration).is_none()) {
        return Err(invalid("TimeSpan.Duration must be HH:mm:ss.SSS or sssss.SSS, and less than a day"));
    }
    Ok(())
}

fn check_thumbnail_pattern(pattern: &str) -> Result<(), ApiError> {
    if pattern.chars().count() > 255 {
        return Err(too_long("outputs.1.member.thumbnailPattern", 255));
    }
    if pattern.is_empty() || pattern.contains("{count}") {
        return Ok(());
    }
    Err(invalid("ThumbnailPattern must be empty or contain {count}"))
}

fn single_output(output: Option<CreateOutput>, outputs: Option<Vec<CreateOutput>>) -> Result<CreateOutput, ApiError> {
    let mut outputs: Vec<_> = output.into_iter().chain(outputs.into_iter().flatten()).collect();
    match (outputs.pop(), outputs.is_empty()) {
        (Some(output), true) => Ok(output),
        (None, _) => Err(invalid("Either Output or Outputs must be specified")),
        (Some(_), false) => Err(invalid("The local Elastic Transcoder makes one output for a job")),
    }
}

fn check_preset(account: &str, id: Option<&str>) -> Result<(), ApiError> {
    let id = id.ok_or_else(|| missing("outputs.1.member.presetId"))?;
    check_id(id, "presetId")?;
    if id == WEB { Ok(()) } else { Err(not_found(account, "preset", id)) }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), ApiError> {
    if metadata.len() > MAX_METADATA_PAIRS {
        return Err(invalid(format!("UserMetadata must have at most {MAX_METADATA_PAIRS} key/value pairs")));
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || METADATA_SYMBOLS.contains(c);
    for (key, value) in metadata {
        text(Some(key), "userMetadata.key", 255)?;
        if value.chars().count() > 255 {
            return Err(too_long("userMetadata.value", 255));
        }
        if !key.chars().all(is_allowed) || !value.chars().all(is_allowed) {
            return Err(invalid(format!(
                "UserMetadata keys and values must use characters from 0-9 A-Z a-z space _.:/=+-%@: `{key}`"
            )));
        }
    }
    Ok(())
}
