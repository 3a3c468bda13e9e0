//! video-index lags behind the table or still has a deleted record: no second record is created and no upload is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use video_core::records::{RecordId, Status};
use video_tests::events::JobState;
use video_tests::faults::{Call, FakeResponse, Fate, Network};

use super::{
    LONG_LEASE, MEDIUM_LEASE, Tally, TestSystem, Upload, Video, deliver_until_handled, each, idle_system, job_event,
    on_both, records,
};

/// Starts a network on which a Query of `video-index` returns these items while `lagging`.
async fn stale_index(system: &TestSystem, lagging: &Arc<AtomicBool>, items: Vec<Value>) -> Network {
    let lagging = Arc::clone(lagging);
    let rule = move |call: &Call| {
        if call.index() == Some("video-index") && lagging.load(Ordering::SeqCst) {
            return Fate::Respond(FakeResponse::items(&items));
        }
        Fate::Pass
    };
    Network::to(system, rule).await
}

fn item(id: &RecordId, video: &Video) -> Value {
    json!({ "ProjectStep": { "S": id.project_step }, "Mail": { "S": id.mail }, "video": { "S": video.key.as_str() } })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lagging_index_creates_no_second_record_and_loses_nothing() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let lagging = Arc::new(AtomicBool::new(true));
        let network = stale_index(&system, &lagging, Vec::new()).await;
        let function = functions.behind(&network, MEDIUM_LEASE);
        let mut uploads = Vec::new();
        for person in 0..40 {
            uploads.push(Video::of("lag", person).requested(&system).await.upload("0A"));
        }
        uploads.extend((0..10).map(|number| Video::unsolicited("lag", number).upload("0A")));
        each(uploads.iter().collect(), async |_, upload: &Upload| {
            let event = upload.event(&system);
            tokio::join!(deliver_until_handled(&function, &event), deliver_until_handled(&function, &event));
        })
        .await;
        let tally = Tally::of(&system, &functions, &uploads, &[]).await;
        let jobs = super::jobs_by_token(&functions).await;
        for (number, upload) in uploads.iter().enumerate() {
            lagging.store(number % 2 == 0, Ordering::SeqCst);
            let job_id = &jobs[&upload.token(&system)][0];
            let done = job_event(&functions, upload, &system, job_id, JobState::Complete);
            video_events::handle(&function, done).await.unwrap();
            deliver_until_handled(&function, &upload.event(&system)).await;
            assert_eq!(upload.video.record(&system).await.status, Some(Status::Ready));
        }
        println!("index: {kind:?}: lagging: {tally}, {} records", records(&system).await);
        tally.assert_perfect("index");
        assert_eq!(records(&system).await, uploads.len());
        assert_eq!(super::jobs_by_token(&functions).await.len(), uploads.len());
    })
    .await;
}

#[tokio::test]
async fn an_index_with_only_the_placeholder_does_not_hide_the_requested_record() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let video = Video::of("copied", 0);
        let direct = functions.direct(LONG_LEASE);
        deliver_until_handled(&direct, &video.upload("0A").event(&system)).await;
        let adopted = system.table().find(&video.key).await.unwrap().unwrap();
        assert!(adopted.mail.starts_with("unknown/"));

        let video = video.requested(&system).await;
        let lagging = Arc::new(AtomicBool::new(true));
        let network = stale_index(&system, &lagging, vec![item(&adopted, &video)]).await;
        let newer = video.upload("0B");
        deliver_until_handled(&functions.behind(&network, LONG_LEASE), &newer.event(&system)).await;
        let tally = Tally::of(&system, &functions, std::slice::from_ref(&newer), &[]).await;
        println!("index: {kind:?}: placeholder only: {tally}");
        tally.assert_perfect("index");
    })
    .await;
}

#[tokio::test]
async fn an_index_that_still_has_a_deleted_record_only_delays_its_upload() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let video = Video::of("deleted", 0).requested(&system).await;
        let key = |text: &str| AttributeValue::S(text.to_owned());
        let delete = system.dynamodb().delete_item().table_name(system.at.table);
        let delete = delete.key("ProjectStep", key(&video.id.project_step)).key("Mail", key(&video.id.mail));
        delete.send().await.unwrap();

        let lagging = Arc::new(AtomicBool::new(true));
        let network = stale_index(&system, &lagging, vec![item(&video.id, &video)]).await;
        let function = functions.behind(&network, LONG_LEASE);
        let upload = video.upload("0A");
        let gone = video_events::handle(&function, upload.event(&system)).await.unwrap_err();
        assert!(matches!(gone, video_events::Error::RecordDeleted(_)), "{gone}");
        assert_eq!(records(&system).await, 0, "a deleted record stays deleted");

        lagging.store(false, Ordering::SeqCst);
        deliver_until_handled(&function, &upload.event(&system)).await;
        let record = system.table().find(&video.key).await.unwrap().unwrap();
        let record = system.table().get(&record).await.unwrap().unwrap();
        let jobs = super::jobs_by_token(&functions).await;
        println!("index: {kind:?}: deleted: {} record, {} job", records(&system).await, jobs.len());
        assert_eq!((records(&system).await, record.status), (1, Some(Status::Transcoding)));
        assert_eq!(jobs[&upload.token(&system)].len(), 1);
    })
    .await;
}
