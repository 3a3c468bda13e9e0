//! The table of jobs: what was submitted to both services, how far each job is and how it ended.

use std::str::FromStr;

use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use video_core::TranscoderKind;

use super::ffmpeg::Media;
use super::pages::Page;
use super::rows::{json, new_id, parsed};

/// The table. `number` is the order of submission, `request` the accepted `CreateJob` and `result` an [`Outcome`], both
/// as JSON, `queue` a pipeline's ID or a queue's ARN; times are Unix milliseconds.
pub(super) const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS jobs (
        number        INTEGER PRIMARY KEY AUTOINCREMENT,
        id            TEXT NOT NULL UNIQUE,
        service       TEXT NOT NULL,
        queue         TEXT NOT NULL,
        token         TEXT,
        request       TEXT NOT NULL,
        input_bucket  TEXT NOT NULL,
        input_key     TEXT NOT NULL,
        output_bucket TEXT NOT NULL,
        output_key    TEXT NOT NULL,
        status        TEXT NOT NULL,
        submitted_at  INTEGER NOT NULL,
        started_at    INTEGER,
        finished_at   INTEGER,
        result        TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
    CREATE INDEX IF NOT EXISTS jobs_by_service ON jobs (service, number);
    CREATE INDEX IF NOT EXISTS jobs_by_token ON jobs (token, number) WHERE token IS NOT NULL;
";

const COLUMNS: &str = "number, id, service, queue, token, request, input_bucket, input_key, output_bucket, \
                       output_key, status, submitted_at, started_at, finished_at, result";

/// A job's status: `submitted -> progressing -> complete | error`, or `canceled` before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Submitted,
    Progressing,
    Complete,
    Canceled,
    Error,
}

impl Status {
    pub(super) const ALL: [Self; 5] = [Self::Submitted, Self::Progressing, Self::Complete, Self::Canceled, Self::Error];

    /// Returns the name as Elastic Transcoder writes it; MediaConvert writes it in upper case.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Submitted => "Submitted",
            Self::Progressing => "Progressing",
            Self::Complete => "Complete",
            Self::Canceled => "Canceled",
            Self::Error => "Error",
        }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let status = Self::ALL.into_iter().find(|status| status.name() == name);
        status.ok_or_else(|| format!("`{name}` is no status"))
    }
}

/// An object in S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub bucket: String,
    pub key: String,
}

/// How a job ended; the code and message of a failure are those of its service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Done {
        #[serde(flatten)]
        media: Media,
        /// The keys of the pictures in the output bucket, in order.
        #[serde(default)]
        pictures: Vec<String>,
    },
    Failed {
        code: u32,
        message: String,
    },
}

/// A validated `CreateJob`.
#[derive(Debug)]
pub(super) struct NewJob {
    pub service: TranscoderKind,
    pub queue: String,
    pub token: Option<String>,
    pub request: Value,
    pub input: Location,
    pub output: Location,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub number: i64,
    pub id: String,
    pub service: TranscoderKind,
    pub queue: String,
    pub token: Option<String>,
    pub request: Value,
    pub input: Location,
    pub output: Location,
    pub status: Status,
    pub submitted_at: i64,
    pub started_at: Option<i64>,
    pub finished_at: Option<i64>,
    pub outcome: Option<Outcome>,
}

impl Job {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            id: row.get("id")?,
            service: parsed(row, "service")?,
            queue: row.get("queue")?,
            token: row.get("token")?,
            request: json(row, "request")?,
            input: Location { bucket: row.get("input_bucket")?, key: row.get("input_key")? },
            output: Location { bucket: row.get("output_bucket")?, key: row.get("output_key")? },
            status: parsed(row, "status")?,
            submitted_at: row.get("submitted_at")?,
            started_at: row.get("started_at")?,
            finished_at: row.get("finished_at")?,
            outcome: json(row, "result")?,
        })
    }
}

/// Adds a job.
pub(super) fn insert(db: &Connection, new: &NewJob, now: i64) -> rusqlite::Result<Job> {
    db.query_row(
        &format!(
            "INSERT INTO jobs (id, service, queue, token, request, input_bucket, input_key, output_bucket, output_key,
                               status, submitted_at)
             VALUES (:id, :service, :queue, :token, :request, :input_bucket, :input_key, :output_bucket, :output_key,
                     :status, :now)
             RETURNING {COLUMNS}"
        ),
        named_params! {
            ":id": new_id(now),
            ":service": new.service.as_str(),
            ":queue": new.queue,
            ":token": new.token,
            ":request": new.request.to_string(),
            ":input_bucket": new.input.bucket,
            ":input_key": new.input.key,
            ":output_bucket": new.output.bucket,
            ":output_key": new.output.key,
            ":status": Status::Submitted.name(),
            ":now": now,
        },
        Job::from_row,
    )
}

/// Looks up a job.
pub(super) fn find(db: &Connection, service: TranscoderKind, id: &str) -> rusqlite::Result<Option<Job>> {
    db.query_row(
        &format!("SELECT {COLUMNS} FROM jobs WHERE service = :service AND id = :id"),
        named_params! { ":service": service.as_str(), ":id": id },
        Job::from_row,
    )
    .optional()
}

/// Returns the newest job that was submitted with `token` at or after `since`.
pub(super) fn find_by_token(
    db: &Connection,
    service: TranscoderKind,
    token: &str,
    since: i64,
) -> rusqlite::Result<Option<Job>> {
    db.query_row(
        &format!(
            "SELECT {COLUMNS} FROM jobs WHERE service = :service AND token = :token AND submitted_at >= :since
             ORDER BY number DESC LIMIT 1"
        ),
        named_params! { ":service": service.as_str(), ":token": token, ":since": since },
        Job::from_row,
    )
    .optional()
}

/// Which jobs of a service are listed.
#[derive(Debug, Default)]
pub(super) struct Listed<'a> {
    pub queue: Option<&'a str>,
    pub status: Option<Status>,
    /// The input's URL, or a part of it.
    pub input: Option<&'a str>,
    /// Later ones are not listed yet, in Unix milliseconds.
    pub submitted_until: i64,
}

/// Returns a page of a service's jobs, and where the next page starts if there is one.
pub(super) fn list(
    db: &Connection,
    service: TranscoderKind,
    listed: &Listed<'_>,
    page: Page,
) -> rusqlite::Result<(Vec<Job>, Option<i64>)> {
    let rows = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs
             WHERE service = :service
               AND (:queue IS NULL OR queue = :queue)
               AND (:status IS NULL OR status = :status)
               AND (:input IS NULL OR instr('s3://' || input_bucket || '/' || input_key, :input) > 0)
               AND submitted_at <= :submitted_until
               AND {}",
            page.sql()
        ))?
        .query_map(
            named_params! {
                ":service": service.as_str(),
                ":queue": listed.queue,
                ":status": listed.status.map(Status::name),
                ":input": listed.input,
                ":submitted_until": listed.submitted_until,
                ":after": page.after,
                ":limit": page.rows_to_read(),
            },
            Job::from_row,
        )?
        .collect::<Result<_, _>>()?;
    Ok(page.truncate(rows, |job: &Job| job.number))
}

/// Cancels a job and returns its new state. The caller has checked, in the same transaction, that it may be canceled.
pub(super) fn cancel(db: &Connection, id: &str, now: i64) -> rusqlite::Result<Job> {
    db.query_row(
        &format!("UPDATE jobs SET status = :canceled, finished_at = :now WHERE id = :id RETURNING {COLUMNS}"),
        named_params! { ":canceled": Status::Canceled.name(), ":now": now, ":id": id },
        Job::from_row,
    )
}

/// Returns whether a job is canceled.
pub(super) fn is_canceled(db: &Connection, id: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = :id AND status = :canceled)")?
        .query_row(named_params! { ":id": id, ":canceled": Status::Canceled.name() }, |row| row.get(0))
}

/// Returns whether a job is started and not finished.
pub(super) fn is_progressing(db: &Connection, id: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE id = :id AND status = :progressing)")?
        .query_row(named_params! { ":id": id, ":progressing": Status::Progressing.name() }, |row| row.get(0))
}

/// Returns whether any job waits to be started.
pub(super) fn any_submitted(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE status = :submitted)",
        named_params! { ":submitted": Status::Submitted.name() },
        |row| row.get(0),
    )
}

/// Marks the oldest submitted job as progressing and returns it.
pub(super) fn start_next(db: &Connection, now: i64) -> rusqlite::Result<Option<Job>> {
    db.query_row(
        &format!(
            "UPDATE jobs SET status = :progressing, started_at = :now
             WHERE number = (SELECT min(number) FROM jobs WHERE status = :submitted)
             RETURNING {COLUMNS}"
        ),
        named_params! {
            ":progressing": Status::Progressing.name(),
            ":now": now,
            ":submitted": Status::Submitted.name(),
        },
        Job::from_row,
    )
    .optional()
}

/// Returns the jobs that were started and not finished, oldest first: at a start, those that were interrupted.
pub(super) fn progressing(db: &Connection) -> rusqlite::Result<Vec<Job>> {
    db.prepare(&format!("SELECT {COLUMNS} FROM jobs WHERE status = :progressing ORDER BY number"))?
        .query_map(named_params! { ":progressing": Status::Progressing.name() }, Job::from_row)?
        .collect()
}

/// Finishes a progressing job and returns its new state, or `None` if it was finished before.
pub(super) fn finish(db: &Connection, id: &str, outcome: &Outcome, now: i64) -> rusqlite::Result<Option<Job>> {
    let status = match outcome {
        Outcome::Done { .. } => Status::Complete,
        Outcome::Failed { .. } => Status::Error,
    };
    let result =
        serde_json::to_string(outcome).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    db.query_row(
        &format!(
            "UPDATE jobs SET status = :status, finished_at = :now, result = :result
             WHERE id = :id AND status = :progressing
             RETURNING {COLUMNS}"
        ),
        named_params! {
            ":status": status.name(),
            ":now": now,
            ":result": result,
            ":id": id,
            ":progressing": Status::Progressing.name(),
        },
        Job::from_row,
    )
    .optional()
}
