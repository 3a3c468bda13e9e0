//! Events that come often, in any order and at once: each newest upload gets exactly one job.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use video_core::ids::Sequencer;

use super::{LONG_LEASE, Tally, TranscoderKind, Upload, Video, on_both, records, seeded, system_that_counts};

const HANDLERS: usize = 8;
const MOST_COPIES: usize = 20;
const MOST_UPLOADS_OF_A_KEY: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicates_in_any_order_make_one_job_for_each_newest_upload() {
    on_both(|kind| storm(kind, 250, 25)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form, for `make torture`"]
async fn ten_thousand_events_make_one_job_for_each_newest_upload() {
    for kind in TranscoderKind::ALL {
        storm(kind, 10_000, 1_000).await;
    }
}

/// `count` uploads of a few keys each, with sequencers of every length, the newest of each key first.
async fn uploads(system: &super::TestSystem, rng: &mut fastrand::Rng, count: usize) -> (Vec<Upload>, Vec<Upload>) {
    let (mut newest, mut older) = (Vec::new(), Vec::new());
    while newest.len() + older.len() < count {
        let person = newest.len();
        let video = match rng.u8(..10) {
            0 => Video::unasked("storm", person),
            _ => Video::of(&format!("storm{}", person % 7), person).requested(system).await,
        };
        let many = rng.usize(1..=MOST_UPLOADS_OF_A_KEY).min(count - newest.len() - older.len());
        let mut of_this_key: BTreeMap<Sequencer, String> = BTreeMap::new();
        while of_this_key.len() < many {
            let length = rng.usize(1..=40);
            let text: String = (0..length).map(|_| char::from(rng.choice(*b"0123456789ABCDEF").unwrap())).collect();
            of_this_key.insert(text.parse().unwrap(), text);
        }
        let mut texts: Vec<String> = of_this_key.into_values().collect();
        newest.push(video.upload(&texts.pop().unwrap()));
        older.extend(texts.iter().map(|text| video.upload(text)));
    }
    (newest, older)
}

/// Every upload's event at least once and at most 20 times, shuffled.
fn copies(rng: &mut fastrand::Rng, uploads: Vec<Upload>, events: usize) -> VecDeque<Upload> {
    let mut copies = vec![1; uploads.len()];
    while copies.iter().sum::<usize>() < events {
        let lucky = rng.usize(..copies.len());
        copies[lucky] = (copies[lucky] + 1).min(MOST_COPIES);
    }
    let copied = uploads.into_iter().zip(copies);
    let mut all: Vec<Upload> = copied.flat_map(|(upload, times)| std::iter::repeat_n(upload, times)).collect();
    rng.shuffle(&mut all);
    all.into()
}

async fn storm(kind: TranscoderKind, events: usize, count: usize) {
    let mut rng = seeded("duplicates");
    let (system, functions) = system_that_counts(kind).await;
    let (newest, older) = uploads(&system, &mut rng, count).await;
    let queue = copies(&mut rng, newest.iter().chain(&older).cloned().collect(), events);
    assert_eq!(queue.len(), events);

    let started = Instant::now();
    let queue = Mutex::new(queue);
    let (busy, backwards) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let seen: HashMap<String, Arc<Mutex<String>>> =
        newest.iter().map(|upload| (upload.video.key.to_string(), Arc::default())).collect();
    let handler = async || {
        let (function, table) = (functions.direct(LONG_LEASE), system.table());
        loop {
            let Some(upload) = queue.lock().await.pop_front() else { return };
            match video_events::handle(&function, upload.event(&system)).await {
                Ok(_) => {}
                Err(video_events::Error::LeaseHeld(_)) => {
                    busy.fetch_add(1, Ordering::Relaxed);
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
        "duplicates: {kind:?}: {events} events, {} keys, {tally}, {backwards} overwrites by older uploads, {} busy, {:.1} s",
        newest.len(),
        busy.into_inner(),
        started.elapsed().as_secs_f64()
    );
    tally.assert_perfect("duplicates");
    assert_eq!(backwards, 0);
    assert_eq!(records(&system).await, newest.len());
}
