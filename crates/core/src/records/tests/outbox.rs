//! The outbox: what is owed to a record, and until when.

use super::*;

impl Table {
    async fn owed(&self) -> usize {
        let mut all = 0;
        for shard in SHARDS {
            all += self.owed_before(shard, SystemTime::now() + LEASE, 100, None).await.unwrap().len();
        }
        all
    }

    async fn announce(&self, order: &str, status: Status) -> bool {
        self.announced(&id(), &sequencer(order), status).await.unwrap()
    }
}

#[tokio::test]
async fn a_record_is_owed_something_from_its_upload_until_its_result_was_announced() {
    for (end, status) in [(ready(), Status::Ready), (failed(), Status::Failed)] {
        let table = table().await;
        table.requested().await;
        assert_eq!(table.owed().await, 0);
        table.claim_now("0A").await;
        assert_eq!(table.owed().await, 1);
        table.submit("0A", "job-1").await;
        assert_eq!(table.owed().await, 1);
        table.apply_now(&event("0A", "job-1", end)).await;
        assert_eq!(table.owed().await, 1);
        assert!(table.announce("0A", status).await);
        assert_eq!(table.owed().await, 0);
    }
}

#[tokio::test]
async fn a_rejection_is_owed_its_event_too() {
    let table = claimed("0A").await;
    table.reject("0A").await;
    assert_eq!(table.owed().await, 1);
    assert!(table.announce("0A", Status::Failed).await);
    assert_eq!(table.owed().await, 0);
}

#[tokio::test]
async fn a_success_after_an_announced_failure_is_owed_its_event_again() {
    let table = claimed("0A").await;
    table.apply_now(&event("0A", "job-1", failed())).await;
    assert!(table.announce("0A", Status::Failed).await);
    table.apply_now(&event("0A", "job-1", ready())).await;
    assert_eq!(table.owed().await, 1);
}

#[tokio::test]
async fn an_announcement_settles_its_own_upload_and_its_own_result_only() {
    let table = claimed("0B").await;
    table.apply_now(&event("0B", "job-1", failed())).await;
    assert!(!table.announce("0A", Status::Failed).await, "another upload");
    assert!(!table.announce("0B", Status::Ready).await, "another result");
    assert_eq!(table.owed().await, 1);
}

/// IDs whose records lie in one shard.
fn neighbours() -> impl Iterator<Item = RecordId> {
    let ids = (0..).map(|number| RecordId { mail: format!("person{number}@b"), ..id() });
    ids.filter(|id| id.shard() == "0")
}

#[tokio::test]
async fn what_is_owed_is_listed_by_age_and_page_by_page() {
    let table = table().await;
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let ids: Vec<_> = neighbours().take(3).collect();
    for (id, seconds) in ids.iter().zip([30, 10, 20]) {
        table.record_form(id, &key(KEY), at(seconds)).await.unwrap();
        assert!(table.mark_deleting(id, at(seconds)).await.unwrap());
    }
    let (mut found, mut last) = (Vec::new(), None);
    while let [owed] = &table.owed_before("0", at(30), 1, last.as_ref()).await.unwrap()[..] {
        found.push(owed.id.clone());
        last = Some(owed.clone());
    }
    assert_eq!(found, [ids[1].clone(), ids[2].clone()], "the third one is owed since then, not before");
}
