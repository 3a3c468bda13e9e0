//! The sample events of AWS's documents, as the function takes them. `fixtures/aws` holds them as AWS shows them,
//! but that numbers of zeros alone, which are no JSON, are `0`.

use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::job::JobResult;

use super::{JobStateChange, Message, messages};

macro_rules! sample {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../fixtures/aws/", $name, ".json"))).unwrap()
    };
}

/// Returns the change that a sample is, of
/// <https://docs.aws.amazon.com/mediaconvert/latest/ug/mediaconvert_event_list.html>. The samples' jobs carry no
/// metadata, so their record cannot be found.
fn job(sample: Value) -> JobStateChange {
    let Some(Message::Job(change)) = messages(sample).pop() else { panic!("it is no event of a job") };
    assert_eq!((change.transcoder, &change.metadata.sequencer), (TranscoderKind::MediaConvert, &None));
    change
}

#[test]
fn mediaconverts_ends_of_a_job_are_told_apart() {
    let complete = job(sample!("mediaconvert_complete"));
    assert_eq!(complete.job_id, "1671476818694-phptj0");
    assert!(matches!(complete.result, Some(JobResult::Ready(output)) if output.key == "file/file.mp4"));
    let failed = |sample| match job(sample).result {
        Some(JobResult::Failed { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(failed(sample!("mediaconvert_error")), "MediaConvert error 1040: Example error message");
    assert_eq!(failed(sample!("mediaconvert_canceled")), "MediaConvert: the job was cancelled");
}

#[test]
fn what_mediaconvert_tells_along_the_way_ends_nothing() {
    for sample in [
        sample!("mediaconvert_input_information"),
        sample!("mediaconvert_status_update"),
        sample!("mediaconvert_new_warning"),
    ] {
        let result = job(sample).result;
        assert!(!matches!(result, Some(JobResult::Ready { .. } | JobResult::Failed { .. })), "{result:?}");
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>. The sample names a
/// picture.
#[test]
fn s3s_samples_are_an_upload_and_a_test() {
    assert!(messages(sample!("s3_test_message")).is_empty());
    let mut created = sample!("s3_object_created_put");
    assert!(messages(created.clone()).is_empty(), "it is no video");
    created["Records"][0]["s3"]["object"]["key"] = json!("HappyFace.mp4");
    let Some(Message::Upload(uploaded)) = messages(created).pop() else { panic!("it is no upload") };
    assert_eq!((uploaded.bucket.as_str(), uploaded.upload.size), ("mybucket", 1024));
    assert!(uploaded.upload.sequencer.as_str().starts_with("0055AED6DCD90281E5"));
}

/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>. The sample's own payload is
/// no event of ours.
#[test]
fn lambdas_record_of_a_failed_invocation_is_unpacked() {
    let mut letter = sample!("lambda_on_failure");
    assert!(messages(letter.clone()).is_empty());
    letter["requestPayload"] = sample!("mediaconvert_complete");
    job(letter);
}

/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>. What SNS could not deliver to a
/// function lies in the dead-letter queue as the function would have got it, or as this notification alone.
#[test]
fn a_dead_letter_of_sns_is_taken_as_the_function_would_have_got_it_and_as_the_notification_alone() {
    let mut notification = sample!("sns_notification");
    assert!(messages(notification.clone()).is_empty(), "its message is no JSON");
    let delivered: Value =
        serde_json::from_str(include_str!("../../fixtures/elastictranscoder_completed.json")).unwrap();
    notification["Message"] = delivered["Records"][0]["Sns"]["Message"].clone();
    for letter in [delivered, notification] {
        let Some(Message::Job(change)) = messages(letter).pop() else { panic!("it is no event of a job") };
        assert_eq!(change.job_id, "1351620000000-abcde1");
    }
}
