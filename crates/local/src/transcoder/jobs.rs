//! The transcoders' memory in SQLite: which jobs and pipelines there are, how far each job is and how it ended.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::ffmpeg::Media;

/// `number` is the order of submission. `request` is the accepted `CreateJob` as JSON, `result` an `Outcome`, times are
/// epoch milliseconds, `queue` is a pipeline's id or a queue's ARN.
pub const SCHEMA: &str = "
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

    CREATE TABLE IF NOT EXISTS pipelines (
        number   INTEGER PRIMARY KEY AUTOINCREMENT,
        id       TEXT NOT NULL UNIQUE,
        name     TEXT NOT NULL,
        settings TEXT NOT NULL
    ) STRICT;
";

const COLUMNS: &str = "number, id, service, queue, token, request, input_bucket, input_key, output_bucket, \
                       output_key, status, submitted_at, started_at, finished_at, result";

/// Who answers for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    ElasticTranscoder,
    MediaConvert,
}

/// `submitted -> progressing -> complete | error`, or `submitted -> canceled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Submitted,
    Progressing,
    Complete,
    Canceled,
    Error,
}

/// An object of S3.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub bucket: String,
    pub key: String,
}

/// How a job ended; a fault has the number and the words that its service gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Outcome {
    Done(Media),
    Failed { code: u32, message: String },
}

/// A `CreateJob` that was found valid.
#[derive(Debug)]
pub(super) struct NewJob {
    pub service: Service,
    pub queue: String,
    pub token: Option<String>,
    pub request: Value,
    pub input: Location,
    pub output: Location,
}

#[derive(Clone, Debug)]
pub(super) struct Job {
    pub number: i64,
    pub id: String,
    pub service: Service,
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

/// Which jobs a listing asks for; `None` asks for all.
#[derive(Debug, Default)]
pub(super) struct Filter<'a> {
    pub queue: Option<&'a str>,
    pub status: Option<Status>,
    pub input: Option<&'a Location>,
}

/// A part of a listing: at most `limit` rows behind the row numbered `after`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub oldest_first: bool,
    pub after: Option<i64>,
    pub limit: usize,
}

#[derive(Debug)]
pub(super) struct Pipeline {
    pub number: i64,
    pub id: String,
    pub name: String,
    pub settings: Value,
}

/// An id as both services make them: `1515368087458-qnoxtd`.
pub(super) fn new_id(now: i64) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut random = Uuid::new_v4().as_u128();
    let suffix = std::iter::repeat_with(|| {
        let digit = DIGITS.iter().copied().nth((random % 36) as usize).unwrap_or(b'0');
        random /= 36;
        char::from(digit)
    });
    format!("{now}-{}", suffix.take(6).collect::<String>())
}

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
            ":service": new.service,
            ":queue": new.queue,
            ":token": new.token,
            ":request": new.request.to_string(),
            ":input_bucket": new.input.bucket,
            ":input_key": new.input.key,
            ":output_bucket": new.output.bucket,
            ":output_key": new.output.key,
            ":status": Status::Submitted,
            ":now": now,
        },
        Job::read,
    )
}

pub(super) fn find(db: &Connection, service: Service, id: &str) -> rusqlite::Result<Option<Job>> {
    db.query_row(
        &format!("SELECT {COLUMNS} FROM jobs WHERE service = :service AND id = :id"),
        named_params! { ":service": service, ":id": id },
        Job::read,
    )
    .optional()
}

/// The newest job that was submitted with `token` at or after `since`.
pub(super) fn with_token(db: &Connection, service: Service, token: &str, since: i64) -> rusqlite::Result<Option<Job>> {
    db.query_row(
        &format!(
            "SELECT {COLUMNS} FROM jobs WHERE service = :service AND token = :token AND submitted_at >= :since
             ORDER BY number DESC LIMIT 1"
        ),
        named_params! { ":service": service, ":token": token, ":since": since },
        Job::read,
    )
    .optional()
}

/// The jobs of a page, and where the next page begins if there is one.
pub(super) fn list(
    db: &Connection,
    service: Service,
    filter: &Filter<'_>,
    page: Page,
) -> rusqlite::Result<(Vec<Job>, Option<i64>)> {
    let rows = db
        .prepare_cached(&format!(
            "SELECT {COLUMNS} FROM jobs
             WHERE service = :service
               AND (:queue IS NULL OR queue = :queue)
               AND (:status IS NULL OR status = :status)
               AND (:bucket IS NULL OR (input_bucket = :bucket AND input_key = :key))
               AND {}",
            page.sql()
        ))?
        .query_map(
            named_params! {
                ":service": service,
                ":queue": filter.queue,
                ":status": filter.status,
                ":bucket": filter.input.map(|input| &input.bucket),
                ":key": filter.input.map(|input| &input.key),
                ":after": page.after,
                ":limit": page.rows_to_read(),
            },
            Job::read,
        )?
        .collect::<Result<_, _>>()?;
    Ok(page.cut(rows, |job: &Job| job.number))
}

/// Cancels a job that has not been started; `false` when there is none such.
pub(super) fn cancel(db: &Connection, id: &str, now: i64) -> rusqlite::Result<bool> {
    let changed = db.execute(
        "UPDATE jobs SET status = :canceled, finished_at = :now WHERE id = :id AND status = :submitted",
        named_params! { ":canceled": Status::Canceled, ":now": now, ":id": id, ":submitted": Status::Submitted },
    )?;
    Ok(changed == 1)
}

pub(super) fn any_submitted(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row(
        "SELECT EXISTS (SELECT 1 FROM jobs WHERE status = :submitted)",
        named_params! { ":submitted": Status::Submitted },
        |row| row.get(0),
    )
}

/// Marks the oldest submitted job as progressing and answers it.
pub(super) fn start_next(db: &Connection, now: i64) -> rusqlite::Result<Option<Job>> {
    db.query_row(
        &format!(
            "UPDATE jobs SET status = :progressing, started_at = :now
             WHERE number = (SELECT min(number) FROM jobs WHERE status = :submitted)
             RETURNING {COLUMNS}"
        ),
        named_params! { ":progressing": Status::Progressing, ":now": now, ":submitted": Status::Submitted },
        Job::read,
    )
    .optional()
}

/// The jobs that were started and not finished, oldest first: at start-up, those that a stop or a crash cut off.
pub(super) fn unfinished(db: &Connection) -> rusqlite::Result<Vec<Job>> {
    db.prepare(&format!("SELECT {COLUMNS} FROM jobs WHERE status = :progressing ORDER BY number"))?
        .query_map(named_params! { ":progressing": Status::Progressing }, Job::read)?
        .collect()
}

/// Ends a progressing job and answers it as it is now; `None` when it had ended before.
pub(super) fn finish(db: &Connection, id: &str, outcome: &Outcome, now: i64) -> rusqlite::Result<Option<Job>> {
    let status = match outcome {
        Outcome::Done(_) => Status::Complete,
        Outcome::Failed { .. } => Status::Error,
    };
    db.query_row(
        &format!(
            "UPDATE jobs SET status = :status, finished_at = :now, result = :outcome
             WHERE id = :id AND status = :progressing
             RETURNING {COLUMNS}"
        ),
        named_params! {
            ":status": status,
            ":now": now,
            ":outcome": outcome,
            ":id": id,
            ":progressing": Status::Progressing,
        },
        Job::read,
    )
    .optional()
}

/// How many jobs of a queue are submitted and how many progressing.
pub(super) fn counts(db: &Connection, service: Service, queue: &str) -> rusqlite::Result<(i64, i64)> {
    db.query_row(
        "SELECT count(*) FILTER (WHERE status = :submitted), count(*) FILTER (WHERE status = :progressing)
         FROM jobs WHERE service = :service AND queue = :queue",
        named_params! {
            ":submitted": Status::Submitted,
            ":progressing": Status::Progressing,
            ":service": service,
            ":queue": queue,
        },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

pub(super) fn insert_pipeline(db: &Connection, name: &str, settings: &Value, now: i64) -> rusqlite::Result<Pipeline> {
    db.query_row(
        "INSERT INTO pipelines (id, name, settings) VALUES (:id, :name, :settings)
         RETURNING number, id, name, settings",
        named_params! { ":id": new_id(now), ":name": name, ":settings": settings.to_string() },
        Pipeline::read,
    )
}

/// Gives the pipeline called `name` these settings; `None` when there is none. Names need not be unique: the oldest
/// counts.
pub(super) fn update_pipeline(db: &Connection, name: &str, settings: &Value) -> rusqlite::Result<Option<Pipeline>> {
    db.query_row(
        "UPDATE pipelines SET settings = :settings
         WHERE number = (SELECT min(number) FROM pipelines WHERE name = :name)
         RETURNING number, id, name, settings",
        named_params! { ":name": name, ":settings": settings.to_string() },
        Pipeline::read,
    )
    .optional()
}

pub(super) fn find_pipeline(db: &Connection, id: &str) -> rusqlite::Result<Option<Pipeline>> {
    db.query_row(
        "SELECT number, id, name, settings FROM pipelines WHERE id = :id",
        named_params! { ":id": id },
        Pipeline::read,
    )
    .optional()
}

pub(super) fn list_pipelines(db: &Connection, page: Page) -> rusqlite::Result<(Vec<Pipeline>, Option<i64>)> {
    let rows = db
        .prepare(&format!("SELECT number, id, name, settings FROM pipelines WHERE {}", page.sql()))?
        .query_map(named_params! { ":after": page.after, ":limit": page.rows_to_read() }, Pipeline::read)?
        .collect::<Result<_, _>>()?;
    Ok(page.cut(rows, |pipeline: &Pipeline| pipeline.number))
}

impl Job {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            id: row.get("id")?,
            service: row.get("service")?,
            queue: row.get("queue")?,
            token: row.get("token")?,
            request: row.get::<_, Json>("request")?.0,
            input: Location { bucket: row.get("input_bucket")?, key: row.get("input_key")? },
            output: Location { bucket: row.get("output_bucket")?, key: row.get("output_key")? },
            status: row.get("status")?,
            submitted_at: row.get("submitted_at")?,
            started_at: row.get("started_at")?,
            finished_at: row.get("finished_at")?,
            outcome: row.get("result")?,
        })
    }
}

impl Pipeline {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            number: row.get("number")?,
            id: row.get("id")?,
            name: row.get("name")?,
            settings: row.get::<_, Json>("settings")?.0,
        })
    }
}

impl Page {
    fn sql(self) -> &'static str {
        if self.oldest_first {
            "(:after IS NULL OR number > :after) ORDER BY number LIMIT :limit"
        } else {
            "(:after IS NULL OR number < :after) ORDER BY number DESC LIMIT :limit"
        }
    }

    /// One more than asked for tells whether there is a next page.
    fn rows_to_read(self) -> i64 {
        i64::try_from(self.limit).unwrap_or(i64::MAX).saturating_add(1)
    }

    fn cut<T>(self, mut rows: Vec<T>, number: impl Fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
        let more = rows.len() > self.limit;
        rows.truncate(self.limit);
        let next = if more { rows.last().map(number) } else { None };
        (rows, next)
    }
}

impl Service {
    const ALL: [Self; 2] = [Self::ElasticTranscoder, Self::MediaConvert];

    const fn name(self) -> &'static str {
        match self {
            Self::ElasticTranscoder => "elastictranscoder",
            Self::MediaConvert => "mediaconvert",
        }
    }
}

impl Status {
    pub(super) const ALL: [Self; 5] = [Self::Submitted, Self::Progressing, Self::Complete, Self::Canceled, Self::Error];

    /// As Elastic Transcoder writes it; MediaConvert uses capitals.
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

/// A column of JSON text.
struct Json(Value);

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let value = serde_json::from_str(value.as_str()?);
        value.map(Self).map_err(|error| FromSqlError::Other(error.into()))
    }
}

impl ToSql for Service {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Service {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        Self::ALL.into_iter().find(|service| service.name() == name).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Status {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for Status {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let name = value.as_str()?;
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(FromSqlError::InvalidType)
    }
}

impl ToSql for Outcome {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        serde_json::to_string(self)
            .map(Into::into)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
    }
}

impl FromSql for Outcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_str(value.as_str()?).map_err(|error| FromSqlError::Other(error.into()))
    }
}
