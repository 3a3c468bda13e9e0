//! Jobs: what is submitted, and what a job's events may change.

use super::*;

#[tokio::test]
async fn a_job_is_recorded_for_its_own_upload_and_once() {
    let table = claimed("0B").await;
    assert!(!table.submit("0A", "job-old").await);
    assert!(table.submit("0B", "job-1").await);
    assert!(!table.submit("0B", "job-2").await);
    let record = table.record().await;
    assert_eq!((record.status, record.job_id.as_deref()), (Some(Status::Transcoding), Some("job-1")));
    assert_eq!((record.transcoder, record.lease_until), (Some(TranscoderKind::MediaConvert), None));
}

#[tokio::test]
async fn a_jobs_own_event_before_the_submit_is_recorded_stands() {
    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", ready())).await);
    assert!(!table.submit("0A", "job-1").await);
    assert_eq!(table.status().await, Status::Ready);
}

#[tokio::test]
async fn a_rejection_counts_for_its_own_upload_without_a_job() {
    let table = claimed("0B").await;
    assert!(!table.reject("0A").await);
    assert!(table.reject("0B").await);
    let record = table.record().await;
    assert_eq!((record.status, record.error.as_deref()), (Some(Status::Failed), Some("too long")));

    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    assert!(!table.reject("0A").await);
    assert_eq!(table.status().await, Status::Transcoding);
}

#[tokio::test]
async fn progress_counts_for_the_newest_upload_that_has_no_job_yet() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", JobResult::Progressing { percent: None })).await);
    assert!(table.apply_now(&event("0B", "job-1", JobResult::Progressing { percent: None })).await);
    let record = table.record().await;
    assert_eq!((record.status, record.job_id.as_deref()), (Some(Status::Transcoding), Some("job-1")));
    assert!(!table.apply_now(&event("0B", "job-2", JobResult::Progressing { percent: None })).await);
}

#[tokio::test]
async fn progress_never_takes_back_an_end() {
    let table = claimed("0A").await;
    assert!(table.reject("0A").await);
    assert!(!table.apply_now(&event("0A", "job-1", JobResult::Progressing { percent: None })).await);
    assert_eq!(table.status().await, Status::Failed);
}

#[tokio::test]
async fn progress_is_refused_where_a_job_is_known_although_the_state_is_uploaded() {
    let table = claimed("0A").await;
    assert!(table.apply(&id(), Update::default().set("jobId", "job-1")).await.unwrap());
    assert!(!table.apply_now(&event("0A", "job-2", JobResult::Progressing { percent: None })).await);
}

/// Applies progress as if it came `seconds` later.
async fn progressed(table: &Table, (order, job_id): (&str, &str), percent: u8, seconds: u64) -> bool {
    let event = event(order, job_id, JobResult::Progressing { percent: Some(percent) });
    table.job_changed(&id(), &event, SystemTime::now() + Duration::from_secs(seconds)).await.unwrap().changed
}

#[tokio::test]
async fn progress_goes_forward_and_is_written_every_ten_seconds_at_most() {
    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    let job = ("0A", "job-1");
    assert!(progressed(&table, job, 0, 0).await);
    assert!(!progressed(&table, job, 20, 9).await, "too soon");
    assert!(progressed(&table, job, 20, 11).await);
    assert!(!progressed(&table, job, 20, 22).await, "no news");
    assert!(!progressed(&table, job, 19, 33).await, "back");
    let record = table.record().await;
    assert_eq!((record.status, record.progress), (Some(Status::Transcoding), Some(20)));
    assert!(record.progress_at.is_some());
}

#[tokio::test]
async fn progress_counts_for_the_newest_upload_and_its_own_job_also_before_the_submit_is_recorded() {
    let table = claimed("0B").await;
    assert!(!progressed(&table, ("0A", "job-old"), 10, 0).await, "an older upload");
    assert!(progressed(&table, ("0B", "job-1"), 10, 0).await);
    assert!(!progressed(&table, ("0B", "job-2"), 20, 11).await, "another job");
    let record = table.record().await;
    assert_eq!((record.status, record.job_id.as_deref()), (Some(Status::Transcoding), Some("job-1")));
    assert_eq!(record.progress, Some(10));
}

#[tokio::test]
async fn progress_ends_with_the_job_and_never_comes_back() {
    for result in [ready(), failed()] {
        let table = claimed("0A").await;
        assert!(progressed(&table, ("0A", "job-1"), 10, 0).await);
        assert!(table.apply_now(&event("0A", "job-1", result)).await);
        assert!(!progressed(&table, ("0A", "job-1"), 20, 11).await);
        let record = table.record().await;
        assert!(record.status.unwrap() != Status::Transcoding);
        assert_eq!((record.progress, record.progress_at), (None, None));
    }
}

#[tokio::test]
async fn a_newer_upload_and_a_retry_begin_without_progress() {
    let table = claimed("0A").await;
    assert!(progressed(&table, ("0A", "job-1"), 90, 0).await);
    assert_eq!(table.claim_now("0B").await, Claim::Acquired { first: false });
    assert_eq!(table.record().await.progress, None);
    assert!(progressed(&table, ("0B", "job-2"), 10, 0).await, "a job of its own");
    let (seen, next) = (sequencer("0B"), sequencer("0B.0001"));
    assert!(table.retry(&id(), (&seen, &next), SystemTime::now()).await.unwrap());
    assert_eq!(table.record().await.progress, None);
}

#[tokio::test]
async fn ready_counts_for_the_newest_upload_and_absorbs_everything_else() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", ready())).await);
    assert!(table.apply_now(&event("0B", "job-1", failed())).await);
    assert!(table.apply_now(&event("0B", "job-1", ready())).await);
    let record = table.record().await;
    assert_eq!((record.status, record.output.as_deref()), (Some(Status::Ready), Some("output/web/x.mp4")));
    assert_eq!(record.poster.as_deref(), Some("output/web/x/0A-poster.0000001.jpg"));
    assert_eq!((record.duration, record.width, record.height), (Some(3), Some(1280), Some(720)));
    assert!(record.truncated);
    assert_eq!((record.error, record.lease_until), (None, None));
    for result in [JobResult::Progressing { percent: None }, failed(), ready()] {
        assert!(!table.apply_now(&event("0B", "job-1", result)).await);
    }
    assert_eq!(table.status().await, Status::Ready);
}

#[tokio::test]
async fn a_failure_counts_for_the_newest_upload_and_its_own_job() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", failed())).await);
    assert!(table.submit("0B", "job-1").await);
    assert!(!table.apply_now(&event("0B", "job-2", failed())).await);
    assert!(table.apply_now(&event("0B", "job-1", failed())).await);
    let record = table.record().await;
    assert_eq!((record.status, record.error.as_deref()), (Some(Status::Failed), Some("bad input")));
    assert!(!table.apply_now(&event("0B", "job-1", failed())).await);
}

#[tokio::test]
async fn a_failure_before_the_submit_is_recorded_counts() {
    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", failed())).await);
    assert_eq!(table.status().await, Status::Failed);
}
