//! Finding the record of a key, and adopting an unsolicited upload.

use super::*;

#[tokio::test]
async fn a_requested_record_is_found_by_its_key_and_by_its_other_types() {
    let table = table().await;
    table.requested().await;
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(id()));
    let mp4 = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    assert_eq!(table.find(&mp4).await.unwrap(), Some(id()));
    assert_eq!(table.find_or_adopt(&mp4, SystemTime::now()).await.unwrap().unwrap(), id());
    assert_eq!(table.find(&key("Alba/0/c5e866594d810c0c3e1e.webm")).await.unwrap(), None);
}

#[tokio::test]
async fn an_unsolicited_upload_gets_a_record_once() {
    let table = table().await;
    for name in ["Alba/0/clip.mp4", KEY, "clip.mp4"] {
        let key = key(name);
        assert_eq!(table.find(&key).await.unwrap(), None);
        let id = table.find_or_adopt(&key, SystemTime::now()).await.unwrap().unwrap();
        assert_eq!(id, RecordId { project_step: key.project_step(), mail: format!("unknown/{}", key.file_name()) });
        assert_eq!(table.find_or_adopt(&key, SystemTime::now()).await.unwrap().unwrap(), id);
        assert_eq!(table.find(&key).await.unwrap(), Some(id));
    }
}

#[tokio::test]
async fn a_solicited_record_goes_before_a_placeholder() {
    let table = table().await;
    table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap().unwrap();
    table.requested().await;
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(id()));
}

#[tokio::test]
async fn an_index_that_knows_only_the_placeholder_does_not_hide_the_solicited_record() {
    let table = table().await;
    table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap().unwrap();
    let other = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    table.record_form(&id(), &other, SystemTime::now()).await.unwrap();
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(id()));
}

#[tokio::test]
async fn a_solicited_record_is_found_behind_a_page_of_others() {
    let table = table().await;
    let adopted = table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap().unwrap();
    for mail in ["v@b", "w@b", "x@b"] {
        // DynamoDB ends a page at 1 MB.
        let other = RecordId { mail: mail.to_owned(), ..id() };
        assert!(table.apply(&other, Update::default().set("padding", "p".repeat(390 << 10))).await.unwrap());
    }
    let (late, other) = (RecordId { mail: "z@b".to_owned(), ..id() }, key("Alba/0/c5e866594d810c0c3e1f.mp4"));
    assert!(adopted.mail < late.mail);
    table.record_form(&late, &other, SystemTime::now()).await.unwrap();
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(late));
}

#[tokio::test]
async fn a_partition_is_not_read_without_end_and_the_index_finds_what_lies_behind() {
    let table = table().await;
    for number in 0..62 {
        // Two of them are a page.
        let other = RecordId { mail: format!("{number:02}@b"), ..id() };
        assert!(table.apply(&other, Update::default().set("padding", "p".repeat(390 << 10))).await.unwrap());
    }
    let late = RecordId { mail: "z@b".to_owned(), ..id() };
    // A key that no form has is found in the partition alone.
    let avi = key("Alba/0/c5e866594d810c0c3e1f.avi");
    table.record_form(&late, &avi, SystemTime::now()).await.unwrap();
    assert_eq!(table.find(&key(KEY)).await.unwrap(), None);
    table.record_form(&late, &key("Alba/0/c5e866594d810c0c3e1f.mov"), SystemTime::now()).await.unwrap();
    for found in [key(KEY), avi] {
        assert_eq!(table.find(&found).await.unwrap(), Some(late.clone()));
    }
}

#[tokio::test]
async fn two_keys_with_one_place_get_a_record_each() {
    let table = table().await;
    let (first, second) = (key("a-b/c/x.mp4"), key("a/b-c/x.mp4"));
    let first_id = table.find_or_adopt(&first, SystemTime::now()).await.unwrap().unwrap();
    let second_id = table.find_or_adopt(&second, SystemTime::now()).await.unwrap().unwrap();
    assert_ne!(first_id, second_id);
    assert_eq!(table.find(&first).await.unwrap(), Some(first_id));
    assert_eq!(table.find(&second).await.unwrap(), Some(second_id));
}

#[tokio::test]
async fn the_longest_key_of_s3_gets_a_record() {
    let table = table().await;
    let key = key(&format!("{}.mp4", "k".repeat(1020)));
    let id = table.find_or_adopt(&key, SystemTime::now()).await.unwrap().unwrap();
    assert!(id.mail.starts_with("unknown/") && id.mail.len() <= 1024);
    assert_eq!(table.find(&key).await.unwrap(), Some(id));
}
