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
    assert!(!table.apply_now(&event("0A", "job-old", JobResult::Progressing)).await);
    assert!(table.apply_now(&event("0B", "job-1", JobResult::Progressing)).await);
    let record = table.record().await;
    assert_eq!((record.status, record.job_id.as_deref()), (Some(Status::Transcoding), Some("job-1")));
    assert!(!table.apply_now(&event("0B", "job-2", JobResult::Progressing)).await);
}

#[tokio::test]
async fn progress_never_takes_back_an_end() {
    let table = claimed("0A").await;
    assert!(table.reject("0A").await);
    assert!(!table.apply_now(&event("0A", "job-1", JobResult::Progressing)).await);
    assert_eq!(table.status().await, Status::Failed);
}

#[tokio::test]
async fn progress_is_refused_where_a_job_is_known_although_the_state_is_uploaded() {
    let table = claimed("0A").await;
    assert!(table.apply(&id(), Update::default().set("jobId", "job-1")).await.unwrap());
    assert!(!table.apply_now(&event("0A", "job-2", JobResult::Progressing)).await);
}

#[tokio::test]
async fn ready_counts_for_the_newest_upload_and_absorbs_everything_else() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", ready())).await);
    assert!(table.apply_now(&event("0B", "job-1", failed())).await);
    assert!(table.apply_now(&event("0B", "job-1", ready())).await);
    let record = table.record().await;
    assert_eq!((record.status, record.output.as_deref()), (Some(Status::Ready), Some("output/web/x.mp4")));
    assert_eq!((record.error, record.lease_until), (None, None));
    for result in [JobResult::Progressing, failed(), ready()] {
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
