//! MediaConvert's REST JSON API of 2017-08-29, as far as one mp4 and frames of it require, and its EventBridge events.
//!
//! The encoding settings are stored and returned, but the output is always that of the "Web" preset.

mod create_job;
mod error;
mod failure;
mod json;
mod outputs;
mod progress;

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use video_core::TranscoderKind;

use self::create_job::{queue_arn, validate};
use self::error::{bad_request, bad_value, conflict, not_found};
use self::json::{job_json, status_name};
use super::jobs::{self, Listed, Status};
use super::pages::Page;
use super::state::Transcoder;
use crate::aws_json::{ApiError, parse};
use crate::event_queue;
use crate::timestamps::now_millis;

pub(super) use failure::failed_outcome;
pub(super) use json::state_change_event;
pub(super) use outputs::frames;
pub(super) use progress::{status_update_event, status_update_interval};

const SERVICE: TranscoderKind = TranscoderKind::MediaConvert;

/// How long a client request token is remembered, in milliseconds; see AWS's page "Idempotency".
const TOKEN_LIFETIME_MILLIS: i64 = 60_000;

/// The longest input to search for, in characters.
const MAX_SEARCH_LENGTH: usize = 300;

/// The maximum number of jobs in one page.
const PAGE_SIZE: usize = 20;

type JsonResult = Result<Json<Value>, ApiError>;
type JsonWithStatus = Result<(StatusCode, Json<Value>), ApiError>;

pub(super) fn routes() -> Router<Transcoder> {
    Router::new()
        .route("/jobs", post(create_job).get(list_jobs))
        .route("/jobs/{id}", get(get_job).delete(cancel_job))
        .route("/search", get(search_jobs))
}

async fn create_job(State(transcoder): State<Transcoder>, body: Bytes) -> JsonWithStatus {
    let request: Value = parse(&body, bad_request)?;
    let new = validate(&transcoder, request)?;
    let job = transcoder.database.transaction(|tx| {
        let now = now_millis();
        let earlier = match &new.token {
            Some(token) => jobs::find_by_token(tx, SERVICE, token, now - TOKEN_LIFETIME_MILLIS)?,
            None => None,
        };
        match earlier {
            None => Ok(jobs::insert(tx, &new, now)?),
            Some(job) if job.request == new.request => Ok(job),
            Some(_) => Err(conflict("The client request token was used before in a request with other parameters.")),
        }
    })?;
    Ok((StatusCode::CREATED, Json(json!({ "job": job_json(&transcoder, &job) }))))
}

async fn get_job(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> JsonResult {
    let job = transcoder.database.read(|db| jobs::find(db, SERVICE, &id))?;
    let job = job.ok_or_else(|| no_such_job(&id))?;
    Ok(Json(json!({ "job": job_json(&transcoder, &job) })))
}

/// Cancels a job that has not ended; the worker stops one that runs.
async fn cancel_job(State(transcoder): State<Transcoder>, Path(id): Path<String>) -> JsonWithStatus {
    transcoder.database.transaction(|tx| {
        let job = jobs::find(tx, SERVICE, &id)?.ok_or_else(|| no_such_job(&id))?;
        if !matches!(job.status, Status::Submitted | Status::Progressing) {
            return Err(conflict(format!(
                "The job {id} can't be canceled: its status is {}.",
                status_name(job.status)
            )));
        }
        let canceled = jobs::cancel(tx, &job.id, now_millis())?;
        Ok(event_queue::enqueue(tx, &state_change_event(&transcoder, &canceled))?)
    })?;
    Ok((StatusCode::ACCEPTED, Json(json!({}))))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListingQuery {
    order: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
    queue: Option<String>,
    status: Option<String>,
    /// Of `SearchJobs` only.
    input_file: Option<String>,
}

impl ListingQuery {
    fn page(&self) -> Result<Page, ApiError> {
        let limit = self.max_results.unwrap_or(PAGE_SIZE);
        if !(1..=PAGE_SIZE).contains(&limit) {
            return Err(bad_value("/maxResults", "Should be from 1 to 20"));
        }
        let oldest_first = match self.order.as_deref() {
            Some("ASCENDING") => true,
            Some("DESCENDING") | None => false,
            Some(_) => return Err(bad_value("/order", "Should be ASCENDING or DESCENDING")),
        };
        let after = self.next_token.as_deref().map(str::parse).transpose();
        let after = after.map_err(|_| bad_value("/nextToken", "Should be a token that was returned before"))?;
        Ok(Page { oldest_first, after, limit })
    }
}

async fn list_jobs(State(transcoder): State<Transcoder>, Query(query): Query<ListingQuery>) -> JsonResult {
    listed_jobs(&transcoder, ListingQuery { input_file: None, ..query })
}

/// Searches by the input's URL, or a part of it.
async fn search_jobs(State(transcoder): State<Transcoder>, Query(query): Query<ListingQuery>) -> JsonResult {
    if query.input_file.as_ref().is_some_and(|input| input.chars().count() > MAX_SEARCH_LENGTH) {
        return Err(bad_value("/inputFile", "Should be at most 300 characters"));
    }
    listed_jobs(&transcoder, query)
}

fn listed_jobs(transcoder: &Transcoder, query: ListingQuery) -> JsonResult {
    let page = query.page()?;
    let queue = query.queue.map(|queue| queue_arn(transcoder, Some(&queue))).transpose()?;
    let listed = Listed {
        queue: queue.as_deref(),
        status: query.status.as_deref().map(parse_status).transpose()?,
        input: query.input_file.as_deref(),
        submitted_until: transcoder.listed_until(),
    };
    let (jobs, next) = transcoder.database.read(|db| jobs::list(db, SERVICE, &listed, page))?;
    let jobs: Vec<_> = jobs.iter().map(|job| job_json(transcoder, job)).collect();
    Ok(Json(json!({ "jobs": jobs, "nextToken": next.map(|number| number.to_string()) })))
}

fn parse_status(name: &str) -> Result<Status, ApiError> {
    let status = Status::ALL.into_iter().find(|status| status_name(*status) == name);
    status.ok_or_else(|| bad_value("/status", "Should be one of SUBMITTED, PROGRESSING, COMPLETE, CANCELED, ERROR"))
}

fn no_such_job(id: &str) -> ApiError {
    not_found(&format!("job {id}"))
}
