//! The table itself, and forms.

use super::*;

#[tokio::test]
async fn a_repeated_form_keeps_the_state_and_takes_the_newer_key() {
    let table = claimed("0A").await;
    let other = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    table.record_form(&id(), &other, SystemTime::now()).await.unwrap();
    let record = table.record().await;
    assert_eq!(record.status, Some(Status::Uploaded));
    assert_eq!(record.video.as_deref(), Some(other.as_str()));
}

#[tokio::test]
async fn a_deleted_record_is_not_brought_back_by_a_claim() {
    let table = table().await;
    assert_eq!(table.claim_now("0A").await, Claim::RecordDeleted);
    assert_eq!(table.get(&id()).await.unwrap(), None);
}

#[tokio::test]
async fn the_uploaded_key_stays_when_a_form_of_another_type_is_asked_for() {
    let table = claimed("0A").await;
    let other = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    table.record_form(&id(), &other, SystemTime::now()).await.unwrap();
    assert_eq!(table.record().await.uploaded_key.as_deref(), Some(KEY));
}

/// A write that did not arrive is not a write whose condition was not met: taken for one, its event would be lost.
#[tokio::test]
async fn a_write_that_fails_is_an_error_and_no_unmet_condition() {
    // Nothing listens on the discard port of the loopback.
    let (table, now, order) = (table_at("http://127.0.0.1:9".to_owned()), SystemTime::now(), sequencer("0A"));
    let error = table.get(&id()).await.unwrap_err().to_string();
    assert!(error.starts_with("DynamoDB GetItem: ") && error.contains("onnection refused"), "{error}");
    assert!(table.create().await.is_err());
    assert!(table.claim(&id(), &upload("0A"), now, TERMS).await.is_err());
    assert!(table.take_over(&id(), &order, now, LEASE).await.is_err());
    assert!(table.release_lease(&id(), &order).await.is_err());
    assert!(table.job_submitted(&id(), &order, TranscoderKind::MediaConvert, "job-1", now).await.is_err());
    assert!(table.job_rejected(&id(), &order, TranscoderKind::MediaConvert, "too long", now).await.is_err());
    for result in [JobResult::Progressing { percent: None }, ready(), failed()] {
        assert!(table.job_changed(&id(), &event("0A", "job-1", result), now).await.is_err());
    }
}

#[tokio::test]
async fn a_table_that_exists_is_left_as_it_is() {
    let table = claimed("0A").await;
    table.create().await.unwrap();
    assert_eq!(table.status().await, Status::Uploaded);
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_its_status_and_its_message() {
    let table = Table { name: "nowhere".to_owned(), ..table().await };
    let refused = table.get(&id()).await.unwrap_err().to_string();
    assert!(refused.starts_with("DynamoDB GetItem: ResourceNotFoundException (400): "), "{refused}");
    assert!(!refused.ends_with(": no message"), "{refused}");
}
