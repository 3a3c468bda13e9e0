//! Retries: the same upload once more, with a sequencer of its own.

use super::*;

impl Table {
    async fn retry_now(&self, seen: &str) -> bool {
        let seen = sequencer(seen);
        let next = seen.next_retry().unwrap();
        self.retry(&id(), (&seen, &next), SystemTime::now()).await.unwrap()
    }
}

#[tokio::test]
async fn a_retry_makes_an_upload_of_the_failed_one_that_anyone_may_take_over_at_once() {
    let table = claimed("0A").await;
    table.apply_now(&event("0A", "job-1", failed())).await;
    let listed_at = table.record().await.listed_at;
    assert!(table.retry_now("0A").await);
    let record = table.record().await;
    assert_eq!((record.status, record.lease_until), (Some(Status::Uploaded), Some(0)));
    assert_eq!(record.sequencer.as_deref(), Some(sequencer("0A.0001").as_str()));
    assert_eq!((record.job_id, record.transcoder, record.output, record.error), (None, None, None, None));
    assert!(record.retried_at.is_some() && record.open.is_some());
    assert_eq!(record.listed_at, listed_at, "a retry is no new video");
    let again = Upload { sequencer: sequencer("0A.0001"), ..upload("0A") };
    let claim = table.claim(&id(), &again, SystemTime::now(), TERMS).await.unwrap();
    assert!(matches!(claim, Claim::TakenOver { since: Some(_) }), "{claim:?}");
}

#[tokio::test]
async fn one_of_two_retries_of_the_same_failure_counts() {
    let table = claimed("0A").await;
    table.apply_now(&event("0A", "job-1", failed())).await;
    assert!(table.retry_now("0A").await);
    assert!(!table.retry_now("0A").await);
}

#[tokio::test]
async fn a_stuck_upload_can_be_retried_and_a_ready_or_deleting_one_cannot() {
    let table = claimed("0A").await;
    assert!(table.retry_now("0A").await, "uploaded");
    assert!(table.submit("0A.0001", "job-1").await);
    assert!(table.retry_now("0A.0001").await, "transcoding");
    assert!(table.apply_now(&event("0A.0002", "job-2", ready())).await);
    assert!(!table.retry_now("0A.0002").await, "ready");
    assert!(table.mark_deleting(&id(), SystemTime::now()).await.unwrap());
    assert!(!table.retry_now("0A.0002").await, "deleting");
}

#[tokio::test]
async fn what_belongs_to_the_upload_before_the_retry_changes_nothing() {
    let table = claimed("0A").await;
    table.apply_now(&event("0A", "job-1", failed())).await;
    assert!(table.retry_now("0A").await);
    for result in [JobResult::Progressing { percent: None }, failed(), ready()] {
        assert!(!table.apply_now(&event("0A", "job-1", result)).await);
    }
    assert!(!table.submit("0A", "job-1").await);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);
    assert_eq!(table.status().await, Status::Uploaded);
}

#[tokio::test]
async fn a_newer_upload_goes_before_a_retry() {
    let table = claimed("0A").await;
    table.apply_now(&event("0A", "job-1", failed())).await;
    assert_eq!(table.claim_now("0B").await, Claim::Acquired { first: false });
    assert!(!table.retry_now("0A").await);
    table.apply_now(&event("0B", "job-2", failed())).await;
    assert!(table.retry_now("0B").await);
    assert_eq!(table.claim_now("0B1").await, Claim::Acquired { first: false });
    assert_eq!(table.record().await.retried_at, None, "the retry was of the upload before");
}
