//! Erasing a video, and all of a person, from both buckets and the table; and what may bring nothing back.

use std::time::{Duration, SystemTime};

use aws_sdk_dynamodb::types::AttributeValue;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use video_core::TranscoderKind;
use video_core::ids::ObjectKey;
use video_core::records::RecordId;
use video_tests::{TestSystem, eventually, media, sweep};

async fn delete(system: &TestSystem, path_and_query: &str) -> (StatusCode, Value) {
    let response = system.send_as_admin(Method::DELETE, path_and_query).await;
    (response.status(), response.json().await.unwrap())
}

async fn objects(system: &TestSystem, bucket: &str) -> Vec<String> {
    let list = system.s3().list_objects_v2().bucket(bucket).send().await.unwrap();
    list.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

fn id(project_step: &str, mail: &str) -> RecordId {
    RecordId { project_step: project_step.to_owned(), mail: mail.to_owned() }
}

async fn erased(system: &TestSystem, id: &RecordId) {
    let gone = async || system.table().get(id).await.unwrap().is_none().then_some(());
    eventually("the record is deleted", gone).await;
}

#[tokio::test]
async fn a_video_leaves_both_buckets_and_the_table_and_nothing_else_does() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_with_transcoder(kind).await;
        let other = system.upload("/presignedurl/p/0?mail=other@b", media::small_webm()).await;
        let other = system.settled(&other).await;
        let webm = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
        system.settled(&webm).await;
        // A second upload of another type: its result lies beside the first one's, which it supersedes.
        let mp4 = system.upload("/presignedurl/p/0?mail=a@b&type=video/mp4", media::small_mp4()).await;
        system.settled(&mp4).await;
        assert_eq!(objects(&system, system.at.media_bucket).await.len(), 3);
        assert_eq!(objects(&system, system.at.output_bucket).await.len(), 6, "three results and their posters");

        let answer = delete(&system, "/videos/p/0?mail=a@b").await;
        assert_eq!(answer, (StatusCode::ACCEPTED, json!({ "deleting": 1 })));
        erased(&system, &id("p-0", "a@b")).await;
        assert_eq!(objects(&system, system.at.media_bucket).await, [other["video"].as_str().unwrap()]);
        let left = ["output", "poster"].map(|key| other[key].as_str().unwrap());
        assert_eq!(objects(&system, system.at.output_bucket).await, left);
        assert_eq!(system.videos("").await.len(), 1);
        assert_eq!(delete(&system, "/videos/p/0?mail=a@b").await.0, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn an_outstanding_form_brings_nothing_back() {
    let system = TestSystem::start().await;
    let form = system.form("/presignedurl/p/0?mail=a@b").await;
    assert_eq!(delete(&system, "/videos/p/0?mail=a@b").await.0, StatusCode::ACCEPTED);
    erased(&system, &id("p-0", "a@b")).await;
    assert_eq!(system.post(&form, media::small_webm()).await.status(), StatusCode::CREATED);
    let bucket = system.at.media_bucket;
    eventually("the late upload is deleted", async || objects(&system, bucket).await.is_empty().then_some(())).await;
    assert!(system.videos("").await.is_empty());
}

#[tokio::test]
async fn a_person_who_comes_back_starts_anew() {
    let system = TestSystem::start().await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    system.settled(&key).await;
    delete(&system, "/videos/p/0?mail=a@b").await;
    erased(&system, &id("p-0", "a@b")).await;
    let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
    assert_eq!(system.settled(&key).await["status"], "ready");
}

#[tokio::test]
async fn while_a_video_is_deleted_there_is_no_form_and_no_retry_for_it() {
    let system = TestSystem::start_without_events(TranscoderKind::MediaConvert).await;
    system.form("/presignedurl/p/0?mail=a@b").await;
    assert_eq!(delete(&system, "/videos/p/0?mail=a@b").await.0, StatusCode::ACCEPTED);
    assert_eq!(delete(&system, "/videos/p/0?mail=a@b").await.0, StatusCode::ACCEPTED, "a repetition is accepted");
    let refused = system.get("/presignedurl/p/0?mail=a@b").await;
    assert_eq!(refused.status(), StatusCode::CONFLICT);
    assert_eq!(refused.json::<Value>().await.unwrap()["Message"], "the video is being deleted");
    let retry = system.send_as_admin(Method::POST, "/videos/p/0/retry?mail=a@b").await;
    assert_eq!(retry.status(), StatusCode::CONFLICT);
    assert!(system.videos("").await.is_empty());
    assert_eq!(system.videos("?status=deleting").await.len(), 1);
}

#[tokio::test]
async fn all_videos_of_a_person_are_deleted_and_no_one_elses() {
    let system = TestSystem::start().await;
    for step in 0..3 {
        system.form(&format!("/presignedurl/p/{step}?mail=a@b")).await;
        system.form(&format!("/presignedurl/p/{step}?mail=c@d")).await;
    }
    let answer = delete(&system, "/videos?mail=a@b").await;
    assert_eq!(answer, (StatusCode::ACCEPTED, json!({ "deleting": 3, "more": false })));
    for step in 0..3 {
        erased(&system, &id(&format!("p-{step}"), "a@b")).await;
    }
    assert_eq!(system.videos("").await.len(), 3);
    assert_eq!(delete(&system, "/videos?mail=a@b").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn only_the_admin_deletes_and_a_mistyped_filter_deletes_nothing() {
    let system = TestSystem::start().await;
    system.form("/presignedurl/p/0?mail=a@b").await;
    for path in ["/videos/p/0?mail=a@b", "/videos?mail=a@b"] {
        let without = system.http.delete(format!("{}{path}", system.at.api)).send().await.unwrap();
        assert_eq!(without.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    for (path, status) in [
        ("/videos", StatusCode::NOT_FOUND),
        ("/videos?mail=", StatusCode::NOT_FOUND),
        ("/videos?mail=nobody", StatusCode::BAD_REQUEST),
        ("/videos?mail=a@b&project=p", StatusCode::BAD_REQUEST),
        ("/videos?project=p", StatusCode::BAD_REQUEST),
        ("/videos/p/0", StatusCode::NOT_FOUND),
        ("/videos/p/1?mail=a@b", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(delete(&system, path).await.0, status, "{path}");
    }
    assert_eq!(system.videos("").await.len(), 1);
}

#[tokio::test]
async fn with_every_event_lost_the_sweep_alone_retries_and_erases() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_without_events(kind).await;
        let key = system.upload("/presignedurl/p/0?mail=a@b", media::small_webm()).await;
        system.invoke(system.object_created(&key, "0A")).await.unwrap();
        let of_person = id("p-0", "a@b");
        let ready = async || {
            system.make_old(&of_person).await;
            system.invoke(sweep()).await.unwrap();
            system.video(&key).await.filter(|video| video["status"] == "ready")
        };
        eventually("the sweep learns of the result", ready).await;
        assert_eq!(delete(&system, "/videos/p/0?mail=a@b").await.0, StatusCode::ACCEPTED);
        system.make_old(&of_person).await;
        system.invoke(sweep()).await.unwrap();
        assert_eq!(system.table().get(&of_person).await.unwrap(), None);
        assert!(objects(&system, system.at.media_bucket).await.is_empty());
        assert!(objects(&system, system.at.output_bucket).await.is_empty());
    }
}

#[tokio::test]
async fn a_result_that_comes_after_the_erasure_is_deleted() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_without_events(kind).await;
        let key = ObjectKey::from_decoded("p/0/c5e866594d810c0c3e1f.webm").unwrap();
        system.table().put_tombstone(&key, SystemTime::now() + Duration::from_hours(24)).await.unwrap();
        let stem = "output/web/p/0/c5e866594d810c0c3e1f";
        let output = format!("{stem}.mp4");
        let (frames, others) = match kind {
            TranscoderKind::MediaConvert => {
                (["0A-poster.0000000.jpg", "0A-poster.0000001.jpg"], "0B-poster.0000000.jpg")
            }
            TranscoderKind::ElasticTranscoder => {
                (["0A-poster-00001.png", "0A-poster-00002.png"], "0B-poster-00001.png")
            }
        };
        let others = format!("{stem}/{others}");
        let frames = frames.map(|frame| format!("{stem}/{frame}"));
        for key in frames.iter().chain([&output, &others]) {
            let put = system.s3().put_object().bucket(system.at.output_bucket).key(key).body(b"late".to_vec().into());
            put.send().await.unwrap();
        }
        system.invoke(job_ready(kind, &system, &key, &output, &frames[1])).await.unwrap();
        assert_eq!(objects(&system, system.at.output_bucket).await, [others], "another job's");
    }
}

/// The event of a job whose result and last frame have these keys.
fn job_ready(kind: TranscoderKind, system: &TestSystem, key: &ObjectKey, output: &str, frame: &str) -> Value {
    let metadata = json!({ "token": "t", "key": key.as_str(), "sequencer": "0A" });
    let mut event =
        video_tests::events::job_state_change(kind, "job-1", &metadata, video_tests::events::JobState::Complete);
    match kind {
        TranscoderKind::MediaConvert => {
            let path = format!("s3://{}/{output}", system.at.output_bucket);
            let groups = &mut event["detail"]["outputGroupDetails"];
            groups[0]["outputDetails"][0]["outputFilePaths"] = json!([path]);
            let path = format!("s3://{}/{frame}", system.at.output_bucket);
            groups[1]["outputDetails"][0]["outputFilePaths"] = json!([path]);
        }
        TranscoderKind::ElasticTranscoder => {
            let message = event["Records"][0]["Sns"]["Message"].as_str().unwrap();
            let mut message: Value = serde_json::from_str(message).unwrap();
            message["outputKeyPrefix"] = json!("output/");
            message["outputs"][0]["key"] = json!(output.strip_prefix("output/").unwrap());
            let pattern = frame.strip_prefix("output/").unwrap().replace("00002.png", "{count}");
            message["outputs"][0]["thumbnailPattern"] = json!(pattern);
            event["Records"][0]["Sns"]["Message"] = json!(message.to_string());
        }
    }
    event
}

/// Sets when the form of a record was issued.
async fn issued_at(system: &TestSystem, id: &RecordId, time: &str, listed_at: &str) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = system.dynamodb().update_item().table_name(system.at.table);
    let update = update.key("ProjectStep", text(&id.project_step)).key("Mail", text(&id.mail));
    let update = update.update_expression("SET requestedAt = :time, listedAt = :listed");
    let update = update.expression_attribute_values(":time", text(time));
    update.expression_attribute_values(":listed", text(listed_at)).send().await.unwrap();
}

#[tokio::test]
async fn old_videos_and_unused_forms_expire_and_what_may_still_be_needed_does_not() {
    let system = TestSystem::start_with(|options| {
        options.deliver_events = false;
        options.variables.push(("RETENTION_DAYS".to_owned(), "10".to_owned()));
    })
    .await;
    let (old, listed) = ("2026-01-01T00:00:00Z", "1767225600000~aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    for (mail, time) in [("unused@b", old), ("again@b", "2099-01-01T00:00:00Z"), ("lost@b", old)] {
        system.form(&format!("/presignedurl/p/0?mail={mail}")).await;
        issued_at(&system, &id("p-0", mail), time, listed).await;
    }
    // An upload whose event was lost: its record must not go while its object is there.
    let lost = system.upload("/presignedurl/p/0?mail=lost@b", media::small_webm()).await;
    issued_at(&system, &id("p-0", "lost@b"), old, listed).await;
    for mail in ["old@b", "young@b"] {
        let key = system.upload(&format!("/presignedurl/p/0?mail={mail}"), b"no video".to_vec()).await;
        system.invoke(system.object_created(&key, "0A")).await.unwrap();
        let failed = async || {
            system.make_old(&id("p-0", mail)).await;
            system.invoke(sweep()).await.unwrap();
            system.video(&key).await.filter(|video| video["status"] == "failed")
        };
        eventually("it failed", failed).await;
    }
    issued_at(&system, &id("p-0", "old@b"), old, listed).await;
    system.invoke(sweep()).await.unwrap();

    let status = async |mail: &str| system.table().get(&id("p-0", mail)).await.unwrap().unwrap().status.unwrap();
    let statuses = [status("unused@b").await, status("again@b").await, status("lost@b").await];
    assert_eq!(statuses.map(|status| status.as_str()), ["deleting", "requested", "requested"], "{lost}");
    assert_eq!([status("old@b").await, status("young@b").await].map(|s| s.as_str()), ["deleting", "failed"]);
}
