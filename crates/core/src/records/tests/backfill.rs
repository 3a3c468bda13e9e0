//! The backfill: old records are completed, newer ones are left as they are.

use super::*;

impl Table {
    async fn backfill_all(&self) -> usize {
        let mut completed = 0;
        for segment in 0..SEGMENTS {
            completed += self.backfill(segment).await.unwrap();
        }
        completed
    }

    async fn put(&self, attributes: &[(&str, &str)]) -> RecordId {
        let item = attributes.iter().map(|(name, value)| ((*name).to_owned(), s(*value))).collect();
        self.client.put_item().table_name(&self.name).set_item(Some(item)).send().await.unwrap();
        RecordId { project_step: attributes[0].1.to_owned(), mail: attributes[1].1.to_owned() }
    }

    async fn listed(&self, status: Status) -> Vec<RecordId> {
        let filter = Filter { status: Some(status), ..Filter::default() };
        let page = self.list(&filter, 100, None).await.unwrap();
        page.records.into_iter().map(|record| record.id).collect()
    }
}

#[tokio::test]
async fn a_record_of_the_original_counts_as_requested_and_is_listed_once_completed() {
    let table = table().await;
    let id = table.put(&[("ProjectStep", "a-b-1"), ("Mail", "a@b"), ("video", "a-b/1/x.webm")]).await;
    assert_eq!(table.listed(Status::Requested).await, []);
    assert_eq!(table.backfill_all().await, 1);
    assert_eq!(table.listed(Status::Requested).await, std::slice::from_ref(&id));
    let record = table.get(&id).await.unwrap().unwrap();
    assert_eq!(record.project.as_deref(), Some("a-b"), "by the key, never by the ProjectStep");
    assert!(record.listed_at.unwrap().starts_with("0000000000000~") && record.open.is_none());
    assert_eq!(table.backfill_all().await, 0, "it is repeatable");
}

#[tokio::test]
async fn a_record_of_an_earlier_version_keeps_its_state_its_time_and_what_it_is_owed() {
    let table = table().await;
    let id = table
        .put(&[
            ("ProjectStep", "Alba-0"),
            ("Mail", "a@b"),
            ("video", KEY),
            ("status", "transcoding"),
            ("requestedAt", "2026-11-23T03:00:00Z"),
            ("uploadedAt", "2026-11-24T03:00:00Z"),
            ("open", "0"),
        ])
        .await;
    assert_eq!(table.backfill_all().await, 1);
    let record = table.get(&id).await.unwrap().unwrap();
    assert_eq!(record.status, Some(Status::Transcoding));
    assert!(record.listed_at.unwrap().starts_with("1795489200000~"));
    let owed = table.owed_before("0", SystemTime::now(), 100, None).await.unwrap();
    assert_eq!(owed.iter().map(|owed| owed.id.clone()).collect::<Vec<_>>(), [id]);
}

#[tokio::test]
async fn what_has_its_place_in_the_list_and_what_is_no_record_are_left_as_they_are() {
    let table = claimed("0A").await;
    let before = table.record().await;
    table.put_tombstone(&key(KEY), SystemTime::now()).await.unwrap();
    table.put(&[("ProjectStep", "p-0"), ("Mail", "a@b")]).await;
    assert_eq!(table.backfill_all().await, 0);
    assert_eq!(table.record().await, before);
}

#[tokio::test]
async fn a_record_that_was_deleted_meanwhile_is_not_brought_back() {
    let table = table().await;
    table.requested().await;
    let record = table.record().await;
    assert!(table.mark_deleting(&id(), SystemTime::now()).await.unwrap() && table.delete(&id()).await.unwrap());
    let update = transitions::backfilled(&id(), &record, &key(KEY), SystemTime::now());
    assert!(!table.apply(&id(), update).await.unwrap());
    assert_eq!(table.get(&id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_record_that_got_its_place_meanwhile_keeps_it() {
    let table = table().await;
    table.requested().await;
    let record = table.record().await;
    let update = transitions::backfilled(&id(), &record, &key(KEY), SystemTime::UNIX_EPOCH);
    assert!(!table.apply(&id(), update).await.unwrap());
    assert_eq!(table.record().await.listed_at, record.listed_at);
}
