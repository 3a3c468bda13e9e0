//! Events that come again long after the end change nothing, and what no event ever tells the sweep finds out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::sync::Notify;
use video_core::records::Status;
use video_tests::faults::{Answer, Call, Fate, Network};
use video_tests::{Log, sweep};

use super::{
    Functions, LONG_LEASE, SHORT_LEASE, State, TestSystem, TranscoderKind, Upload, Video, delivered, job_event,
    on_both, system_that_counts,
};

#[tokio::test]
async fn events_that_come_again_after_the_end_change_nothing() {
    on_both(async |kind| {
        let (system, functions) = system_that_counts(kind).await;
        let function = functions.direct(LONG_LEASE);
        let mut deliveries = 0;
        for (person, end) in [State::Complete, State::Error].into_iter().enumerate() {
            let video = Video::of("again", person).requested(&system).await;
            let (older, newest) = (video.upload("0A"), video.upload("0B"));
            for upload in [&older, &newest] {
                delivered(&function, &upload.event(&system)).await;
            }
            let job_id = video.record(&system).await.job_id.unwrap();
            let ended = job_event(&functions, &newest, &system, &job_id, end);
            video_events::handle(&function, ended.clone()).await.unwrap();
            let before = video.record(&system).await;
            // The record tells the second of its last change.
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
            let progress = job_event(&functions, &newest, &system, &job_id, State::Progress);
            for event in [newest.event(&system), older.event(&system), progress, ended, sweep()] {
                for _ in 0..3 {
                    video_events::handle(&function, event.clone()).await.unwrap();
                    deliveries += 1;
                    assert_eq!(json!(video.record(&system).await), json!(before));
                }
            }
        }
        let jobs = functions.jobs().await.len();
        println!("again: {kind:?}: {deliveries} deliveries after the end, 0 changes, {jobs} jobs for 4 uploads");
        assert_eq!(jobs, 4);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sweep_heals_what_lost_its_events() {
    on_both(|kind| heal(kind, 24)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form, for `make torture`"]
async fn the_sweep_heals_many_that_lost_their_events() {
    for kind in TranscoderKind::ALL {
        heal(kind, 150).await;
    }
}

#[tokio::test]
async fn a_sweep_counts_what_it_could_not_look_for() {
    let log = log_of_a_sweep(|call| match call.body["ExpressionAttributeValues"][":shard"]["S"].as_str() {
        Some("3" | "c") => Fate::Answer(Answer::error(400, "AccessDeniedException")),
        _ => Fate::Pass,
    });
    let log = log.await;
    assert!(log.contains("the sweep is done sweep.found=0 sweep.failed=2"), "{log}");
}

#[tokio::test]
async fn a_sweep_ends_in_time_although_every_question_hangs() {
    let log = log_of_a_sweep(|_| Fate::Swallow { answered: Arc::default() }).await;
    assert!(log.contains("the sweep ran out of time sweep.found=0"), "{log}");
}

/// What a sweep of nothing logs while its calls meet this fate.
async fn log_of_a_sweep(fate: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> String {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _capturing = tracing::subscriber::set_default(subscriber);

    let kind = TranscoderKind::MediaConvert;
    let (system, functions) = system_that_counts(kind).await;
    let network = Network::to(&system, fate).await;
    video_events::handle(&network.function(&functions, SHORT_LEASE), sweep()).await.unwrap();
    log.text()
}

/// A third of the uploads lost the job's result; a third died before the job, a third after it, and their event never came again.
async fn heal(kind: TranscoderKind, count: usize) {
    let started = Instant::now();
    let (system, functions) = system_that_counts(kind).await;
    let mut uploads = Vec::new();
    for person in 0..count {
        let upload = Video::of("healed", person).requested(&system).await.upload("0A");
        match person % 3 {
            0 => drop(delivered(&functions.direct(SHORT_LEASE), &upload.event(&system)).await),
            way => dies_at(&system, &functions, &upload, way + 2).await,
        }
        system.make_old(&upload.video.id).await;
        uploads.push(upload);
    }
    let throttled = Arc::new(AtomicUsize::new(0));
    let network = Network::to(&system, {
        let throttled = Arc::clone(&throttled);
        move |call: &Call| {
            let nth = throttled.fetch_add(1, Ordering::Relaxed);
            if nth % 4 == 3 {
                Fate::Answer(call.throttled(&mut fastrand::Rng::with_seed(nth as u64)))
            } else {
                Fate::Pass
            }
        }
    })
    .await;
    let function = network.function(&functions, SHORT_LEASE);
    let mut sweeps = 0;
    let all_end = async || {
        sweeps += 1;
        // On a stack of its own: without optimisation the SDK's answer to GetJob alone takes most of a test's.
        let function = function.clone();
        tokio::spawn(async move { video_events::handle(&function, sweep()).await }).await.unwrap().ok();
        for upload in &uploads {
            if upload.video.record(&system).await.status != Some(Status::Failed) {
                return None;
            }
        }
        Some(())
    };
    video_tests::eventually("the sweep settles everything", all_end).await;
    for upload in &uploads {
        let reason = upload.video.record(&system).await.error.unwrap();
        assert!(reason.contains("Elastic Transcoder: 3001") || reason.contains("MediaConvert error"), "{reason}");
    }
    let jobs = super::jobs_by_token(&functions).await;
    println!(
        "healed: {kind:?}: {count} uploads without their events, {} jobs, all ended with a reason after {sweeps} sweeps, {:.1} s",
        jobs.values().map(Vec::len).sum::<usize>(),
        started.elapsed().as_secs_f64()
    );
    assert!(jobs.len() == count && jobs.values().all(|jobs| jobs.len() == 1));
}

/// A handler that dies when its `n`-th request has left, for good: 3 is CreateJob, 4 the record of it.
async fn dies_at(system: &TestSystem, functions: &Functions, upload: &Upload, n: usize) {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let rule = {
        let (arrived, go) = (Arc::clone(&arrived), Arc::clone(&go));
        move |call: &Call| {
            if call.number == n {
                Fate::Hold { arrived: Arc::clone(&arrived), go: Arc::clone(&go), done: Arc::default() }
            } else {
                Fate::Pass
            }
        }
    };
    let network = Network::to(system, rule).await;
    let function = network.function(functions, SHORT_LEASE);
    tokio::select! {
        done = video_events::handle(&function, upload.event(system)) => panic!("{done:?}"),
        () = arrived.notified() => {}
    }
}
