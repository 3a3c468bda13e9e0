//! The sweep settles stuck videos, whose events are lost, and reports what it could not settle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use video_core::records::Status;
use video_tests::faults::{Call, FakeResponse, Fate, Gate, Network};
use video_tests::{Functions, Log, sweep};

use super::{SHORT_LEASE, TestSystem, TranscoderKind, Upload, Video, deliver_until_handled, idle_system, on_both};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sweep_settles_stuck_videos() {
    on_both(|kind| settle_stuck_videos(kind, 24)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn the_sweep_settles_many_stuck_videos() {
    for kind in TranscoderKind::ALL {
        settle_stuck_videos(kind, 150).await;
    }
}

#[tokio::test]
async fn a_sweep_counts_the_shards_that_it_could_not_read() {
    let log = log_of_a_sweep(|call| {
        let mut values = call.body["ExpressionAttributeValues"].as_object().into_iter().flat_map(|all| all.values());
        let reads_shard = values.any(|value| value["S"] == "3" || value["S"] == "c");
        match call.index() {
            Some("outbox-index") if reads_shard => Fate::Respond(FakeResponse::error(400, "AccessDeniedException")),
            _ => Fate::Pass,
        }
    });
    let log = log.await;
    assert!(log.contains("the sweep is done sweep.found=0 sweep.failed=2"), "{log}");
}

#[tokio::test]
async fn a_sweep_ends_in_time_although_no_call_gets_a_response() {
    let log = log_of_a_sweep(|_| Fate::DropResponse(Gate::default())).await;
    assert!(log.contains("the sweep ran out of time sweep.found=0"), "{log}");
}

/// Returns the log of a sweep of an empty table on a network with this rule.
async fn log_of_a_sweep(rule: impl Fn(&Call) -> Fate + Send + Sync + 'static) -> String {
    let (log, _capturing) = Log::capture("info");
    let kind = TranscoderKind::MediaConvert;
    let (system, functions) = idle_system(kind).await;
    let network = Network::to(&system, rule).await;
    video_events::handle(&functions.behind(&network, SHORT_LEASE), sweep()).await.unwrap();
    log.text()
}

/// Sweeps until all videos have ended. For a third, the job's result was lost; for the others, the handler was killed
/// before or after CreateJob and the event is never retried.
async fn settle_stuck_videos(kind: TranscoderKind, count: usize) {
    let started = Instant::now();
    let (system, functions) = idle_system(kind).await;
    let mut uploads = Vec::new();
    for person in 0..count {
        let upload = Video::of("stuck", person).requested(&system).await.upload("0A");
        match person % 3 {
            0 => drop(deliver_until_handled(&functions.direct(SHORT_LEASE), &upload.event(&system)).await),
            way => kill_at(&system, &functions, &upload, way + 2).await,
        }
        system.make_old(&upload.video.id).await;
        uploads.push(upload);
    }
    let calls = Arc::new(AtomicUsize::new(0));
    let network = Network::to(&system, {
        let calls = Arc::clone(&calls);
        move |call: &Call| {
            let nth = calls.fetch_add(1, Ordering::Relaxed);
            if nth % 4 == 3 {
                Fate::Respond(call.throttled(&mut fastrand::Rng::with_seed(nth as u64)))
            } else {
                Fate::Pass
            }
        }
    })
    .await;
    let function = functions.behind(&network, SHORT_LEASE);
    let mut sweeps = 0;
    let all_ended = async || {
        sweeps += 1;
        // In a task of its own: in debug builds the SDK's GetJob needs most of the stack of a test.
        let function = function.clone();
        tokio::spawn(async move { video_events::handle(&function, sweep()).await }).await.unwrap().ok();
        for upload in &uploads {
            if upload.video.record(&system).await.status != Some(Status::Failed) {
                return None;
            }
        }
        Some(())
    };
    video_tests::eventually("the sweep settles everything", all_ended).await;
    for upload in &uploads {
        let reason = upload.video.record(&system).await.error.unwrap();
        assert!(reason.contains("Elastic Transcoder: 3001") || reason.contains("MediaConvert error"), "{reason}");
    }
    let jobs = super::jobs_by_token(&functions).await;
    println!(
        "sweep: {kind:?}: {count} stuck videos, {} jobs, all ended with a reason after {sweeps} sweeps, {:.1} s",
        jobs.values().map(Vec::len).sum::<usize>(),
        started.elapsed().as_secs_f64()
    );
    assert!(jobs.len() == count && jobs.values().all(|jobs| jobs.len() == 1));
}

/// Kills a handler at its `n`-th call, whose request never arrives: 3 is CreateJob, 4 records the job.
async fn kill_at(system: &TestSystem, functions: &Functions, upload: &Upload, n: usize) {
    let gate = Gate::default();
    let rule = {
        let gate = gate.clone();
        move |call: &Call| if call.number == n { Fate::Hold(gate.clone()) } else { Fate::Pass }
    };
    let network = Network::to(system, rule).await;
    let function = functions.behind(&network, SHORT_LEASE);
    tokio::select! {
        outcome = video_events::handle(&function, upload.event(system)) => panic!("{outcome:?}"),
        () = gate.reached() => {}
    }
}
