//! A job's events in every order, with duplicates, before we record the job and after a newer upload: the status is
//! correct after each event and never goes back.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use video_core::records::{Record, Status, Table};
use video_tests::Functions;
use video_tests::events::JobState;
use video_tests::faults::{Call, Fate, Gate, Network};

use super::{LONG_LEASE, TestSystem, TranscoderKind, Upload, Video, idle_system, job_event, seeded};

/// What can happen to a record while its first upload is transcoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Event(JobState),
    /// Our handler records the job that it created.
    Submitted,
    /// The person uploads again.
    NewerUpload,
}

const PROGRESS: Step = Step::Event(JobState::Progressing);
const COMPLETE: Step = Step::Event(JobState::Complete);
const ERROR: Step = Step::Event(JobState::Error);
const ONCE: [Step; 5] = [PROGRESS, COMPLETE, ERROR, Step::Submitted, Step::NewerUpload];
const TWICE: [Step; 8] = [PROGRESS, PROGRESS, COMPLETE, COMPLETE, ERROR, ERROR, Step::Submitted, Step::NewerUpload];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_jobs_events_in_any_order_end_in_the_correct_status_and_never_go_back() {
    let mut rng = seeded("results");
    let (once, mut with_duplicates) = (orders(&ONCE), orders(&TWICE));
    rng.shuffle(&mut with_duplicates);
    tokio::join!(
        all_orders(TranscoderKind::ElasticTranscoder, &once),
        all_orders(TranscoderKind::MediaConvert, &with_duplicates[..40])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn a_jobs_events_in_every_order_with_duplicates_end_in_the_correct_status_and_never_go_back() {
    let orders = orders(&TWICE);
    assert_eq!(orders.len(), 5040);
    for kind in TranscoderKind::ALL {
        all_orders(kind, &orders).await;
    }
}

/// Returns every distinct order of the steps, among which equal ones are adjacent.
fn orders(steps: &[Step]) -> Vec<Vec<Step>> {
    if steps.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, first) in steps.iter().enumerate() {
        if at > 0 && steps[at - 1] == *first {
            continue;
        }
        let rest: Vec<Step> = steps[..at].iter().chain(&steps[at + 1..]).copied().collect();
        all.extend(orders(&rest).into_iter().map(|order| [vec![*first], order].concat()));
    }
    all
}

async fn all_orders(kind: TranscoderKind, orders: &[Vec<Step>]) {
    const LANES: usize = 8;
    let started = Instant::now();
    let (system, functions) = idle_system(kind).await;
    let lanes = (0..LANES).map(async |lane| {
        let (slow, table) = (SlowHandler::start(&system, &functions).await, system.table());
        let mut samples = 0;
        for (number, order) in orders.iter().enumerate().filter(|(number, _)| number % LANES == lane) {
            samples += one_order(&system, &table, &functions, &slow, number, order).await;
        }
        samples
    });
    let samples: usize = futures_util::future::join_all(lanes).await.into_iter().sum();
    println!(
        "results: {kind:?}: {} orders, status checked {samples} times, always correct, never went back, {:.1} s",
        orders.len(),
        started.elapsed().as_secs_f64()
    );
}

/// A function that is held between the creation of a job and its recording.
struct SlowHandler {
    function: video_events::State,
    /// One that is not held.
    direct: video_events::State,
    gate: Gate,
    job_id: Arc<Mutex<String>>,
    _network: Network,
}

impl SlowHandler {
    async fn start(system: &TestSystem, functions: &Functions) -> Self {
        let (gate, job_id) = (Gate::default(), Arc::<Mutex<String>>::default());
        let rule = {
            let (gate, job_id) = (gate.clone(), Arc::clone(&job_id));
            move |call: &Call| {
                let Some(id) = call.sets("jobId") else { return Fate::Pass };
                id.clone_into(&mut job_id.lock().unwrap());
                Fate::Hold(gate.clone())
            }
        };
        let network = Network::to(system, rule).await;
        let (function, direct) = (functions.behind(&network, LONG_LEASE), functions.direct(LONG_LEASE));
        Self { function, direct, gate, job_id, _network: network }
    }
}

/// Takes the steps in this order, compares the record with the expected one after each, and returns how often it did.
async fn one_order(
    system: &TestSystem,
    table: &Table,
    functions: &Functions,
    slow: &SlowHandler,
    number: usize,
    order: &[Step],
) -> usize {
    let direct = &slow.direct;
    let video = Video::of(&format!("orders{}", number % 16), number).requested(system).await;
    let (first, second) = (video.upload("0A"), video.upload("0B"));
    let (function, event) = (slow.function.clone(), first.event(system));
    let mut submitting = tokio::spawn(async move { video_events::handle(&function, event).await });
    tokio::select! {
        outcome = &mut submitting => panic!("the job was not recorded: {outcome:?}"),
        () = slow.gate.reached() => {}
    }
    let job_id = slow.job_id.lock().unwrap().clone();
    let mut submitting = Some(submitting);

    let mut expected = Expected { newer: false, status: Status::Uploaded };
    let mut last = Expected { newer: false, status: Status::Uploaded };
    for step in order {
        match step {
            Step::Event(state) => {
                let event = job_event(functions, &first, system, &job_id, *state);
                video_events::handle(direct, event).await.unwrap();
            }
            Step::Submitted => {
                slow.gate.open();
                submitting.take().unwrap().await.unwrap().unwrap();
            }
            Step::NewerUpload => {
                video_events::handle(direct, second.event(system)).await.unwrap();
            }
        }
        expected.after(*step);
        let now = Expected::read(&video.record_in(table).await, &second);
        assert_eq!(now, expected, "after {step:?} of {order:?}");
        assert!(now.rank() >= last.rank(), "{step:?} of {order:?} went back");
        last = now;
    }
    assert_eq!(last, Expected { newer: true, status: Status::Transcoding }, "{order:?}");

    let newer_job = video.record_in(table).await.job_id.unwrap();
    assert_ne!(newer_job, job_id);
    let done = job_event(functions, &second, system, &newer_job, JobState::Complete);
    video_events::handle(direct, done).await.unwrap();
    for state in [JobState::Complete, JobState::Error, JobState::Progressing] {
        let late = job_event(functions, &first, system, &job_id, state);
        video_events::handle(direct, late).await.unwrap();
    }
    let end = video.record_in(table).await;
    assert_eq!((end.status, end.job_id), (Some(Status::Ready), Some(newer_job)), "{order:?}");
    order.len() + 1
}

/// The expected record: the rules of the state machine, written a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Expected {
    newer: bool,
    status: Status,
}

impl Expected {
    fn after(&mut self, step: Step) {
        if step == Step::NewerUpload {
            *self = Self { newer: true, status: Status::Transcoding };
        } else if !self.newer {
            self.status = match (self.status, step) {
                (_, COMPLETE) => Status::Ready,
                (Status::Uploaded | Status::Transcoding, ERROR) => Status::Failed,
                (Status::Uploaded, _) => Status::Transcoding,
                (status, _) => status,
            };
        }
    }

    fn read(record: &Record, second: &Upload) -> Self {
        let status = record.status.unwrap();
        assert_eq!(record.output.is_some(), status == Status::Ready, "{record:?}");
        assert!(record.error.is_none() || status == Status::Failed, "{record:?}");
        Self { newer: record.sequencer.as_deref() == Some(second.order().as_str()), status }
    }

    fn rank(self) -> (bool, u8) {
        let rank = match self.status {
            Status::Requested | Status::Uploaded => 0,
            Status::Transcoding => 1,
            Status::Failed => 2,
            Status::Ready => 3,
            Status::Deleting => 4,
        };
        (self.newer, rank)
    }
}
