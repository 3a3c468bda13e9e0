//! No video is lost and none runs twice: duplicates, kills, throttling, lost answers, a lagging index, in figures.
//!
//! Every test has a short form, which `cargo test` runs, and a long one, which `make torture` runs. `FAULTS_SEED` repeats a run.

mod duplicates;
mod healed;
mod index;
mod killed;
mod poison;
mod process;
mod results;
mod throttled;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::ids::{Mail, MediaType, ObjectKey, Sequencer, project_step};
use video_core::job::Job;
use video_core::records::{Record, RecordId, Status, Table};
use video_core::time::rfc3339;
use video_tests::TestSystem;
use video_tests::faults::Functions;

/// Runs a test on both transcoders at once, since most of its time is waiting.
async fn on_both(test: impl AsyncFn(TranscoderKind)) {
    futures_util::future::join_all(TranscoderKind::ALL.map(|kind| test(kind))).await;
}

/// Runs the cases, many at once, since most of their time is waiting.
async fn each<C, T>(cases: Vec<C>, run: impl AsyncFn(usize, C) -> T) -> Vec<T> {
    const AT_ONCE: usize = 64;
    let run = &run;
    let cases = cases.into_iter().enumerate().map(|(number, case)| run(number, case));
    futures_util::stream::iter(cases).buffer_unordered(AT_ONCE).collect().await
}

/// Longer than any test: a lease that never ends by itself.
const LONG_LEASE: u64 = 900;
/// A lease that no handler outlives here, where two work on one upload, and that still ends while a test waits.
const LEASE_OF_SECONDS: u64 = 6;
/// A lease where only one at a time works on an upload, shorter than the wait before it is tried again.
const LEASE_OF_ONE_AT_A_TIME: u64 = 3;
/// The shortest lease there is, so that it ends while a test waits.
const SHORT_LEASE: u64 = 1;

/// A system that feeds no function and transcodes nothing, so that its jobs are only counted; and functions to be fed by hand.
async fn system_that_counts(kind: TranscoderKind) -> (TestSystem, Functions) {
    // The disk is not what is tried here, and DynamoDB's file waits for it at every write.
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let system = TestSystem::start_in(memory.unwrap(), |options| {
        options.transcoder = kind;
        options.deliver_events = false;
        options.ffmpeg.ffmpeg = PathBuf::from("/nonexistent/ffmpeg");
        options.ffmpeg.ffprobe = PathBuf::from("/nonexistent/ffprobe");
    });
    let system = system.await;
    let functions = Functions::of(&system, kind).await;
    (system, functions)
}

/// The seed of this run, printed so that it can be repeated.
fn seeded(test: &str) -> fastrand::Rng {
    let seed = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_124);
    println!("{test}: seed {seed}");
    fastrand::Rng::with_seed(seed)
}

/// Somebody's video of a step: what its key and its record are called.
#[derive(Clone)]
struct Video {
    id: RecordId,
    key: ObjectKey,
}

impl Video {
    fn of(project: &str, person: usize) -> Self {
        let (project, step) = (project.parse().unwrap(), "0".parse().unwrap());
        let mail: Mail = format!("person{person}@example.com").parse().unwrap();
        let key = ObjectKey::of_upload(&project, step, &mail, MediaType::Webm);
        Self { id: RecordId { project_step: project_step(&project, step), mail: mail.as_str().to_owned() }, key }
    }

    /// One that nobody asked for.
    fn unasked(project: &str, number: usize) -> Self {
        let key = ObjectKey::from_decoded(&format!("{project}/0/clip {number}.mp4")).unwrap();
        let id = RecordId { project_step: key.project_step(), mail: format!("unknown/{}", key.file_name()) };
        Self { id, key }
    }

    /// One that nobody asked for either, under a key that we could have signed.
    fn unasked_but_signed(project: &str, number: usize) -> Self {
        let Self { id, key } = Self::of(project, number);
        Self { id: RecordId { mail: format!("unknown/{}", key.file_name()), ..id }, key }
    }

    async fn requested(self, system: &TestSystem) -> Self {
        system.table().record_form(&self.id, &self.key, SystemTime::now()).await.unwrap();
        self
    }

    fn upload(&self, sequencer: &str) -> Upload {
        Upload { video: self.clone(), sequencer: sequencer.to_owned() }
    }

    async fn record(&self, system: &TestSystem) -> Record {
        self.record_in(&system.table()).await
    }

    async fn record_in(&self, table: &Table) -> Record {
        table.get(&self.id).await.unwrap().expect("a record")
    }
}

/// One upload of a video, numbered as S3 would.
#[derive(Clone)]
struct Upload {
    video: Video,
    sequencer: String,
}

impl Upload {
    fn order(&self) -> Sequencer {
        self.sequencer.parse().unwrap()
    }

    fn token(&self, system: &TestSystem) -> String {
        let job = Job {
            bucket: system.at.media_bucket.to_owned(),
            key: self.video.key.clone(),
            sequencer: self.order(),
            plain_name: true,
        };
        job.token()
    }

    /// What S3 tells of it.
    fn event(&self, system: &TestSystem) -> Value {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../crates/events/fixtures/s3_object_created.json")).unwrap();
        let record = &mut event["Records"][0];
        record["eventTime"] = json!(rfc3339(SystemTime::now()));
        record["s3"]["bucket"]["name"] = json!(system.at.media_bucket);
        record["s3"]["object"]["key"] = json!(self.video.key.as_str().replace(' ', "+"));
        record["s3"]["object"]["sequencer"] = json!(self.sequencer);
        event
    }
}

/// What the transcoder tells of an upload's job.
fn job_event(functions: &Functions, upload: &Upload, system: &TestSystem, job_id: &str, state: State) -> Value {
    let metadata = json!({
        "token": upload.token(system),
        "key": upload.video.key.as_str(),
        "sequencer": upload.order().as_str(),
    });
    if functions.kind == TranscoderKind::MediaConvert {
        let mut event: Value =
            serde_json::from_str(include_str!("../../../crates/events/fixtures/mediaconvert_complete.json")).unwrap();
        let detail = &mut event["detail"];
        detail["status"] = json!(match state {
            State::Progress => "PROGRESSING",
            State::Complete => "COMPLETE",
            State::Error => "ERROR",
        });
        detail["jobId"] = json!(job_id);
        detail["userMetadata"] = metadata;
        return event;
    }
    let mut event: Value =
        serde_json::from_str(include_str!("../../../crates/events/fixtures/elastictranscoder_completed.json")).unwrap();
    let sns = &mut event["Records"][0]["Sns"];
    let mut message: Value = serde_json::from_str(sns["Message"].as_str().unwrap()).unwrap();
    message["state"] = json!(match state {
        State::Progress => "PROGRESSING",
        State::Complete => "COMPLETED",
        State::Error => "ERROR",
    });
    message["jobId"] = json!(job_id);
    message["userMetadata"] = metadata;
    sns["Message"] = json!(message.to_string());
    event
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Progress,
    Complete,
    Error,
}

/// The ids of the jobs of each token.
async fn jobs_by_token(functions: &Functions) -> HashMap<String, Vec<String>> {
    let mut jobs: HashMap<String, Vec<String>> = HashMap::new();
    for (token, id) in functions.jobs().await {
        jobs.entry(token).or_default().push(id);
    }
    jobs
}

/// What became of uploads, as the figures that a test prints.
#[derive(Default, Debug, PartialEq)]
struct Tally {
    uploads: usize,
    /// The newest upload of its video without a job, or not in the record.
    lost: usize,
    /// Uploads with more than one job.
    doubled: usize,
    /// Records that name another upload or another job than their newest upload's.
    stale: usize,
    /// The keys of those that are counted above.
    wrong: BTreeSet<String>,
}

impl Tally {
    /// Counts, where `newest` are the newest uploads of their videos and `older` all others.
    async fn of(system: &TestSystem, functions: &Functions, newest: &[Upload], older: &[Upload]) -> Self {
        let jobs = jobs_by_token(functions).await;
        let of = |upload: &Upload| jobs.get(&upload.token(system)).cloned().unwrap_or_default();
        let mut tally = Self { uploads: newest.len() + older.len(), ..Self::default() };
        for upload in newest.iter().chain(older).filter(|upload| of(upload).len() > 1) {
            tally.doubled += 1;
            tally.wrong.insert(upload.video.key.to_string());
        }
        let table = system.table();
        for upload in newest {
            let record = upload.video.record_in(&table).await;
            let own = of(upload);
            if own.is_empty() || record.status != Some(Status::Transcoding) {
                tally.lost += 1;
                tally.wrong.insert(upload.video.key.to_string());
            }
            let its_job = record.job_id.as_ref().is_some_and(|id| own.contains(id));
            if record.sequencer.as_deref() != Some(upload.order().as_str()) || !its_job {
                tally.stale += 1;
                tally.wrong.insert(upload.video.key.to_string());
            }
        }
        tally
    }

    fn assert_perfect(&self, what: &str) {
        assert_eq!((self.lost, self.doubled, self.stale), (0, 0, 0), "{what}: {self:?}");
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} uploads, {} lost, {} with two jobs, {} stale records",
            self.uploads, self.lost, self.doubled, self.stale
        )
    }
}

/// Delivers an event as often as it takes, as Lambda, a redrive and the sweep would; answers how often that was.
async fn delivered(function: &video_events::State, event: &Value) -> usize {
    let deliveries = async {
        for tries in 1.. {
            match video_events::handle(function, event.clone()).await {
                Ok(_) => return tries,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        unreachable!()
    };
    tokio::time::timeout(Duration::from_mins(5), deliveries).await.expect("handled in the end")
}

/// How many records the table holds.
async fn records(system: &TestSystem) -> usize {
    let mut pages = system.dynamodb().scan().table_name(system.at.table).into_paginator().items().send();
    let mut count = 0;
    while let Some(item) = pages.next().await {
        item.unwrap();
        count += 1;
    }
    count
}
