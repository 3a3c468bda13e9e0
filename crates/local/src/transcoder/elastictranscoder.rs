//! Elastic Transcoder's REST JSON API of 2012-09-25, as far as one output with the "Web" preset goes, and its
//! notifications as SNS hands them to Lambda.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use rusqlite::{Connection, Transaction};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::ffmpeg;
use super::jobs::{self, Filter, Job, Location, NewJob, Outcome, Page, Pipeline, Service, Status};
use super::wire::{Refusal, parse};
use super::worker::Failure;
use super::{Transcoder, now};

const SERVICE: Service = Service::ElasticTranscoder;

/// "System preset: Web", the one preset there is.
const WEB: &str = "1351620000001-100070";

/// Jobs, pipelines or presets in one answer.
const PAGE: usize = 50;

/// Symbols that AWS allows in metadata besides ASCII letters and digits.
const METADATA_SYMBOLS: &str = " _.:/=+-%@";
const MAX_METADATA_PAIRS: usize = 10;

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn routes() -> Router<Transcoder> {
    Router::new()
        .route("/jobs", post(create_job))
        .route("/jobs/{id}", get(read_job).delete(cancel_job))
        .route("/jobsByPipeline/{id}", get(list_jobs_by_pipeline))
        .route("/jobsByStatus/{status}", get(list_jobs_by_status))
        .route("/pipelines", get(list_pipelines).post(post_pipeline))
        .route("/pipelines/{id}", get(read_pipeline))
        .route("/presets", get(list_presets))
        .route("/presets/{id}", get(read_preset))
}

/// See [`Transcoder::create_pipeline`].
pub(super) fn create_pipeline(
    transcoder: &Transcoder,
    name: &str,
    input_bucket: &str,
    output_bucket: &str,
) -> rusqlite::Result<String> {
    let topic = transcoder.arn("sns", name);
    let settings = json!({
        "InputBucket": input_bucket,
        "OutputBucket": output_bucket,
        "Role": format!("arn:aws:iam::{}:role/{name}", transcoder.settings.account),
        "Notifications": { "Progressing": topic, "Completed": topic, "Warning": topic, "Error": topic },
    });
    transcoder.database.transaction(|tx| {
        let pipeline = match jobs::update_pipeline(tx, name, &settings)? {
            Some(pipeline) => pipeline,
            None => jobs::insert_pipeline(tx, name, &settings, now())?,
        };
        Ok(pipeline.id)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreateJob {
    pipeline_id: Option<String>,
    input: Option<JobInput>,
    output_key_prefix: Option<String>,
    output: Option<CreateOutput>,
    outputs: Option<Vec<CreateOutput>>,
    #[serde(default)]
    user_metadata: BTreeMap<String, String>,
}

/// Everything but the key is a hint that ffmpeg does not need; it is echoed.
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

async fn create_job(State(transcoder): State<Transcoder>, body: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let request: CreateJob = parse(&body, invalid)?;
    let job = transcoder.database.transaction(|tx| {
        let new = request.check(&transcoder, tx)?;
        Ok::<_, Refusal>(jobs::insert(tx, &new, now())?)
    })?;
    let answer = json!({ "Job": transcoder.job(&job) });
    Ok((StatusCode::CREATED, Json(answer)))
}

impl CreateJob {
    /// The rules of AWS's "Create Job" page.
    fn check(mut self, transcoder: &Transcoder, db: &Connection) -> Result<NewJob, Refusal> {
        let pipeline_id = required(self.pipeline_id, "pipelineId")?;
        let input = self.input.ok_or_else(|| null("input"))?;
        let input_key = text(input.key.as_deref(), "input.key", 1024)?.to_owned();
        let output = the_only_output(self.output.take(), self.outputs.take())?;
        let key = text(output.key.as_deref(), "outputs.1.member.key", 255)?;
        if output.thumbnail_pattern.as_deref().is_some_and(|pattern| !pattern.is_empty()) {
            return Err(invalid("The local Elastic Transcoder makes no thumbnails: ThumbnailPattern must be empty"));
        }
        if output.rotate.as_deref().is_some_and(|rotate| rotate != "auto") {
            return Err(invalid("The local Elastic Transcoder rotates as the input says: Rotate must be auto"));
        }
        if let Some(prefix) = &self.output_key_prefix {
            text(Some(prefix), "outputKeyPrefix", 255)?;
        }
        check_metadata(&self.user_metadata)?;
        let preset_id = required(output.preset_id.clone(), "outputs.1.member.presetId")?;
        transcoder.require_preset(&preset_id)?;
        let pipeline = transcoder.require_pipeline(db, &pipeline_id)?;
        Ok(NewJob {
            service: SERVICE,
            token: None,
            input: Location { bucket: string(&pipeline.settings, "InputBucket"), key: input_key },
            output: Location {
                bucket: string(&pipeline.settings, "OutputBucket"),
                key: format!("{}{key}", self.output_key_prefix.as_deref().unwrap_or_default()),
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

fn the_only_output(output: Option<CreateOutput>, outputs: Option<Vec<CreateOutput>>) -> Result<CreateOutput, Refusal> {
    let mut outputs: Vec<_> = output.into_iter().chain(outputs.into_iter().flatten()).collect();
    match (outputs.pop(), outputs.is_empty()) {
        (Some(output), true) => Ok(output),
        (None, _) => Err(invalid("Either Output or Outputs must be specified")),
        (Some(_), false) => Err(invalid("The local Elastic Transcoder makes one output for a job")),
    }
}

fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if metadata.len() > MAX_METADATA_PAIRS {
        return Err(invalid(format!("UserMetadata must have at most {MAX_METADATA_PAIRS} key/value pairs")));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || METADATA_SYMBOLS.contains(c);
    for (key, value) in metadata {
        text(Some(key), "userMetadata.key", 255)?;
        if value.chars().count() > 255 {
            return Err(too_long("userMetadata.value", 255));
        }
        if !key.chars().all(allowed) || !value.chars().all(allowed) {
            return Err(invalid(format!(
                "UserMetadata keys and values must use characters from 0-9 A-Z a-z space _.:/=+-%@: `{key}`"
            )));
        }
    }
    Ok(())
}

async fn read_job(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> Answer {
    check_id(&id, "id")?;
    let job = transcoder.database.read(|db| jobs::find(db, SERVICE, &id))?;
    let job = job.ok_or_else(|| transcoder.not_found("job", &id))?;
    Ok(Json(json!({ "Job": transcoder.job(&job) })))
}

/// A job can be canceled until it is started, as on AWS.
async fn cancel_job(
    State(transcoder): State<Transcoder>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    check_id(&id, "id")?;
    transcoder.database.transaction(|tx| {
        let job = jobs::find(tx, SERVICE, &id)?.ok_or_else(|| transcoder.not_found("job", &id))?;
        if jobs::cancel(tx, &job.id, now())? {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::CONFLICT,
            "ResourceInUseException",
            format!(
                "The job could not be canceled because it is not in the Submitted state: jobId={id}, status={}.",
                job.status.name()
            ),
        ))
    })?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listing {
    ascending: Option<String>,
    page_token: Option<String>,
}

impl Listing {
    fn page(&self) -> Result<Page, Refusal> {
        let token = self.page_token.as_deref().map(str::parse).transpose();
        Ok(Page {
            oldest_first: self.ascending.as_deref() == Some("true"),
            after: token.map_err(|_| invalid("The page token is not one that was given out"))?,
            limit: PAGE,
        })
    }
}

async fn list_jobs_by_pipeline(
    State(transcoder): State<Transcoder>,
    Path(id): Path<String>,
    Query(listing): Query<Listing>,
) -> Answer {
    let filter = Filter { queue: Some(&id), ..Filter::default() };
    let page = listing.page()?;
    let (jobs, next) = transcoder.database.read(|db| {
        transcoder.require_pipeline(db, &id)?;
        Ok::<_, Refusal>(jobs::list(db, SERVICE, &filter, page)?)
    })?;
    Ok(transcoder.jobs(&jobs, next))
}

async fn list_jobs_by_status(
    State(transcoder): State<Transcoder>,
    Path(name): Path<String>,
    Query(listing): Query<Listing>,
) -> Answer {
    let Some(status) = Status::ALL.into_iter().find(|status| status.name() == name) else {
        return Err(invalid(constraint(
            &name,
            "status",
            "Member must be one of Submitted, Progressing, Complete, Canceled, Error",
        )));
    };
    let filter = Filter { status: Some(status), ..Filter::default() };
    let page = listing.page()?;
    let (jobs, next) = transcoder.database.read(|db| jobs::list(db, SERVICE, &filter, page))?;
    Ok(transcoder.jobs(&jobs, next))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct CreatePipeline {
    name: Option<String>,
    input_bucket: Option<String>,
    output_bucket: Option<String>,
    role: Option<String>,
    notifications: Option<Notifications>,
}

/// The SNS topic for each kind of news; an empty one is not told.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Notifications {
    progressing: String,
    completed: String,
    warning: String,
    error: String,
}

async fn post_pipeline(
    State(transcoder): State<Transcoder>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let request: CreatePipeline = parse(&body, invalid)?;
    let name = text(request.name.as_deref(), "name", 40)?;
    let settings = json!({
        "InputBucket": text(request.input_bucket.as_deref(), "inputBucket", 255)?,
        "OutputBucket": text(request.output_bucket.as_deref(), "outputBucket", 255)?,
        "Role": text(request.role.as_deref(), "role", 255)?,
        "Notifications": request.notifications.unwrap_or_default(),
    });
    let pipeline = transcoder.database.transaction(|tx| jobs::insert_pipeline(tx, name, &settings, now()))?;
    let answer = json!({ "Pipeline": transcoder.pipeline(&pipeline), "Warnings": [] });
    Ok((StatusCode::CREATED, Json(answer)))
}

async fn read_pipeline(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> Answer {
    let pipeline = transcoder.database.read(|db| transcoder.require_pipeline(db, &id))?;
    Ok(Json(json!({ "Pipeline": transcoder.pipeline(&pipeline), "Warnings": [] })))
}

async fn list_pipelines(State(transcoder): State<Transcoder>, Query(listing): Query<Listing>) -> Answer {
    let page = listing.page()?;
    let (pipelines, next) = transcoder.database.read(|db| jobs::list_pipelines(db, page))?;
    let pipelines: Vec<_> = pipelines.iter().map(|pipeline| transcoder.pipeline(pipeline)).collect();
    Ok(Json(json!({ "Pipelines": pipelines, "NextPageToken": page_token(next) })))
}

async fn list_presets(State(transcoder): State<Transcoder>) -> Answer {
    Ok(Json(json!({ "Presets": [transcoder.web_preset()], "NextPageToken": null })))
}

async fn read_preset(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> Answer {
    transcoder.require_preset(&id)?;
    Ok(Json(json!({ "Preset": transcoder.web_preset() })))
}

impl Transcoder {
    fn not_found(&self, what: &str, id: &str) -> Refusal {
        Refusal::new(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            format!("The specified {what} was not found: account={}, {what}Id={id}.", self.settings.account),
        )
    }

    fn require_pipeline(&self, db: &Connection, id: &str) -> Result<Pipeline, Refusal> {
        check_id(id, "pipelineId")?;
        jobs::find_pipeline(db, id)?.ok_or_else(|| self.not_found("pipeline", id))
    }

    fn require_preset(&self, id: &str) -> Result<(), Refusal> {
        check_id(id, "presetId")?;
        if id == WEB { Ok(()) } else { Err(self.not_found("preset", id)) }
    }

    fn jobs(&self, jobs: &[Job], next: Option<i64>) -> Json<Value> {
        let jobs: Vec<_> = jobs.iter().map(|job| self.job(job)).collect();
        Json(json!({ "Jobs": jobs, "NextPageToken": page_token(next) }))
    }

    fn job(&self, job: &Job) -> Value {
        let input = job.request.get("Input");
        let output = output(job);
        json!({
            "Id": job.id,
            "Arn": self.arn("elastictranscoder", &format!("job/{}", job.id)),
            "PipelineId": job.queue,
            "Input": input,
            "Inputs": [input],
            "Output": output,
            "Outputs": [output],
            "OutputKeyPrefix": job.request.get("OutputKeyPrefix"),
            "Playlists": [],
            "Status": job.status.name(),
            "UserMetadata": job.request.get("UserMetadata"),
            "Timing": {
                "SubmitTimeMillis": job.submitted_at,
                "StartTimeMillis": job.started_at,
                "FinishTimeMillis": job.finished_at,
            },
        })
    }

    fn pipeline(&self, pipeline: &Pipeline) -> Value {
        let content = json!({
            "Bucket": pipeline.settings.get("OutputBucket"),
            "StorageClass": "Standard",
            "Permissions": [],
        });
        let mut answer = json!({
            "Id": pipeline.id,
            "Arn": self.arn("elastictranscoder", &format!("pipeline/{}", pipeline.id)),
            "Name": pipeline.name,
            "Status": "Active",
            "ContentConfig": content,
            "ThumbnailConfig": content,
        });
        if let (Some(answer), Some(settings)) = (answer.as_object_mut(), pipeline.settings.as_object()) {
            answer.extend(settings.clone());
        }
        answer
    }

    fn web_preset(&self) -> Value {
        json!({
            "Id": WEB,
            "Arn": self.arn("elastictranscoder", &format!("preset/{WEB}")),
            "Name": "System preset: Web",
            "Description": "System preset: Web",
            "Type": "System",
            "Container": "mp4",
            "Video": {
                "Codec": "H.264",
                "CodecOptions": { "Profile": "main", "Level": "3.1", "MaxReferenceFrames": "3" },
                "KeyframesMaxDist": "90",
                "FixedGOP": "false",
                "BitRate": "2200",
                "FrameRate": "30",
                "MaxWidth": "1280",
                "MaxHeight": "720",
                "DisplayAspectRatio": "auto",
                "SizingPolicy": "ShrinkToFit",
                "PaddingPolicy": "NoPad",
                "Watermarks": [],
            },
            "Audio": {
                "Codec": "AAC",
                "CodecOptions": { "Profile": "AAC-LC" },
                "SampleRate": "44100",
                "BitRate": "160",
                "Channels": "2",
            },
            "Thumbnails": {
                "Format": "png",
                "Interval": "60",
                "MaxWidth": "192",
                "MaxHeight": "108",
                "SizingPolicy": "ShrinkToFit",
                "PaddingPolicy": "NoPad",
            },
        })
    }
}

/// The job's output as requests see it; the notification has the same facts in small letters.
fn output(job: &Job) -> Value {
    let mut output = job.request.get("Output").cloned().unwrap_or_default();
    if let Some(output) = output.as_object_mut() {
        output.insert("Id".to_owned(), "1".into());
        output.insert("Status".to_owned(), job.status.name().into());
        output.insert("Watermarks".to_owned(), json!([]));
        match &job.outcome {
            Some(Outcome::Done(media)) => {
                output.insert("Width".to_owned(), media.width.into());
                output.insert("Height".to_owned(), media.height.into());
                output.insert("FrameRate".to_owned(), "30".into());
                output.insert("FileSize".to_owned(), media.size.into());
                output.insert("Duration".to_owned(), media.duration_ms.div_ceil(1000).into());
                output.insert("DurationMillis".to_owned(), media.duration_ms.into());
            }
            Some(Outcome::Failed { message, .. }) => {
                output.insert("StatusDetail".to_owned(), message.as_str().into());
            }
            None => {}
        }
    }
    output
}

/// The numbers are those of AWS's page "Errors During Job Processing"; every message starts with its number and an id.
pub(super) fn fault(job: &Job, failure: &Failure) -> Outcome {
    let object = |location: &Location| format!("bucket={}, key={}", location.bucket, location.key);
    let (code, text) = match failure {
        Failure::InputMissing => {
            (3001, format!("The specified object could not be found in the specified bucket: {}.", object(&job.input)))
        }
        Failure::OutputExists => (
            3002,
            format!(
                "The specified object could not be saved in the specified bucket because an object by that name \
                 already exists: {}.",
                object(&job.output)
            ),
        ),
        Failure::BucketMissing(bucket) => (3005, format!("The specified S3 bucket does not exist: bucket={bucket}.")),
        Failure::Storing(_) => (3000, format!("{failure}.")),
        Failure::Transcoding(error) => match error {
            ffmpeg::Error::Empty | ffmpeg::Error::UnknownFormat | ffmpeg::Error::Undecodable(_) => {
                (4000, format!("Amazon Elastic Transcoder could not interpret the media file. {error}."))
            }
            ffmpeg::Error::NoVideo => (4008, format!("{error}.")),
            _ => (9000, format!("{error}.")),
        },
    };
    Outcome::Failed { code, message: format!("{code} {}: {text}", Uuid::new_v4()) }
}

/// The job's notification, as Lambda gets it from the topic that the pipeline has for this state.
pub(super) fn event(transcoder: &Transcoder, tx: &Transaction<'_>, job: &Job) -> rusqlite::Result<Option<Value>> {
    let pipeline = jobs::find_pipeline(tx, &job.queue)?;
    let (state, topic, subject) = match job.status {
        Status::Progressing => (
            "PROGRESSING",
            "Progressing",
            format!("Amazon Elastic Transcoder has scheduled job {} for transcoding.", job.id),
        ),
        Status::Complete => {
            ("COMPLETED", "Completed", format!("Amazon Elastic Transcoder has finished transcoding job {}.", job.id))
        }
        Status::Error => ("ERROR", "Error", format!("The Amazon Elastic Transcoder job {} has failed.", job.id)),
        Status::Submitted | Status::Canceled => return Ok(None),
    };
    let topic = pipeline
        .and_then(|pipeline| pipeline.settings.get("Notifications").map(|topics| string(topics, topic)))
        .filter(|topic| !topic.is_empty());
    Ok(topic.map(|topic| sns(transcoder, &topic, &subject, &message(job, state))))
}

/// AWS's page "Notifications of Job Status".
fn message(job: &Job, state: &str) -> Value {
    let mut message = json!({
        "state": state,
        "version": "2012-09-25",
        "jobId": job.id,
        "pipelineId": job.queue,
        "input": small(job.request.get("Input")),
        "inputCount": 1,
        "outputs": [notified_output(job)],
    });
    if let Some(message) = message.as_object_mut() {
        for (name, field) in [("outputKeyPrefix", "OutputKeyPrefix"), ("userMetadata", "UserMetadata")] {
            let value = job.request.get(field).filter(|value| !value.is_null() && **value != json!({}));
            message.extend(value.map(|value| (name.to_owned(), value.clone())));
        }
        if let Some(Outcome::Failed { code, message: details }) = &job.outcome {
            message.insert("errorCode".to_owned(), (*code).into());
            message.insert("messageDetails".to_owned(), details.as_str().into());
        }
    }
    message
}

fn notified_output(job: &Job) -> Value {
    let mut output = small(job.request.get("Output"));
    output.insert("id".to_owned(), "1".into());
    output.insert("status".to_owned(), job.status.name().into());
    match &job.outcome {
        Some(Outcome::Done(media)) => {
            output.insert("duration".to_owned(), media.duration_ms.div_ceil(1000).into());
            output.insert("width".to_owned(), media.width.into());
            output.insert("height".to_owned(), media.height.into());
        }
        Some(Outcome::Failed { code, message }) => {
            output.insert("statusDetail".to_owned(), message.as_str().into());
            output.insert("errorCode".to_owned(), (*code).into());
        }
        None => {}
    }
    Value::Object(output)
}

/// `{"PresetId": …}` -> `{"presetId": …}`.
fn small(settings: Option<&Value>) -> Map<String, Value> {
    let fields = settings.and_then(Value::as_object).into_iter().flatten();
    fields
        .map(|(name, value)| {
            let mut rest = name.chars();
            let first = rest.next().map(|c| c.to_ascii_lowercase());
            (first.into_iter().chain(rest).collect(), value.clone())
        })
        .collect()
}

/// AWS's page "Using AWS Lambda with Amazon SNS". Nothing is signed: the functions do not check it, Lambda does.
fn sns(transcoder: &Transcoder, topic: &str, subject: &str, message: &Value) -> Value {
    let host = format!("sns.{}.amazonaws.com", transcoder.settings.region);
    let subscription = format!("{topic}:{}", Uuid::nil());
    let timestamp = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    json!({
        "Records": [{
            "EventVersion": "1.0",
            "EventSource": "aws:sns",
            "EventSubscriptionArn": subscription,
            "Sns": {
                "Type": "Notification",
                "MessageId": Uuid::new_v4().to_string(),
                "TopicArn": topic,
                "Subject": subject,
                "Message": format!("{message:#}"),
                "Timestamp": timestamp,
                "SignatureVersion": "1",
                "Signature": "",
                "SigningCertUrl": format!("https://{host}/SimpleNotificationService.pem"),
                "UnsubscribeUrl": format!("https://{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
                "MessageAttributes": {},
            },
        }]
    })
}

fn page_token(next: Option<i64>) -> Option<String> {
    next.map(|number| number.to_string())
}

fn string(settings: &Value, name: &str) -> String {
    settings.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "ValidationException", message)
}

fn constraint(value: &str, field: &str, rule: &str) -> String {
    format!("1 validation error detected: Value '{value}' at '{field}' failed to satisfy constraint: {rule}")
}

fn null(field: &str) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
    ))
}

fn too_long(field: &str, most: usize) -> Refusal {
    invalid(format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member must have length less \
         than or equal to {most}"
    ))
}

fn required(value: Option<String>, field: &str) -> Result<String, Refusal> {
    value.ok_or_else(|| null(field))
}

/// A text of 1 to `most` characters.
fn text<'a>(value: Option<&'a str>, field: &str, most: usize) -> Result<&'a str, Refusal> {
    let value = value.ok_or_else(|| null(field))?;
    if value.is_empty() {
        return Err(invalid(constraint(value, field, "Member must have length greater than or equal to 1")));
    }
    if value.chars().count() > most {
        return Err(too_long(field, most));
    }
    Ok(value)
}

/// An id of AWS's form: 13 digits, a hyphen, 6 letters or digits.
fn check_id(id: &str, field: &str) -> Result<(), Refusal> {
    let is_id = id.split_once('-').is_some_and(|(time, suffix)| {
        time.len() == 13
            && time.bytes().all(|b| b.is_ascii_digit())
            && suffix.len() == 6
            && suffix.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if is_id {
        return Ok(());
    }
    let rule = r"Member must satisfy regular expression pattern: ^\d{13}-\w{6}$";
    Err(invalid(constraint(id, field, rule)))
}
