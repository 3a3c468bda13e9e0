//! Events are delivered many times, in any order and concurrently: each newest upload gets exactly one job.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use video_core::ids::Sequencer;

use super::{LONG_LEASE, Tally, TestSystem, TranscoderKind, Upload, Video, idle_system, on_both, records, seeded};

const HANDLERS: usize = 8;
const MAX_COPIES: usize = 20;
const MAX_UPLOADS_PER_KEY: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_in_any_order_create_one_job_for_each_newest_upload() {
    on_both(|kind| deliver_concurrently(kind, 250, 25)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn ten_thousand_events_create_one_job_for_each_newest_upload() {
    for kind in TranscoderKind::ALL {
        deliver_concurrently(kind, 10_000, 1_000).await;
    }
}

/// Makes `count` uploads, several of each key, with sequencers of any length; returns the newest of each key and the
/// others.
async fn uploads(system: &TestSystem, rng: &mut fastrand::Rng, count: usize) -> (Vec<Upload>, Vec<Upload>) {
    let (mut newest, mut older) = (Vec::new(), Vec::new());
    while newest.len() + older.len() < count {
        let person = newest.len();
        let video = match rng.u8(..10) {
            0 => Video::unsolicited("duplicates", person),
            _ => Video::of(&format!("duplicates{}", person % 7), person).requested(system).await,
        };
        let uploads = rng.usize(1..=MAX_UPLOADS_PER_KEY).min(count - newest.len() - older.len());
        let mut sequencers: BTreeMap<Sequencer, String> = BTreeMap::new();
        while sequencers.len() < uploads {
            let length = rng.usize(1..=40);
            let text: String = (0..length).map(|_| char::from(rng.choice(*b"0123456789ABCDEF").unwrap())).collect();
            sequencers.insert(text.parse().unwrap(), text);
        }
        let mut texts: Vec<String> = sequencers.into_values().collect();
        newest.push(video.upload(&texts.pop().unwrap()));
        older.extend(texts.iter().map(|text| video.upload(text)));
    }
    (newest, older)
}

/// Repeats each upload at least once and at most [`MAX_COPIES`] times, shuffled.
fn copies(rng: &mut fastrand::Rng, uploads: Vec<Upload>, events: usize) -> VecDeque<Upload> {
    let mut copies = vec![1; uploads.len()];
    while copies.iter().sum::<usize>() < events {
        let chosen = rng.usize(..copies.len());
        copies[chosen] = (copies[chosen] + 1).min(MAX_COPIES);
    }
    let copied = uploads.into_iter().zip(copies);
    let mut all: Vec<Upload> = copied.flat_map(|(upload, times)| std::iter::repeat_n(upload, times)).collect();
    rng.shuffle(&mut all);
    all.into()
}

async fn deliver_concurrently(kind: TranscoderKind, events: usize, count: usize) {
    let mut rng = seeded("duplicates");
    let (system, functions) = idle_system(kind).await;
    let (newest, older) = uploads(&system, &mut rng, count).await;
    let queue = copies(&mut rng, newest.iter().chain(&older).cloned().collect(), events);
    assert_eq!(queue.len(), events);

    let started = Instant::now();
    let queue = Mutex::new(queue);
    let (leased, backwards) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seen: HashMap<String, Arc<Mutex<String>>> =
        newest.iter().map(|upload| (upload.video.key.to_string(), Arc::default())).collect();
    let handler = async || {
        let (function, table) = (functions.direct(LONG_LEASE), system.table());
        loop {
            let Some(upload) = queue.lock().await.pop_front() else { return };
            match video_events::handle(&function, upload.event(&system)).await {
                Ok(_) => {}
                Err(video_events::Error::LeaseHeld(_)) => {
                    leased.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    queue.lock().await.push_back(upload.clone());
                }
                Err(error) => panic!("{error}"),
            }
            let mut last = seen[upload.video.key.as_str()].lock().await;
            let now = upload.video.record_in(&table).await.sequencer.unwrap_or_default();
            backwards.fetch_add(usize::from(now < *last), Ordering::Relaxed);
            *last = now;
        }
    };
    let handlers: Vec<_> = (0..HANDLERS).map(|_| handler()).collect();
    futures_util::future::join_all(handlers).await;

    let tally = Tally::of(&system, &functions, &newest, &older).await;
    let backwards = backwards.into_inner();
    println!(
        "duplicates: {kind:?}: {events} events, {} keys, {tally}, {backwards} overwritten by older uploads, \
         {} found the lease held, {:.1} s",
        newest.len(),
        leased.into_inner(),
        started.elapsed().as_secs_f64()
    );
    tally.assert_perfect("duplicates");
    assert_eq!(backwards, 0);
    assert_eq!(records(&system).await, newest.len());
}
