//! MediaConvert's REST JSON API of 2017-08-29, as far as one mp4 in one file group goes, and its EventBridge events.
//!
//! Whatever the encoding settings say, the output is that of the "Web" preset; they are kept and echoed.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

use super::ffmpeg;
use super::jobs::{self, Filter, Job, Location, NewJob, Outcome, Page, Service, Status};
use super::wire::{Refusal, parse};
use super::worker::Failure;
use super::{Transcoder, now};

const SERVICE: Service = Service::MediaConvert;

/// The one queue there is.
const QUEUE: &str = "Default";

/// A client request token is remembered this long, in milliseconds; see AWS's page "Idempotency".
const TOKEN_LIFETIME: i64 = 60_000;

/// Jobs in one answer, unless fewer are asked for.
const PAGE: usize = 20;

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn routes() -> Router<Transcoder> {
    Router::new()
        .route("/jobs", post(create_job).get(list_jobs))
        .route("/jobs/{id}", get(get_job).delete(cancel_job))
        .route("/search", get(list_jobs))
        .route("/queues/{name}", get(get_queue))
        .route("/endpoints", post(describe_endpoints).get(describe_endpoints))
}

/// What we rely on in a `CreateJob`; the rest is echoed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateJob {
    role: Option<String>,
    queue: Option<String>,
    client_request_token: Option<String>,
    /// Only its type matters here.
    #[serde(default, rename = "userMetadata")]
    _user_metadata: BTreeMap<String, String>,
    settings: Option<JobSettings>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
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

async fn create_job(State(transcoder): State<Transcoder>, body: Bytes) -> Result<(StatusCode, Json<Value>), Refusal> {
    let request: Value = parse(&body, bad_request)?;
    let new = check(&transcoder, request)?;
    let job = transcoder.database.transaction(|tx| {
        let now = now();
        let earlier = match &new.token {
            Some(token) => jobs::with_token(tx, SERVICE, token, now - TOKEN_LIFETIME)?,
            None => None,
        };
        match earlier {
            None => Ok(jobs::insert(tx, &new, now)?),
            Some(job) if job.request == new.request => Ok(job),
            Some(_) => {
                Err(conflict("The client request token was used a moment ago in a request with other parameters."))
            }
        }
    })?;
    let answer = json!({ "job": transcoder.mediaconvert_job(&job) });
    Ok((StatusCode::CREATED, Json(answer)))
}

fn check(transcoder: &Transcoder, request: Value) -> Result<NewJob, Refusal> {
    let wanted = CreateJob::deserialize(&request).map_err(|error| bad_request(error.to_string()))?;
    let CreateJob { role, queue, client_request_token: token, settings, .. } = wanted;
    if role.is_none_or(|role| role.is_empty()) {
        return Err(bad_value("/role", "Should not be empty"));
    }
    if token.as_ref().is_some_and(|token| token.len() > 64 || !token.is_ascii()) {
        return Err(bad_value("/clientRequestToken", "Should be at most 64 ASCII characters"));
    }
    let settings = settings.ok_or_else(|| bad_value("/settings", "Should not be empty"))?;
    let input = input(&settings.inputs)?;
    Ok(NewJob {
        service: SERVICE,
        queue: transcoder.queue(queue.as_deref().unwrap_or(QUEUE))?,
        token,
        output: output(&settings.output_groups, &input)?,
        input,
        request,
    })
}

fn input(inputs: &[Input]) -> Result<Location, Refusal> {
    let url = match inputs {
        [] => return Err(bad_value("/settings/inputs", "Should not be empty")),
        [input] => input.file_input.as_deref(),
        _ => return Err(bad_value("/settings/inputs", "The local MediaConvert reads one input")),
    };
    let path = "/settings/inputs/0/fileInput";
    let url = url.ok_or_else(|| bad_value(path, "Should not be empty"))?;
    s3_url(url)
        .filter(|location| !location.key.is_empty() && !location.key.ends_with('/'))
        .ok_or_else(|| bad_value(path, "Should be an S3 URL of an object: s3://bucket/key"))
}

fn output(groups: &[OutputGroup], input: &Location) -> Result<Location, Refusal> {
    let group = match groups {
        [] => return Err(bad_value("/settings/outputGroups", "Should not be empty")),
        [group] => group,
        _ => {
            return Err(bad_value("/settings/outputGroups", "The local MediaConvert writes one group"));
        }
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
        .and_then(|settings| s3_url(settings.destination.as_deref()?))
        .ok_or_else(|| {
            bad_value(
                "/settings/outputGroups/0/outputGroupSettings/fileGroupSettings/destination",
                "Should be an S3 URL: s3://bucket/path/",
            )
        })?;
    Ok(named(destination, input, output.name_modifier.as_deref().unwrap_or_default()))
}

/// A destination that ends in `/` is completed with the input's name; any other is the output's name itself.
fn named(destination: Location, input: &Location, modifier: &str) -> Location {
    let Location { bucket, key: path } = destination;
    let stem = if path.is_empty() || path.ends_with('/') { stem(&input.key) } else { "" };
    Location { bucket, key: format!("{path}{stem}{modifier}.mp4") }
}

/// `Alba/0/x.y.webm` -> `x.y`.
fn stem(key: &str) -> &str {
    let name = key.rsplit_once('/').map_or(key, |(_, name)| name);
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

/// The key stands in the URL as it is, not percent-encoded.
fn s3_url(url: &str) -> Option<Location> {
    let (bucket, key) = url.strip_prefix("s3://")?.split_once('/')?;
    (!bucket.is_empty()).then(|| Location { bucket: bucket.to_owned(), key: key.to_owned() })
}

async fn get_job(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> Answer {
    let job = transcoder.database.read(|db| jobs::find(db, SERVICE, &id))?;
    let job = job.ok_or_else(|| no_such_job(&id))?;
    Ok(Json(json!({ "job": transcoder.mediaconvert_job(&job) })))
}

/// AWS also stops a job that is progressing; here it is too late then.
async fn cancel_job(
    State(transcoder): State<Transcoder>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    transcoder.database.transaction(|tx| {
        let job = jobs::find(tx, SERVICE, &id)?.ok_or_else(|| no_such_job(&id))?;
        if jobs::cancel(tx, &job.id, now())? {
            return Ok(());
        }
        Err(conflict(format!("The job {id} can't be canceled: its status is {}.", capitals(job.status))))
    })?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    order: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    queue: Option<String>,
    status: Option<String>,
    /// `SearchJobs` alone sends it.
    input_file: Option<String>,
}

async fn list_jobs(State(transcoder): State<Transcoder>, Query(listing): Query<Listing>) -> Answer {
    let limit = listing.max_results.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(bad_value("/maxResults", "Should be from 1 to 20"));
    }
    let oldest_first = match listing.order.as_deref() {
        Some("ASCENDING") => true,
        Some("DESCENDING") | None => false,
        Some(_) => return Err(bad_value("/order", "Should be ASCENDING or DESCENDING")),
    };
    let after = listing.next_token.as_deref().map(str::parse).transpose();
    let after = after.map_err(|_| bad_value("/nextToken", "Should be a token that was given out"))?;
    let queue = listing.queue.map(|queue| transcoder.queue(&queue)).transpose()?;
    let status = listing.status.as_deref().map(status).transpose()?;
    let input = listing
        .input_file
        .map(|url| s3_url(&url).ok_or_else(|| bad_value("/inputFile", "Should be an S3 URL: s3://bucket/key")))
        .transpose()?;
    let filter = Filter { queue: queue.as_deref(), status, input: input.as_ref() };
    let page = Page { oldest_first, after, limit };
    let (jobs, next) = transcoder.database.read(|db| jobs::list(db, SERVICE, &filter, page))?;
    let jobs: Vec<_> = jobs.iter().map(|job| transcoder.mediaconvert_job(job)).collect();
    let next = next.map(|number| number.to_string());
    Ok(Json(json!({ "jobs": jobs, "nextToken": next })))
}

async fn get_queue(State(transcoder): State<Transcoder>, Path(name): Path<String>) -> Answer {
    let arn = transcoder.queue(&name)?;
    let (submitted, progressing) = transcoder.database.read(|db| jobs::counts(db, SERVICE, &arn))?;
    Ok(Json(json!({
        "queue": {
            "arn": arn,
            "name": QUEUE,
            "type": "SYSTEM",
            "status": "ACTIVE",
            "pricingPlan": "ON_DEMAND",
            "submittedJobsCount": submitted,
            "progressingJobsCount": progressing,
        }
    })))
}

/// Answers the address that the client has already found.
async fn describe_endpoints(headers: HeaderMap) -> Answer {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let host = host.ok_or_else(|| bad_request("The Host header is missing"))?;
    Ok(Json(json!({ "endpoints": [{ "url": format!("http://{host}") }] })))
}

impl Transcoder {
    /// The queue's ARN, for its name or its ARN.
    fn queue(&self, named: &str) -> Result<String, Refusal> {
        let arn = self.arn("mediaconvert", &format!("queues/{QUEUE}"));
        if named == QUEUE || named == arn { Ok(arn) } else { Err(not_found(&format!("queue {named}"))) }
    }

    fn mediaconvert_job(&self, job: &Job) -> Value {
        let mut answer = json!({
            "arn": self.arn("mediaconvert", &format!("jobs/{}", job.id)),
            "id": job.id,
            "createdAt": job.submitted_at / 1000,
            "clientRequestToken": job.token,
            "queue": job.queue,
            "role": job.request.get("role"),
            "settings": job.request.get("settings"),
            "userMetadata": user_metadata(job),
            "status": capitals(job.status),
            "timing": {
                "submitTime": job.submitted_at / 1000,
                "startTime": job.started_at.map(|time| time / 1000),
                "finishTime": job.finished_at.map(|time| time / 1000),
            },
            "priority": 0,
            "statusUpdateInterval": "SECONDS_60",
            "billingTagsSource": "JOB",
            "accelerationSettings": { "mode": "DISABLED" },
            "accelerationStatus": "NOT_APPLICABLE",
            "messages": { "info": [], "warning": [] },
        });
        if let Some(answer) = answer.as_object_mut() {
            match &job.outcome {
                Some(Outcome::Done(media)) => {
                    let details = json!([{ "outputDetails": [output_detail(media)] }]);
                    answer.insert("outputGroupDetails".to_owned(), details);
                    answer.insert("jobPercentComplete".to_owned(), 100.into());
                }
                Some(Outcome::Failed { code, message }) => {
                    answer.insert("errorCode".to_owned(), (*code).into());
                    answer.insert("errorMessage".to_owned(), message.as_str().into());
                }
                None => {}
            }
        }
        answer
    }
}

/// The numbers are those of AWS's page "Error codes".
pub(super) fn fault(job: &Job, failure: &Failure) -> Outcome {
    let object = |location: &Location| format!("s3://{}/{}", location.bucket, location.key);
    let (code, message) = match failure {
        Failure::InputMissing => {
            (1404, format!("Unable to open input file [{}]: it does not exist", object(&job.input)))
        }
        Failure::BucketMissing(bucket) => (1404, format!("The S3 bucket {bucket} does not exist")),
        Failure::OutputExists | Failure::Storing(_) => {
            (1999, format!("Unable to write [{}]: {failure}", object(&job.output)))
        }
        Failure::Transcoding(error) => {
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

/// The event of a job's new state, as EventBridge hands it to Lambda.
pub(super) fn event(transcoder: &Transcoder, job: &Job) -> Value {
    let now = OffsetDateTime::now_utc();
    let time = now.replace_nanosecond(0).unwrap_or(now).format(&Rfc3339).unwrap_or_default();
    let mut detail = json!({
        "timestamp": super::now(),
        "accountId": transcoder.settings.account,
        "queue": job.queue,
        "jobId": job.id,
        "status": capitals(job.status),
        "userMetadata": user_metadata(job),
    });
    if let Some(detail) = detail.as_object_mut() {
        match &job.outcome {
            Some(Outcome::Done(media)) => {
                let mut output = output_detail(media);
                if let Some(output) = output.as_object_mut() {
                    let path = format!("s3://{}/{}", job.output.bucket, job.output.key);
                    output.insert("outputFilePaths".to_owned(), json!([path]));
                }
                let groups = json!([{ "type": "FILE_GROUP", "outputDetails": [output] }]);
                detail.insert("outputGroupDetails".to_owned(), groups);
            }
            Some(Outcome::Failed { code, message }) => {
                detail.insert("errorCode".to_owned(), (*code).into());
                detail.insert("errorMessage".to_owned(), message.as_str().into());
            }
            None => {}
        }
    }
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "MediaConvert Job State Change",
        "source": "aws.mediaconvert",
        "account": transcoder.settings.account,
        "time": time,
        "region": transcoder.settings.region,
        "resources": [transcoder.arn("mediaconvert", &format!("jobs/{}", job.id))],
        "detail": detail,
    })
}

fn output_detail(media: &ffmpeg::Media) -> Value {
    json!({
        "durationInMs": media.duration_ms,
        "videoDetails": { "widthInPx": media.width, "heightInPx": media.height },
    })
}

fn user_metadata(job: &Job) -> Value {
    job.request.get("userMetadata").cloned().unwrap_or_else(|| json!({}))
}

fn capitals(status: Status) -> String {
    status.name().to_ascii_uppercase()
}

fn status(name: &str) -> Result<Status, Refusal> {
    let status = Status::ALL.into_iter().find(|status| capitals(*status) == name);
    status.ok_or_else(|| bad_value("/status", "Should be one of SUBMITTED, PROGRESSING, COMPLETE, CANCELED, ERROR"))
}

fn bad_request(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "BadRequestException", message)
}

fn bad_value(path: &str, rule: &str) -> Refusal {
    bad_request(format!("{path}: {rule}"))
}

fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::CONFLICT, "ConflictException", message)
}

fn not_found(what: &str) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "NotFoundException", format!("The {what} does not exist."))
}

fn no_such_job(id: &str) -> Refusal {
    not_found(&format!("job {id}"))
}
