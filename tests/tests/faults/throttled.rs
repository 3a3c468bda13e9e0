//! AWS throttles and connections are reset for a while: each upload gets its job, or becomes a dead letter that a
//! redrive finishes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use video_tests::Functions;
use video_tests::faults::{Call, Fate, Network, Reach};

use super::{RETRY_LEASE, Tally, TestSystem, TranscoderKind, Upload, Video, idle_system, on_both, seeded};

/// Percent of all calls.
const THROTTLED: u8 = 30;
/// Percent of all calls.
const RESET: u8 = 5;
const HANDLERS: usize = 8;
/// Longer than the lease, in proportion to Lambda's one and two minutes.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(8)];
/// The timeout of the events function without its deadline margin.
const MAX_DURATION: Duration = Duration::from_secs(29);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_and_resets_lose_nothing() {
    on_both(async |kind| upload_under_throttling(kind, 40).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn throttling_and_resets_of_many_uploads_lose_nothing() {
    for kind in TranscoderKind::ALL {
        upload_under_throttling(kind, 200).await;
    }
}

/// When each attempt of each operation was made.
type Attempts = HashMap<String, Vec<(u32, Instant)>>;

async fn upload_under_throttling(kind: TranscoderKind, count: usize) {
    let started = Instant::now();
    let (system, functions) = idle_system(kind).await;
    let mut uploads = Vec::new();
    for person in 0..count {
        let video = Video::of(&format!("throttled{}", person % 5), person).requested(&system).await;
        uploads.push(video.upload("0A"));
    }

    let outage = Arc::new(Outage::start(seeded("throttled")));
    let network = Network::to(&system, {
        let outage = Arc::clone(&outage);
        move |call| outage.fate(call)
    })
    .await;
    let (slots, longest) = (Semaphore::new(HANDLERS), AtomicU64::new(0));
    let errors = AtomicUsize::new(0);
    let dead_letters = Mutex::new(Vec::new());
    let lambda = async |upload: &Upload| {
        let event = upload.event(&system);
        for attempt in 0..=RETRY_DELAYS.len() {
            let slot = slots.acquire().await.unwrap();
            let function = functions.behind(&network, RETRY_LEASE);
            let begun = Instant::now();
            let outcome = video_events::handle(&function, event.clone()).await;
            longest.fetch_max(u64::try_from(begun.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
            drop(slot);
            let Err(error) = outcome else { return };
            errors.fetch_add(1, Ordering::Relaxed);
            match RETRY_DELAYS.get(attempt) {
                Some(delay) => tokio::time::sleep(*delay).await,
                None => dead_letters.lock().unwrap().push(dead_letter(&event, &error)),
            }
        }
    };
    futures_util::future::join_all(uploads.iter().map(lambda)).await;

    outage.active.store(false, Ordering::SeqCst);
    let letters = dead_letters.into_inner().unwrap();
    assert_none_is_lost(&system, &functions, &uploads, &letters).await;
    for letter in &letters {
        super::deliver_until_handled(&functions.direct(RETRY_LEASE), letter).await;
    }
    let tally = Tally::of(&system, &functions, &uploads, &[]).await;
    let longest = Duration::from_millis(longest.into_inner());
    println!(
        "throttled: {kind:?}: {tally}; {} calls throttled, {} reset, {} invocations failed, {} dead letters redriven, \
         longest invocation {:.1} s, {:.1} s",
        outage.throttled.load(Ordering::Relaxed),
        outage.reset.load(Ordering::Relaxed),
        errors.into_inner(),
        letters.len(),
        longest.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    outage.print_backoff(kind);
    tally.assert_perfect("throttled");
    assert!(longest < MAX_DURATION);
}

/// Asserts that each upload has its job or is in a dead letter.
async fn assert_none_is_lost(system: &TestSystem, functions: &Functions, uploads: &[Upload], letters: &[Value]) {
    let jobs = super::jobs_by_token(functions).await;
    let text = serde_json::to_string(letters).unwrap();
    for upload in uploads {
        let has_job = jobs.contains_key(&upload.token(system)) && upload.video.record(system).await.job_id.is_some();
        assert!(has_job || text.contains(upload.video.key.as_str()), "{} is lost", upload.video.key);
    }
}

/// Returns what Lambda sends to a function's on-failure destination.
fn dead_letter(event: &Value, error: &video_events::Error) -> Value {
    json!({
        "version": "1.0",
        "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": event,
        "responsePayload": { "errorType": "EventNotHandled", "errorMessage": error.to_string() },
    })
}

/// Throttles and resets a share of all calls while it is active.
struct Outage {
    active: AtomicBool,
    rng: Mutex<fastrand::Rng>,
    throttled: AtomicUsize,
    reset: AtomicUsize,
    attempts: Mutex<Attempts>,
}

impl Outage {
    fn start(rng: fastrand::Rng) -> Self {
        Self {
            active: AtomicBool::new(true),
            rng: Mutex::new(rng),
            throttled: AtomicUsize::default(),
            reset: AtomicUsize::default(),
            attempts: Mutex::default(),
        }
    }

    fn fate(&self, call: &Call) -> Fate {
        let mut attempts = self.attempts.lock().unwrap();
        attempts.entry(call.invocation.clone()).or_default().push((call.attempt, Instant::now()));
        if !self.active.load(Ordering::SeqCst) {
            return Fate::Pass;
        }
        let mut rng = self.rng.lock().unwrap();
        match rng.u8(..100) {
            roll if roll < THROTTLED => {
                self.throttled.fetch_add(1, Ordering::Relaxed);
                Fate::Respond(call.throttled(&mut rng))
            }
            roll if roll < THROTTLED + RESET => {
                self.reset.fetch_add(1, Ordering::Relaxed);
                Fate::Reset(if rng.bool() { Reach::Never } else { Reach::Before })
            }
            _ => Fate::Pass,
        }
    }

    /// Prints how long the SDK waited before each retry, and asserts that the waits are jittered.
    fn print_backoff(&self, kind: TranscoderKind) {
        let mut waits: Vec<Vec<Duration>> = Vec::new();
        for attempts in self.attempts.lock().unwrap().values() {
            for pair in attempts.windows(2) {
                let ((_, before), (number, after)) = (pair[0], pair[1]);
                let retry = number as usize - 2;
                waits.resize(waits.len().max(retry + 1), Vec::new());
                waits[retry].push(after - before);
            }
        }
        for (retry, waits) in waits.iter_mut().enumerate() {
            waits.sort_unstable();
            let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_millis();
            println!(
                "throttled: {kind:?}: wait before attempt {}: {} times, {} / {} / {} ms (min, median, max)",
                retry + 2,
                waits.len(),
                at(0),
                at(50),
                at(100)
            );
            // A busy machine adds to every wait, so only the extremes of many tell.
            let few = waits.len() < 20;
            assert!(few || at(0) * 2 < at(100), "the waits have no jitter");
        }
    }
}
