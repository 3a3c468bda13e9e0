//! AWS throttles and connections break for a while: each upload gets its job, or an error and a dead letter that a redrive finishes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Semaphore;
use video_tests::faults::{Call, Fate, Network, Reach};

use super::{
    Functions, LEASE_OF_ONE_AT_A_TIME, Tally, TestSystem, TranscoderKind, Upload, Video, on_both, seeded,
    system_that_counts,
};

/// In hundredths.
const THROTTLED: u8 = 30;
const RESET: u8 = 5;
const HANDLERS: usize = 8;
/// As much longer than the lease as Lambda's one and two minutes are.
const RETRY_DELAYS: [Duration; 2] = [Duration::from_secs(4), Duration::from_secs(8)];
/// What the events function may take, less the second that it leaves for its own error.
const FUNCTION_TIME: Duration = Duration::from_secs(29);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttling_and_resets_lose_nothing() {
    on_both(async |kind| storm(kind, 40).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form, for `make torture`"]
async fn throttling_and_resets_of_many_uploads_lose_nothing() {
    for kind in TranscoderKind::ALL {
        storm(kind, 200).await;
    }
}

/// When each attempt of each operation came.
type Attempts = HashMap<String, Vec<(u32, Instant)>>;

async fn storm(kind: TranscoderKind, count: usize) {
    let started = Instant::now();
    let (system, functions) = system_that_counts(kind).await;
    let mut uploads = Vec::new();
    for person in 0..count {
        let video = Video::of(&format!("throttled{}", person % 5), person).requested(&system).await;
        uploads.push(video.upload("0A"));
    }

    let weather = Arc::new(Weather::bad(seeded("throttled")));
    let network = Network::to(&system, {
        let weather = Arc::clone(&weather);
        move |call| weather.fate(call)
    })
    .await;
    let (slots, longest) = (Semaphore::new(HANDLERS), AtomicU64::new(0));
    let errors = AtomicUsize::new(0);
    let dead_letters = Mutex::new(Vec::new());
    let lambda = async |upload: &Upload| {
        let event = upload.event(&system);
        for attempt in 0..=RETRY_DELAYS.len() {
            let slot = slots.acquire().await.unwrap();
            let function = network.function(&functions, LEASE_OF_ONE_AT_A_TIME);
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

    weather.bad.store(false, Ordering::SeqCst);
    let letters = dead_letters.into_inner().unwrap();
    without_a_trace(&system, &functions, &uploads, &letters).await;
    for letter in &letters {
        super::delivered(&functions.direct(LEASE_OF_ONE_AT_A_TIME), letter).await;
    }
    let tally = Tally::of(&system, &functions, &uploads, &[]).await;
    let longest = Duration::from_millis(longest.into_inner());
    println!(
        "throttled: {kind:?}: {tally}; {} calls throttled, {} reset, {} invocations failed, {} dead letters redriven, \
         longest invocation {:.1} s, {:.1} s",
        weather.throttled.load(Ordering::Relaxed),
        weather.reset.load(Ordering::Relaxed),
        errors.into_inner(),
        letters.len(),
        longest.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    weather.print_backoff(kind);
    tally.assert_perfect("throttled");
    assert!(longest < FUNCTION_TIME);
}

/// Each upload that is not done is a dead letter: none is silently gone.
async fn without_a_trace(system: &TestSystem, functions: &Functions, uploads: &[Upload], letters: &[Value]) {
    let jobs = super::jobs_by_token(functions).await;
    let text = serde_json::to_string(letters).unwrap();
    for upload in uploads {
        let done = jobs.contains_key(&upload.token(system)) && upload.video.record(system).await.job_id.is_some();
        assert!(done || text.contains(upload.video.key.as_str()), "{} is silently gone", upload.video.key);
    }
}

/// What Lambda sends to a function's on-failure destination.
fn dead_letter(event: &Value, error: &video_events::Error) -> Value {
    json!({
        "version": "1.0",
        "requestContext": { "condition": "RetriesExhausted", "approximateInvokeCount": 3 },
        "requestPayload": event,
        "responsePayload": { "errorType": "EventNotHandled", "errorMessage": error.to_string() },
    })
}

struct Weather {
    bad: AtomicBool,
    rng: Mutex<fastrand::Rng>,
    throttled: AtomicUsize,
    reset: AtomicUsize,
    attempts: Mutex<Attempts>,
}

impl Weather {
    fn bad(rng: fastrand::Rng) -> Self {
        Self {
            bad: AtomicBool::new(true),
            rng: Mutex::new(rng),
            throttled: AtomicUsize::default(),
            reset: AtomicUsize::default(),
            attempts: Mutex::default(),
        }
    }

    fn fate(&self, call: &Call) -> Fate {
        let mut attempts = self.attempts.lock().unwrap();
        attempts.entry(call.invocation.clone()).or_default().push((call.attempt, Instant::now()));
        if !self.bad.load(Ordering::SeqCst) {
            return Fate::Pass;
        }
        let mut rng = self.rng.lock().unwrap();
        match rng.u8(..100) {
            roll if roll < THROTTLED => {
                self.throttled.fetch_add(1, Ordering::Relaxed);
                Fate::Answer(call.throttled(&mut rng))
            }
            roll if roll < THROTTLED + RESET => {
                self.reset.fetch_add(1, Ordering::Relaxed);
                Fate::Reset(if rng.bool() { Reach::Never } else { Reach::Before })
            }
            _ => Fate::Pass,
        }
    }

    /// How long the SDK waited before each further attempt: more each time, and never the same.
    fn print_backoff(&self, kind: TranscoderKind) {
        let mut waits: Vec<Vec<Duration>> = Vec::new();
        for attempts in self.attempts.lock().unwrap().values() {
            for pair in attempts.windows(2) {
                let ((_, before), (number, after)) = (pair[0], pair[1]);
                let further = number as usize - 2;
                waits.resize(waits.len().max(further + 1), Vec::new());
                waits[further].push(after - before);
            }
        }
        for (further, waits) in waits.iter_mut().enumerate() {
            waits.sort_unstable();
            let at = |share: usize| waits[(waits.len() - 1) * share / 100].as_millis();
            println!(
                "throttled: {kind:?}: wait before attempt {}: {} times, {} / {} / {} ms (least, median, most)",
                further + 2,
                waits.len(),
                at(0),
                at(50),
                at(100)
            );
            let few = waits.len() < 10;
            assert!(few || at(10) * 2 < at(90), "the waits have no jitter");
        }
    }
}
