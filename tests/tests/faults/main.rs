//! No video is lost and none is transcoded twice, whatever fails: duplicates, kills, throttling, lost responses, a
//! lagging index.
//!
//! `cargo test` runs the short forms, `make torture` the long ones. `FAULTS_SEED` repeats a run.

mod announced;
mod completed;
mod deadline;
mod duplicates;
mod erased;
mod handler_killed;
mod index;
mod kill;
mod lagging_list;
mod local_killed;
mod malformed;
mod network;
mod redelivered;
mod results;
mod retention;
mod retried;
mod sweep;
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
use video_local::Options;
use video_tests::events::{JobState, job_state_change};
use video_tests::{Functions, TestSystem};

/// Runs a test with both transcoders concurrently, since it mostly waits.
async fn on_both(test: impl AsyncFn(TranscoderKind)) {
    futures_util::future::join_all(TranscoderKind::ALL.map(|kind| test(kind))).await;
}

/// Runs many cases concurrently, since they mostly wait.
async fn each<C, T>(cases: Vec<C>, run: impl AsyncFn(usize, C) -> T) -> Vec<T> {
    const CONCURRENCY: usize = 64;
    let run = &run;
    let cases = cases.into_iter().enumerate().map(|(number, case)| run(number, case));
    futures_util::stream::iter(cases).buffer_unordered(CONCURRENCY).collect().await
}

/// Seconds of a lease that outlives any test.
const LONG_LEASE: u64 = 900;
/// Seconds of a lease that outlives every handler in tests where two work on one upload, and still expires during the
/// test.
const MEDIUM_LEASE: u64 = 6;
/// Seconds of a lease that is shorter than the wait before a retry, in tests where one handler at a time works on an
/// upload.
const RETRY_LEASE: u64 = 3;
/// Seconds of the shortest lease.
const SHORT_LEASE: u64 = 1;

/// Starts a system that sends no events and runs no job, so that its jobs can be counted, and functions to invoke.
async fn idle_system(kind: TranscoderKind) -> (TestSystem, Functions) {
    idle_system_with(kind, |_| ()).await
}

/// The same with options that `change` changes.
async fn idle_system_with(kind: TranscoderKind, change: impl FnOnce(&mut Options)) -> (TestSystem, Functions) {
    // In memory: the local DynamoDB would wait for the disk at every write, which is not what is tested here.
    let memory = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let system = TestSystem::start_in(memory.unwrap(), |options| {
        options.transcoder = kind;
        options.deliver_events = false;
        options.ffmpeg.ffmpeg = PathBuf::from("/nonexistent/ffmpeg");
        options.ffmpeg.ffprobe = PathBuf::from("/nonexistent/ffprobe");
        change(options);
    });
    let system = system.await;
    let functions = Functions::of(&system, kind).await;
    (system, functions)
}

/// Seeds a generator and prints the seed, so that the run can be repeated.
fn seeded(test: &str) -> fastrand::Rng {
    let seed = std::env::var("FAULTS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_124);
    println!("{test}: seed {seed}");
    fastrand::Rng::with_seed(seed)
}

/// A person's video of a step: its key and its record's ID.
#[derive(Clone)]
struct Video {
    id: RecordId,
    key: ObjectKey,
}

impl Video {
    /// Names the video for which a person requests a form.
    fn of(project: &str, person: usize) -> Self {
        let (project, step) = (project.parse().unwrap(), "0".parse().unwrap());
        let mail: Mail = format!("person{person}@example.com").parse().unwrap();
        let key = ObjectKey::of_upload(&project, step, &mail, MediaType::Webm);
        Self { id: RecordId { project_step: project_step(&project, step), mail: mail.as_str().to_owned() }, key }
    }

    /// Names an unsolicited upload.
    fn unsolicited(project: &str, number: usize) -> Self {
        let key = ObjectKey::from_decoded(&format!("{project}/0/clip {number}.mp4")).unwrap();
        let id = RecordId { project_step: key.project_step(), mail: format!("unknown/{}", key.file_name()) };
        Self { id, key }
    }

    /// Names an unsolicited upload under a key that a form could have.
    fn unsolicited_under_a_signed_key(project: &str, number: usize) -> Self {
        let Self { id, key } = Self::of(project, number);
        Self { id: RecordId { mail: format!("unknown/{}", key.file_name()), ..id }, key }
    }

    /// Requests the form.
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

/// One upload of a video with the sequencer that S3 would give it.
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

    /// Returns S3's event.
    fn event(&self, system: &TestSystem) -> Value {
        system.object_created(self.video.key.as_str(), &self.sequencer)
    }
}

/// Returns the event with which the transcoder reports the state of an upload's job.
fn job_event(functions: &Functions, upload: &Upload, system: &TestSystem, job_id: &str, state: JobState) -> Value {
    let metadata = json!({
        "token": upload.token(system),
        "key": upload.video.key.as_str(),
        "sequencer": upload.order().as_str(),
    });
    job_state_change(functions.kind, job_id, &metadata, state)
}

/// Returns the IDs of the jobs of each token.
async fn jobs_by_token(functions: &Functions) -> HashMap<String, Vec<String>> {
    let mut jobs: HashMap<String, Vec<String>> = HashMap::new();
    for (token, id) in functions.jobs().await {
        jobs.entry(token).or_default().push(id);
    }
    jobs
}

/// The outcome of uploads, as the figures that a test prints.
#[derive(Default, Debug, PartialEq)]
struct Tally {
    uploads: usize,
    /// Newest uploads without a job, or whose record is not `transcoding`.
    lost: usize,
    /// Uploads with more than one job.
    duplicated: usize,
    /// Records that do not name their newest upload and its job.
    stale: usize,
    /// The keys of all those counted above.
    wrong: BTreeSet<String>,
}

impl Tally {
    /// Counts the outcome; `newest` are the newest uploads of their videos and `older` all others.
    async fn of(system: &TestSystem, functions: &Functions, newest: &[Upload], older: &[Upload]) -> Self {
        let jobs = jobs_by_token(functions).await;
        let of = |upload: &Upload| jobs.get(&upload.token(system)).cloned().unwrap_or_default();
        let mut tally = Self { uploads: newest.len() + older.len(), ..Self::default() };
        for upload in newest.iter().chain(older).filter(|upload| of(upload).len() > 1) {
            tally.duplicated += 1;
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
        assert_eq!((self.lost, self.duplicated, self.stale), (0, 0, 0), "{what}: {self:?}");
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} uploads, {} lost, {} with two jobs, {} stale records",
            self.uploads, self.lost, self.duplicated, self.stale
        )
    }
}

/// Delivers an event until it is handled, as retries and redrives would, and returns how many attempts it took.
async fn deliver_until_handled(function: &video_events::State, event: &Value) -> usize {
    let deliveries = async {
        for attempts in 1.. {
            match video_events::handle(function, event.clone()).await {
                Ok(_) => return attempts,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        unreachable!()
    };
    tokio::time::timeout(Duration::from_mins(5), deliveries).await.expect("the event was never handled")
}

/// Counts the records of the table.
async fn records(system: &TestSystem) -> usize {
    let mut pages = system.dynamodb().scan().table_name(system.at.table).into_paginator().items().send();
    let mut count = 0;
    while let Some(item) = pages.next().await {
        item.unwrap();
        count += 1;
    }
    count
}
