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
    assert!(!record.truncated);
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
    assert_eq!(table.claim(&id(), &upload("0A"), until, TERMS).await.unwrap(), Claim::LeaseHeld);
    let over = until + Duration::from_secs(1);
    assert!(matches!(table.claim(&id(), &upload("0A"), over, TERMS).await.unwrap(), Claim::TakenOver { .. }));
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
    table.claim(&id(), &webm, SystemTime::now(), TERMS).await.unwrap();
    let earlier = mp4("0C", first_at - Duration::from_millis(1));
    assert_eq!(table.claim(&id(), &earlier, SystemTime::now(), TERMS).await.unwrap(), Claim::AlreadyHandled);
    let later = mp4("0A", first_at + Duration::from_millis(1));
    let claim = table.claim(&id(), &later, SystemTime::now(), TERMS).await.unwrap();
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
            table.claim(&id(), &uploads[index], SystemTime::now(), TERMS).await.unwrap();
        }
        assert_eq!(table.record().await.uploaded_key.as_deref(), Some(KEY), "{order:?}");
    }
}

#[tokio::test]
async fn a_later_upload_of_the_same_key_needs_a_newer_sequencer_whatever_its_time() {
    let table = claimed("0B").await;
    let later = Upload { uploaded_at: SystemTime::now() + LEASE, ..upload("0A") };
    assert_eq!(table.claim(&id(), &later, SystemTime::now(), TERMS).await.unwrap(), Claim::AlreadyHandled);
}

#[tokio::test]
async fn an_upload_moves_its_record_forward_in_the_list_and_a_form_does_not() {
    let table = table().await;
    table.requested().await;
    let first = table.record().await.listed_at;
    let later = SystemTime::now() + LEASE;
    table.record_form(&id(), &key(KEY), later).await.unwrap();
    assert_eq!(table.record().await.listed_at, first);
    table.claim(&id(), &Upload { uploaded_at: later, ..upload("0A") }, later, TERMS).await.unwrap();
    assert!(table.record().await.listed_at > first);
}

/// The end of a day, so that a second later is another one.
fn midnight() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(20_782 * 24)
}

impl Table {
    async fn claim_at(&self, order: &str, now: SystemTime) -> Claim {
        let upload = Upload { uploaded_at: now, ..upload(order) };
        self.claim(&id(), &upload, now, TERMS).await.unwrap()
    }

    async fn uploads_of_the_day(&self) -> (Option<u64>, Option<String>) {
        let record = self.record().await;
        (record.uploads, record.uploads_day)
    }
}

#[tokio::test]
async fn uploads_are_counted_by_the_day_and_one_over_the_limit_gets_no_job() {
    let (evening, day) = (midnight() - Duration::from_mins(1), Duration::from_hours(24));
    let table = table().await;
    table.requested().await;
    for (order, uploads) in [("0A", 1), ("0B", 2), ("0C", 3)] {
        assert!(matches!(table.claim_at(order, evening).await, Claim::Acquired { .. }), "{order}");
        assert_eq!(table.uploads_of_the_day().await, (Some(uploads), Some("2026-11-24".to_owned())));
    }
    assert_eq!(table.claim_at("0D", evening).await, Claim::LimitReached);
    assert_eq!(table.claim_at("0E", midnight()).await, Claim::Acquired { first: false });
    assert_eq!(table.uploads_of_the_day().await, (Some(1), Some("2026-11-25".to_owned())));
    assert_eq!(table.claim_at("0F", midnight() + day).await, Claim::Acquired { first: false });
}

#[tokio::test]
async fn an_upload_that_is_handled_or_older_is_not_counted_on_any_day() {
    let table = table().await;
    table.requested().await;
    let evening = midnight() - Duration::from_mins(1);
    table.claim_at("0B", evening).await;
    assert!(table.submit("0B", "job-1").await);
    for order in ["0B", "0A"] {
        for now in [evening, midnight()] {
            assert_eq!(table.claim_at(order, now).await, Claim::AlreadyHandled, "{order}");
        }
    }
    assert_eq!(table.uploads_of_the_day().await.0, Some(1));
}

#[tokio::test]
async fn two_claims_of_a_new_day_are_both_counted() {
    let table = table().await;
    table.requested().await;
    table.claim_at("0A", midnight() - Duration::from_secs(1)).await;
    let first_of_the_day = async |order: &str| {
        let claimed = transitions::claimed(&id(), &upload(order), midnight(), LEASE, &yesterday());
        table.apply(&id(), claimed).await.unwrap()
    };
    assert!(first_of_the_day("0B").await);
    assert!(!first_of_the_day("0C").await, "it is the second one");
    assert!(matches!(table.claim_at("0C", midnight()).await, Claim::Acquired { .. }));
    assert_eq!(table.uploads_of_the_day().await.0, Some(2));
}

fn yesterday() -> transitions::Count {
    transitions::Count::FirstSince("2026-11-24".to_owned())
}

#[tokio::test]
async fn a_take_over_keeps_to_the_limit_and_an_admins_retry_does_not() {
    let table = table().await;
    table.requested().await;
    for order in ["0A", "0B", "0C"] {
        table.claim_now(order).await;
    }
    assert_eq!(table.claim_now("0D").await, Claim::LimitReached);
    assert_eq!(table.claim_after_the_lease("0D").await, Claim::LimitReached);
    assert!(table.reject("0D").await);
    let (seen, next) = (sequencer("0D"), sequencer("0D.0001"));
    assert!(table.retry(&id(), (&seen, &next), SystemTime::now()).await.unwrap());
    let again = Upload { sequencer: next, ..upload("0D") };
    let claim = table.claim(&id(), &again, SystemTime::now(), TERMS).await.unwrap();
    assert!(matches!(claim, Claim::TakenOver { .. }), "{claim:?}");
}
