//! Events delivered again after a video is ready or failed, and the sweep, change nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use video_core::records::SHARDS;
use video_tests::events::JobState;
use video_tests::faults::{Call, Fate, Network};
use video_tests::sweep;

use super::{LONG_LEASE, Video, deliver_until_handled, idle_system, job_event, on_both};

#[tokio::test]
async fn events_delivered_again_after_the_end_change_nothing() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let function = functions.direct(LONG_LEASE);
        let mut deliveries = 0;
        for (person, end) in [JobState::Complete, JobState::Error].into_iter().enumerate() {
            let video = Video::of("redelivered", person).requested(&system).await;
            let (older, newest) = (video.upload("0A"), video.upload("0B"));
            for upload in [&older, &newest] {
                deliver_until_handled(&function, &upload.event(&system)).await;
            }
            let job_id = video.record(&system).await.job_id.unwrap();
            let ended = job_event(&functions, &newest, &system, &job_id, end);
            video_events::handle(&function, ended.clone()).await.unwrap();
            // Old enough, so that a sweep would find the record if it were still in the outbox.
            system.make_old(&video.id).await;
            let before = video.record(&system).await;
            // `updatedAt` has whole seconds.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            let progress = job_event(&functions, &newest, &system, &job_id, JobState::Progressing);
            for event in [newest.event(&system), older.event(&system), progress, ended, sweep()] {
                for _ in 0..3 {
                    video_events::handle(&function, event.clone()).await.unwrap();
                    deliveries += 1;
                    assert_eq!(json!(video.record(&system).await), json!(before));
                }
            }
        }
        let jobs = functions.jobs().await.len();
        println!("redelivered: {kind:?}: {deliveries} deliveries after the end, 0 changes, {jobs} jobs for 4 uploads");
        assert_eq!(jobs, 4);

        let (shards, others) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let rule = {
            let (shards, others) = (Arc::clone(&shards), Arc::clone(&others));
            move |call: &Call| {
                shards.fetch_add(usize::from(call.index() == Some("outbox-index")), Ordering::Relaxed);
                others.fetch_add(usize::from(call.operation != "Query"), Ordering::Relaxed);
                Fate::Pass
            }
        };
        let network = Network::to(&system, rule).await;
        video_events::handle(&functions.behind(&network, LONG_LEASE), sweep()).await.unwrap();
        assert_eq!(shards.load(Ordering::Relaxed), SHARDS.len(), "the sweep reads every shard");
        assert_eq!(others.load(Ordering::Relaxed), 0, "the sweep finds no record");
    })
    .await;
}
