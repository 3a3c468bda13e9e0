//! Erasing: what is marked, what is deleted, and what the mark excludes.

use super::*;

const DAY: Duration = Duration::from_hours(24);

impl Table {
    async fn mark(&self) -> bool {
        self.mark_deleting(&id(), SystemTime::now()).await.unwrap()
    }
}

/// A table whose record is marked after it was claimed for this upload.
async fn marked(order: &str) -> Table {
    let table = claimed(order).await;
    assert!(table.mark().await);
    table
}

#[tokio::test]
async fn a_record_that_does_not_exist_is_not_marked_into_being() {
    let table = table().await;
    assert!(!table.mark().await);
    assert_eq!(table.get(&id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_marked_record_takes_no_form_no_upload_and_no_result() {
    let table = marked("0A").await;
    assert!(!table.record_form(&id(), &key(KEY), SystemTime::now()).await.unwrap());
    assert_eq!(table.claim_now("0B").await, Claim::Deleting);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::Deleting);
    assert!(!table.submit("0A", "job-1").await);
    assert!(!table.reject("0A").await);
    assert!(!table.take_over(&id(), &sequencer("0A"), SystemTime::now() + LEASE * 2, LEASE).await.unwrap());
    assert!(!table.release_lease(&id(), &sequencer("0A")).await.unwrap());
    for result in [JobResult::Progressing { percent: None }, ready(), failed()] {
        assert!(!table.apply_now(&event("0A", "job-1", result)).await);
    }
    assert_eq!(table.status().await, Status::Deleting);
}

#[tokio::test]
async fn only_a_marked_record_is_deleted() {
    let table = claimed("0A").await;
    assert!(!table.delete(&id()).await.unwrap());
    assert!(table.mark().await);
    assert!(table.delete(&id()).await.unwrap());
    assert_eq!(table.get(&id()).await.unwrap(), None);
    assert!(!table.delete(&id()).await.unwrap(), "once is enough");
}

#[tokio::test]
async fn a_tombstone_holds_no_mail_and_keeps_an_upload_from_being_adopted_until_it_ends() {
    let table = table().await;
    let (key, now) = (key(KEY), SystemTime::now());
    table.put_tombstone(&key, now + DAY).await.unwrap();
    assert!(table.has_tombstone(&key).await.unwrap());
    assert!(table.has_tombstone(&super::key("Alba/0/c5e866594d810c0c3e1f.mp4")).await.unwrap(), "of any media type");
    assert!(!table.has_tombstone(&super::key("Alba/1/c5e866594d810c0c3e1f.webm")).await.unwrap());
    assert_eq!(table.find_or_adopt(&key, now).await.unwrap(), None);

    let owed = table.tombstones(now + DAY * 2).await;
    assert!(owed[0].id.is_tombstone() && !owed[0].id.mail.contains('@'));
    assert!(!table.remove_tombstone(&owed[0].id, now).await.unwrap(), "it has not ended");
    assert!(table.remove_tombstone(&owed[0].id, now + DAY * 2).await.unwrap());
    assert!(table.find_or_adopt(&key, now).await.unwrap().is_some());
}

impl Table {
    async fn tombstones(&self, before: SystemTime) -> Vec<Owed> {
        let mut all = Vec::new();
        for shard in SHARDS {
            all.extend(self.owed_before(shard, before, 100, None).await.unwrap());
        }
        all
    }
}

#[tokio::test]
async fn a_person_who_asks_for_a_form_after_an_erasure_is_found_in_spite_of_the_tombstone() {
    let table = table().await;
    table.put_tombstone(&key(KEY), SystemTime::now() + DAY).await.unwrap();
    table.requested().await;
    assert_eq!(table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap(), Some(id()));
}

#[tokio::test]
async fn an_old_record_expires_unless_it_changed_since_it_was_read() {
    let table = table().await;
    table.requested().await;
    let (seen, now) = (table.record().await, SystemTime::now() + LEASE);
    assert!(!table.mark_expired(&seen, Status::Ready, now).await.unwrap(), "another state");
    table.record_form(&id(), &key(KEY), now).await.unwrap();
    assert!(!table.mark_expired(&seen, Status::Requested, now).await.unwrap(), "a form was issued again");
    let seen = table.record().await;
    assert!(table.mark_expired(&seen, Status::Requested, now).await.unwrap());

    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", ready())).await);
    let seen = table.record().await;
    let newer = Upload { uploaded_at: now, ..upload("0B") };
    table.claim(&id(), &newer, now, TERMS).await.unwrap();
    assert!(table.apply_now(&event("0B", "job-2", ready())).await);
    assert!(!table.mark_expired(&seen, Status::Ready, now).await.unwrap(), "a newer upload came");
}

#[tokio::test]
async fn old_records_of_a_state_are_listed_by_age_without_those_that_have_no_time() {
    let table = table().await;
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    for (mail, seconds) in [("never@b", 0), ("first@b", 1000), ("second@b", 2000), ("third@b", 3000)] {
        let id = RecordId { mail: mail.to_owned(), ..id() };
        table.record_form(&id, &key(KEY), at(seconds)).await.unwrap();
    }
    let first = table.listed_before(Status::Requested, at(2500), 1, None).await.unwrap();
    assert_eq!(first[0].id.mail, "first@b");
    let rest = table.listed_before(Status::Requested, at(2500), 10, first.last()).await.unwrap();
    assert_eq!(rest.iter().map(|entry| entry.id.mail.as_str()).collect::<Vec<_>>(), ["second@b"]);
    assert!(table.listed_before(Status::Ready, at(2500), 10, None).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_records_of_a_mail_are_found_and_no_others() {
    let table = table().await;
    for step in 0..3 {
        let of_step = |mail: &str| RecordId { project_step: format!("Alba-{step}"), mail: mail.to_owned() };
        table.record_form(&of_step("a@b"), &key(&format!("Alba/{step}/x.webm")), SystemTime::now()).await.unwrap();
        table.record_form(&of_step("c@d"), &key(&format!("Alba/{step}/y.webm")), SystemTime::now()).await.unwrap();
    }
    let (ids, more) = table.ids_of_mail("a@b", 10).await.unwrap();
    assert!(ids.len() == 3 && ids.iter().all(|id| id.mail == "a@b") && !more);
    let (ids, more) = table.ids_of_mail("a@b", 2).await.unwrap();
    assert!(ids.len() == 2 && more);
}
