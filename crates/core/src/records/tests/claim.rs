//! Claims: the newest upload wins, and one invocation works on it.

use super::*;

#[tokio::test]
async fn a_claim_writes_down_the_upload_and_forgets_the_last_one() {
    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    assert!(table.apply_now(&event("0A", "job-1", ready())).await);
    assert_eq!(table.claim_now("0B").await, Claim::Acquired { first: false });
    let record = table.record().await;
    assert_eq!(record.status, Some(Status::Uploaded));
    assert_eq!(record.sequencer.as_deref(), Some(sequencer("0B").as_str()));
    assert_eq!((record.size, record.video.as_deref()), (Some(7), Some(KEY)));
    assert!(record.lease_until.is_some() && record.uploaded_at.is_some());
    assert_eq!((record.job_id, record.output, record.error, record.transcoder), (None, None, None, None));
    assert_eq!((record.poster, record.duration, record.width, record.height), (None, None, None, None));
}

#[tokio::test]
async fn a_failure_is_forgotten_by_the_next_upload() {
    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", failed())).await);
    assert_eq!(table.claim_now("0B").await, Claim::Acquired { first: false });
    assert_eq!(table.record().await.error, None);
}

#[tokio::test]
async fn an_older_upload_never_overwrites_a_newer_one() {
    let table = claimed("0B").await;
    assert_eq!(table.claim_now("0A").await, Claim::AlreadyHandled);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);
    assert_eq!(table.record().await.sequencer.as_deref(), Some(sequencer("0B").as_str()));
}

#[tokio::test]
async fn the_same_upload_is_worked_on_once_while_the_lease_lives() {
    let table = claimed("0A").await;
    assert_eq!(table.claim_now("0A").await, Claim::LeaseHeld);
}

#[tokio::test]
async fn a_lease_lives_to_the_end_of_its_last_second() {
    let table = claimed("0A").await;
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(table.record().await.lease_until.unwrap());
    assert_eq!(table.claim(&id(), &upload("0A"), until, LEASE).await.unwrap(), Claim::LeaseHeld);
    let over = until + Duration::from_secs(1);
    assert!(matches!(table.claim(&id(), &upload("0A"), over, LEASE).await.unwrap(), Claim::TakenOver { .. }));
}

#[tokio::test]
async fn the_same_upload_with_a_job_or_an_end_is_already_handled() {
    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);

    let table = claimed("0A").await;
    assert!(table.reject("0A").await);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);
}

#[tokio::test]
async fn an_upload_whose_lease_is_over_is_taken_over_by_one_only() {
    let table = claimed("0A").await;
    assert!(matches!(table.claim_after_the_lease("0A").await, Claim::TakenOver { .. }));
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::LeaseHeld, "the new lease is a whole one");
    assert_eq!(table.status().await, Status::Uploaded);
}

#[tokio::test]
async fn a_take_over_needs_the_same_upload_without_a_job_and_a_lease_that_is_over() {
    let table = claimed("0A").await;
    let (now, later) = (SystemTime::now(), SystemTime::now() + LEASE * 2);
    assert!(!table.take_over(&id(), &sequencer("0A"), now, LEASE).await.unwrap());
    assert!(!table.take_over(&id(), &sequencer("0B"), later, LEASE).await.unwrap());
    assert!(table.take_over(&id(), &sequencer("0A"), later, LEASE).await.unwrap());
    assert!(table.release_lease(&id(), &sequencer("0A")).await.unwrap());
    assert!(table.submit("0A", "job-1").await);
    table.lease_that_is_over().await;
    assert!(!table.take_over(&id(), &sequencer("0A"), later, LEASE).await.unwrap());
}

impl Table {
    /// Puts back what a submitted record no longer has, so that the other clauses of a take-over hold.
    async fn lease_that_is_over(&self) {
        assert!(self.apply(&id(), Update::default().set("leaseUntil", 0_u64)).await.unwrap());
    }
}

#[tokio::test]
async fn a_lease_is_released_only_by_its_own_upload_and_only_without_a_job() {
    let table = claimed("0A").await;
    assert!(!table.release_lease(&id(), &sequencer("0B")).await.unwrap());
    assert_eq!(table.claim_now("0A").await, Claim::LeaseHeld);
    assert!(table.release_lease(&id(), &sequencer("0A")).await.unwrap());
    assert!(matches!(table.claim_now("0A").await, Claim::TakenOver { .. }));
    assert!(table.submit("0A", "job-1").await);
    assert!(!table.release_lease(&id(), &sequencer("0A")).await.unwrap());
}

/// An upload of the person's mp4, beside the webm of [`upload`].
fn mp4(order: &str, uploaded_at: SystemTime) -> Upload {
    Upload { key: key("Alba/0/c5e866594d810c0c3e1f.mp4"), uploaded_at, ..upload(order) }
}

#[tokio::test]
async fn between_two_keys_of_a_record_the_time_of_the_upload_decides_and_no_sequencer() {
    let first_at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_489_200_123);
    let table = table().await;
    table.requested().await;
    let webm = Upload { uploaded_at: first_at, ..upload("0B") };
    table.claim(&id(), &webm, SystemTime::now(), LEASE).await.unwrap();
    let earlier = mp4("0C", first_at - Duration::from_millis(1));
    assert_eq!(table.claim(&id(), &earlier, SystemTime::now(), LEASE).await.unwrap(), Claim::AlreadyHandled);
    let later = mp4("0A", first_at + Duration::from_millis(1));
    let claim = table.claim(&id(), &later, SystemTime::now(), LEASE).await.unwrap();
    assert_eq!(claim, Claim::Acquired { first: false });
    assert_eq!(table.record().await.uploaded_key.as_deref(), Some(later.key.as_str()));
}

#[tokio::test]
async fn two_keys_of_the_same_millisecond_end_alike_whichever_event_comes_first() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_489_200_123);
    let uploads = [Upload { uploaded_at: at, ..upload("0A") }, mp4("0B", at)];
    for order in [[0, 1], [1, 0]] {
        let table = table().await;
        table.requested().await;
        for index in order {
            table.claim(&id(), &uploads[index], SystemTime::now(), LEASE).await.unwrap();
        }
        assert_eq!(table.record().await.uploaded_key.as_deref(), Some(KEY), "{order:?}");
    }
}

#[tokio::test]
async fn a_later_upload_of_the_same_key_needs_a_newer_sequencer_whatever_its_time() {
    let table = claimed("0B").await;
    let later = Upload { uploaded_at: SystemTime::now() + LEASE, ..upload("0A") };
    assert_eq!(table.claim(&id(), &later, SystemTime::now(), LEASE).await.unwrap(), Claim::AlreadyHandled);
}

#[tokio::test]
async fn an_upload_moves_its_record_forward_in_the_list_and_a_form_does_not() {
    let table = table().await;
    table.requested().await;
    let first = table.record().await.listed_at;
    let later = SystemTime::now() + LEASE;
    table.record_form(&id(), &key(KEY), later).await.unwrap();
    assert_eq!(table.record().await.listed_at, first);
    table.claim(&id(), &Upload { uploaded_at: later, ..upload("0A") }, later, LEASE).await.unwrap();
    assert!(table.record().await.listed_at > first);
}
