//! The transcoder's list of jobs lags behind: a take-over still finds the job, as long as the list has it by then.

use std::time::Duration;

use video_core::records::Status;
use video_tests::faults::{Call, Fate, Gate, Network};
use video_tests::{Functions, sweep};

use super::kill::wait_for_the_lease;
use super::{
    MEDIUM_LEASE, TestSystem, TranscoderKind, Upload, Video, deliver_until_handled, idle_system, idle_system_with,
    jobs_by_token, on_both,
};

const LAG: Duration = Duration::from_secs(2);

/// The call that creates the job, and the one that records it.
const CREATE_JOB: usize = 3;
const RECORD_JOB: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_take_over_finds_a_job_that_the_list_did_not_have_at_first() {
    on_both(async |kind| {
        let (system, functions) = idle_system_with(kind, |options| options.listing_lag = LAG).await;
        let mut uploads = Vec::new();
        for person in 0..6 {
            uploads.push(Video::of("lagging", person).requested(&system).await.upload("0A"));
        }
        let handlers = uploads.iter().enumerate().map(|(number, upload)| {
            let (system, functions) = (&system, &functions);
            async move {
                let call = if number % 2 == 0 { CREATE_JOB } else { RECORD_JOB };
                kill_at(system, functions, upload, call).await;
                wait_for_the_lease(system, &upload.video).await;
                deliver_until_handled(&functions.direct(MEDIUM_LEASE), &upload.event(system)).await;
            }
        });
        futures_util::future::join_all(handlers).await;
        tokio::time::sleep(LAG).await;
        let jobs = jobs_by_token(&functions).await;
        assert!(jobs.len() == uploads.len() && jobs.values().all(|jobs| jobs.len() == 1), "{jobs:?}");
    })
    .await;
}

/// Kills a handler that has created its job and does not know it, or has not recorded it. Its lease is longer than the
/// lag.
async fn kill_at(system: &TestSystem, functions: &Functions, upload: &Upload, n: usize) {
    let gate = Gate::default();
    let rule = {
        let gate = gate.clone();
        move |call: &Call| match call.number {
            CREATE_JOB if n == CREATE_JOB => Fate::DropResponse(gate.clone()),
            RECORD_JOB if n == RECORD_JOB => Fate::Hold(gate.clone()),
            _ => Fate::Pass,
        }
    };
    let network = Network::to(system, rule).await;
    let function = functions.behind(&network, MEDIUM_LEASE);
    tokio::select! {
        outcome = video_events::handle(&function, upload.event(system)) => panic!("{outcome:?}"),
        () = gate.reached() => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_record_that_hangs_does_not_keep_a_sweep_from_the_others() {
    let (system, functions) = idle_system(TranscoderKind::MediaConvert).await;
    let mut uploads = Vec::new();
    for person in 0..2 {
        let upload = Video::of("hanging", person).requested(&system).await.upload("0A");
        deliver_until_handled(&functions.direct(MEDIUM_LEASE), &upload.event(&system)).await;
        system.make_old(&upload.video.id).await;
        uploads.push(upload);
    }
    let hanging = uploads[0].video.id.mail.clone();
    let rule = move |call: &Call| match call.mail() {
        Some(mail) if mail == hanging => Fate::Hold(Gate::default()),
        _ => Fate::Pass,
    };
    let network = Network::to(&system, rule).await;
    let function = functions.behind(&network, MEDIUM_LEASE);
    video_tests::eventually("the other record is settled", async || {
        let function = function.clone();
        tokio::spawn(async move { video_events::handle(&function, sweep()).await }).await.unwrap().ok();
        let record = uploads[1].video.record(&system).await;
        (record.status == Some(Status::Failed)).then_some(())
    })
    .await;
}
