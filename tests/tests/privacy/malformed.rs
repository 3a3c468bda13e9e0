//! Malformed events that hold a canary.

use serde_json::json;
use video_core::TranscoderKind;
use video_tests::events;

use super::MAIL;
use super::log::{assert_log_is_clean, log};
use super::system::start;

#[tokio::test]
async fn no_canary_of_a_malformed_event_shows() {
    let log = log();
    let system = start(TranscoderKind::MediaConvert, |_| ()).await;
    let text = format!("\"{MAIL}\" {MAIL}");
    for (event, places) in [
        (
            events::s3_object_created(),
            &[
                "/Records/0/eventSource",
                "/Records/0/eventTime",
                "/Records/0/s3",
                "/Records/0/s3/object/size",
                "/Records/0/s3/object/sequencer",
                "/Records/0",
            ][..],
        ),
        (
            events::mediaconvert_complete(),
            &["/detail", "/detail/jobId", "/detail/userMetadata", "/detail/outputGroupDetails", "/source"],
        ),
    ] {
        for place in places {
            for value in [json!(text), json!([text]), json!({ MAIL: text })] {
                let mut event = event.clone();
                *event.pointer_mut(place).unwrap() = value;
                if place == &"/detail/jobId" && event["detail"]["jobId"].is_string() {
                    continue; // A job's ID is logged: the transcoder chooses it.
                }
                system.invoke(event).await.unwrap();
            }
        }
    }
    for event in
        [json!(text), json!([text]), json!({ MAIL: text }), json!({ "Records": text }), json!({ "Records": [text] })]
    {
        system.invoke(event).await.unwrap();
    }
    assert_log_is_clean(log);
}
