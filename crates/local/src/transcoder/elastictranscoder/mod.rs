//! Elastic Transcoder's REST JSON API of 2012-09-25, as far as one output with the "Web" preset requires, and its
//! notifications.

mod create_job;
mod failure;
mod frames;
mod json;
mod notification;
mod validation;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use video_core::TranscoderKind;

use self::create_job::CreateJob;
use self::json::{job_json, page_token, pipeline_json};
use self::validation::{check_id, find_pipeline, invalid, not_found, text};
use super::jobs::{self, Listed, Status};
use super::pages::Page;
use super::pipelines;
use super::state::Transcoder;
use crate::aws_json::{ApiError, parse};
use crate::timestamps::now_millis;

pub(super) use failure::failed_outcome;
pub(super) use frames::frames;
pub(super) use notification::notification;

const SERVICE: TranscoderKind = TranscoderKind::ElasticTranscoder;

/// Jobs or pipelines in one page.
const PAGE_SIZE: usize = 50;

type JsonResult = Result<Json<Value>, ApiError>;
type JsonWithStatus = Result<(StatusCode, Json<Value>), ApiError>;

pub(super) fn routes() -> Router<Transcoder> {
    Router::new()
        .route("/jobs", post(create_job))
        .route("/jobs/{id}", get(read_job).delete(cancel_job))
        .route("/jobsByPipeline/{id}", get(list_jobs_by_pipeline))
        .route("/pipelines", get(list_pipelines).post(post_pipeline))
        .route("/pipelines/{id}", get(read_pipeline))
}

/// Creates or updates a pipeline that has one topic for every notification, and returns its ID.
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
        let pipeline = match pipelines::update(tx, name, &settings)? {
            Some(pipeline) => pipeline,
            None => pipelines::insert(tx, name, &settings, now_millis())?,
        };
        Ok(pipeline.id)
    })
}

async fn create_job(State(transcoder): State<Transcoder>, body: Bytes) -> JsonWithStatus {
    let request: CreateJob = parse(&body, invalid)?;
    let job = transcoder.database.transaction(|tx| {
        let new = request.validate(&transcoder.settings.account, tx)?;
        Ok::<_, ApiError>(jobs::insert(tx, &new, now_millis())?)
    })?;
    Ok((StatusCode::CREATED, Json(json!({ "Job": job_json(&transcoder, &job) }))))
}

async fn read_job(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> JsonResult {
    check_id(&id, "id")?;
    let job = transcoder.database.read(|db| jobs::find(db, SERVICE, &id))?;
    let job = job.ok_or_else(|| not_found(&transcoder.settings.account, "job", &id))?;
    Ok(Json(json!({ "Job": job_json(&transcoder, &job) })))
}

/// Cancels a job that was not started; later it is too late, as on AWS.
async fn cancel_job(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> JsonWithStatus {
    check_id(&id, "id")?;
    transcoder.database.transaction(|tx| {
        let job = jobs::find(tx, SERVICE, &id)?;
        let job = job.ok_or_else(|| not_found(&transcoder.settings.account, "job", &id))?;
        if job.status == Status::Submitted {
            jobs::cancel(tx, &job.id, now_millis())?;
            return Ok(());
        }
        let status = job.status.name();
        Err(ApiError::new(
            StatusCode::CONFLICT,
            "ResourceInUseException",
            format!(
                "The job could not be canceled because it is not in the Submitted state: jobId={id}, status={status}."
            ),
        ))
    })?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListingQuery {
    ascending: Option<String>,
    page_token: Option<String>,
}

impl ListingQuery {
    fn page(&self) -> Result<Page, ApiError> {
        let token = self.page_token.as_deref().map(str::parse).transpose();
        Ok(Page {
            oldest_first: self.ascending.as_deref() == Some("true"),
            after: token.map_err(|_| invalid("The page token is not one that was returned before"))?,
            limit: PAGE_SIZE,
        })
    }
}

async fn list_jobs_by_pipeline(
    State(transcoder): State<Transcoder>,
    Path(id): Path<String>,
    Query(query): Query<ListingQuery>,
) -> JsonResult {
    let page = query.page()?;
    let (jobs, next) = transcoder.database.read(|db| {
        find_pipeline(&transcoder.settings.account, db, &id)?;
        let listed = Listed { queue: Some(&id), submitted_until: transcoder.listed_until(), ..Listed::default() };
        Ok::<_, ApiError>(jobs::list(db, SERVICE, &listed, page)?)
    })?;
    let jobs: Vec<_> = jobs.iter().map(|job| job_json(&transcoder, job)).collect();
    Ok(Json(json!({ "Jobs": jobs, "NextPageToken": page_token(next) })))
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

/// The SNS topic for each state; an empty one sends nothing.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default, deny_unknown_fields)]
struct Notifications {
    progressing: String,
    completed: String,
    warning: String,
    error: String,
}

async fn post_pipeline(State(transcoder): State<Transcoder>, body: Bytes) -> JsonWithStatus {
    let request: CreatePipeline = parse(&body, invalid)?;
    let name = text(request.name.as_deref(), "name", 40)?;
    let settings = json!({
        "InputBucket": text(request.input_bucket.as_deref(), "inputBucket", 255)?,
        "OutputBucket": text(request.output_bucket.as_deref(), "outputBucket", 255)?,
        "Role": text(request.role.as_deref(), "role", 255)?,
        "Notifications": request.notifications.unwrap_or_default(),
    });
    let pipeline = transcoder.database.transaction(|tx| pipelines::insert(tx, name, &settings, now_millis()))?;
    Ok((StatusCode::CREATED, Json(json!({ "Pipeline": pipeline_json(&transcoder, &pipeline), "Warnings": [] }))))
}

async fn read_pipeline(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> JsonResult {
    let pipeline = transcoder.database.read(|db| find_pipeline(&transcoder.settings.account, db, &id))?;
    Ok(Json(json!({ "Pipeline": pipeline_json(&transcoder, &pipeline), "Warnings": [] })))
}

async fn list_pipelines(State(transcoder): State<Transcoder>, Query(query): Query<ListingQuery>) -> JsonResult {
    let page = query.page()?;
    let (pipelines, next) = transcoder.database.read(|db| pipelines::list(db, page))?;
    let pipelines: Vec<_> = pipelines.iter().map(|pipeline| pipeline_json(&transcoder, pipeline)).collect();
    Ok(Json(json!({ "Pipelines": pipelines, "NextPageToken": page_token(next) })))
}
