//! Elastic Transcoder's API and notifications.

use std::fs;

use aws_sdk_elastictranscoder::error::ProvideErrorMetadata as _;
use aws_sdk_elastictranscoder::types::{CreateJobOutput, JobInput};
use serde_json::{Value, json};
use video_local::transcoder;

use super::media::{assert_is_the_web_preset, facts, recording, small_video};
use super::{ACCOUNT, Local, ROLE, WEB, message};
use crate::eventually::eventually;
use crate::store::REGION;

#[tokio::test]
async fn a_browsers_webm_goes_through_elastic_transcoder() {
    let local = Local::start().await;
    let webm = recording(&local);
    assert_eq!(facts(&webm).format["duration"], Value::Null);
    local.put("media", "Alba/0/x.webm", &webm).await;

    let job = local.submit("Alba/0/x.webm").await;
    let id = job.id().unwrap().to_owned();
    assert_eq!(job.arn().unwrap(), format!("arn:aws:elastictranscoder:{REGION}:{ACCOUNT}:job/{id}"));
    assert_eq!(job.status(), Some("Submitted"));
    assert_eq!(job.pipeline_id(), Some(local.pipeline.as_str()));
    assert_eq!(job.output_key_prefix(), Some("output/"));
    assert_eq!(job.outputs()[0].id(), Some("1"));
    assert_eq!(job.outputs()[0].status(), Some("Submitted"));
    assert!(job.timing().unwrap().submit_time_millis().unwrap() > 1_700_000_000_000);
    assert_eq!(job.user_metadata().unwrap()["token"], "0123abcd");

    local.work();
    let events = local.events(2).await;

    let output = local.output("output/web/Alba/0/x.webm");
    assert_is_the_web_preset(&output, 1280, 720, true);
    assert_eq!(facts(&output).video["nb_read_frames"], "30");
    let object = local.store.find("output", "output/web/Alba/0/x.webm").unwrap().unwrap();
    assert_eq!(object.attributes.content_type.as_deref(), Some("video/mp4"));

    let topic = format!("arn:aws:sns:{REGION}:{ACCOUNT}:videos");
    let sns = &events[1]["Records"][0]["Sns"];
    assert_eq!(
        events[1],
        json!({ "Records": [{
            "EventVersion": "1.0",
            "EventSource": "aws:sns",
            "EventSubscriptionArn": format!("{topic}:00000000-0000-0000-0000-000000000000"),
            "Sns": {
                "Type": "Notification",
                "MessageId": sns["MessageId"],
                "TopicArn": topic,
                "Subject": format!("Amazon Elastic Transcoder has finished transcoding job {id}."),
                "Message": sns["Message"],
                "Timestamp": sns["Timestamp"],
                "SignatureVersion": "1",
                "Signature": sns["Signature"],
                "SigningCertUrl": sns["SigningCertUrl"],
                "UnsubscribeUrl": sns["UnsubscribeUrl"],
                "MessageAttributes": {},
            },
        }]})
    );
    let message_in = |state: &str, output: Value| {
        json!({
            "state": state,
            "version": "2012-09-25",
            "jobId": id,
            "pipelineId": local.pipeline,
            "input": { "key": "Alba/0/x.webm" },
            "inputCount": 1,
            "outputKeyPrefix": "output/",
            "outputs": [output],
            "userMetadata": { "token": "0123abcd", "key": "Alba/0/%20a.webm" },
        })
    };
    let key = "web/Alba/0/x.webm";
    let progressing = json!({ "id": "1", "presetId": WEB, "key": key, "status": "Progressing" });
    assert_eq!(message(&events[0]), message_in("PROGRESSING", progressing));
    let duration = message(&events[1])["outputs"][0]["duration"].clone();
    assert!([1, 2].map(Value::from).contains(&duration));
    let complete = json!({
        "id": "1", "presetId": WEB, "key": key, "status": "Complete",
        "duration": duration, "width": 1280, "height": 720,
    });
    assert_eq!(message(&events[1]), message_in("COMPLETED", complete));

    let job = local.read(&id).await;
    assert_eq!(job.status(), Some("Complete"));
    let output = &job.outputs()[0];
    assert_eq!((output.width(), output.height()), (Some(1280), Some(720)));
    assert_eq!(output.file_size(), Some(i64::try_from(object.size).unwrap()));
    assert!((900..1200).contains(&output.duration_millis().unwrap()));
    assert!(job.timing().unwrap().finish_time_millis() >= job.timing().unwrap().start_time_millis());
}

#[tokio::test]
async fn elastic_transcoder_never_overwrites_and_names_the_missing_file() {
    let local = Local::start().await;
    let small = small_video(&local);
    local.put("media", "x.mp4", &small).await;
    local.put_bytes("output", "output/web/x.mp4", b"the first result").await;
    local.submit("x.mp4").await;
    local.submit("y.mp4").await;
    local.work();
    let messages = local.messages(4).await;
    let detail = messages[1]["messageDetails"].as_str().unwrap();
    assert_eq!(messages[1]["errorCode"], 3002);
    assert!(
        detail.ends_with(
            ": The specified object could not be saved in the specified bucket because an object by that name already \
         exists: bucket=output, key=output/web/x.mp4."
        ),
        "{detail}"
    );
    assert_eq!(detail.split([' ', ':']).nth(1).unwrap().len(), 36);
    assert_eq!(fs::read(local.output("output/web/x.mp4")).unwrap(), b"the first result");
    assert_eq!((&messages[3]["state"], &messages[3]["errorCode"]), (&json!("ERROR"), &json!(3001)));
}

#[tokio::test]
async fn elastic_transcoder_lists_jobs_in_pages() {
    let local = Local::start().await;
    let client = local.elastictranscoder();
    let mut ids = Vec::new();
    for _ in 0..101 {
        ids.push(local.submit("x.mp4").await.id.unwrap());
    }
    let mut listed = Vec::new();
    let mut sizes = Vec::new();
    let mut token = None;
    loop {
        let page = client
            .list_jobs_by_pipeline()
            .pipeline_id(&local.pipeline)
            .ascending("true")
            .set_page_token(token)
            .send()
            .await
            .unwrap();
        sizes.push(page.jobs().len());
        listed.extend(page.jobs().iter().map(|job| job.id().unwrap().to_owned()));
        token = page.next_page_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!((sizes, &listed), (vec![50, 50, 1], &ids));

    let list = || client.list_jobs_by_pipeline().pipeline_id(&local.pipeline);
    let newest = list().send().await.unwrap();
    assert_eq!(newest.jobs()[0].id(), ids.last().map(String::as_str));
    let bad_token = list().page_token("x").send().await.unwrap_err();
    assert!(bad_token.into_service_error().is_validation_exception());
}

#[tokio::test]
async fn pipelines_are_created_and_read_and_a_pipeline_without_topics_is_unsubscribed() {
    let local = Local::start().await;
    let client = local.elastictranscoder();
    assert_eq!(transcoder::create_pipeline(&local.transcoder, "videos", "media", "output").unwrap(), local.pipeline);
    let known = client.read_pipeline().id(&local.pipeline).send().await.unwrap().pipeline.unwrap();
    assert_eq!((known.name(), known.status()), (Some("videos"), Some("Active")));
    assert_eq!((known.input_bucket(), known.output_bucket()), (Some("media"), Some("output")));
    let topic = known.notifications().unwrap().completed().unwrap();
    assert_eq!(topic, format!("arn:aws:sns:{REGION}:{ACCOUNT}:videos"));

    let unsubscribed =
        client.create_pipeline().name("unsubscribed").input_bucket("media").output_bucket("output").role(ROLE);
    let unsubscribed = unsubscribed.send().await.unwrap().pipeline.unwrap();
    let listed = client.list_pipelines().send().await.unwrap();
    assert_eq!(listed.pipelines().len(), 2);
    local.put("media", "x.mp4", &small_video(&local)).await;
    let output = CreateJobOutput::builder().key("x.mp4").preset_id(WEB).build();
    let request = client.create_job().pipeline_id(unsubscribed.id().unwrap()).outputs(output);
    request.input(JobInput::builder().key("x.mp4").build()).send().await.unwrap();
    local.work();
    eventually(|| local.store.find("output", "x.mp4").unwrap().is_some()).await;
    assert_eq!(local.events_now(), Vec::<Value>::new());

    let error = client.create_pipeline().name("x").role(ROLE).send().await.unwrap_err();
    assert_eq!(
        error.into_service_error().message(),
        Some(
            "1 validation error detected: Value null at 'inputBucket' failed to satisfy constraint: Member must not be \
             null"
        )
    );
}

#[tokio::test]
async fn elastic_transcoder_rejects_what_aws_rejects() {
    let local = Local::start().await;
    let pipeline = local.pipeline.clone();
    let job = |change: &dyn Fn(&mut Value)| {
        let mut job = json!({
            "PipelineId": pipeline,
            "Input": { "Key": "x.webm" },
            "OutputKeyPrefix": "output/",
            "Outputs": [{ "Key": "web/x.webm", "PresetId": WEB }],
            "UserMetadata": { "a b_.:/=+-%@": "z" },
        });
        change(&mut job);
        job.to_string()
    };
    let validation = |change: &dyn Fn(&mut Value)| (job(change), "400 Bad Request", "ValidationException");
    let not_found = |change: &dyn Fn(&mut Value)| (job(change), "404 Not Found", "ResourceNotFoundException");
    let many: Value = (0..11).map(|n| (n.to_string(), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let cases = [
        ("not json".to_owned(), "400 Bad Request", "ValidationException"),
        validation(&|job| job["PipelineId"] = Value::Null),
        validation(&|job| job["PipelineId"] = json!("videos")),
        not_found(&|job| job["PipelineId"] = json!("1351620000000-abcdef")),
        validation(&|job| job["Input"] = Value::Null),
        validation(&|job| job["Input"]["Key"] = json!("")),
        validation(&|job| job["Input"]["Key"] = json!("ü".repeat(1025))),
        validation(&|job| job["Outputs"] = json!([])),
        validation(&|job| job["Outputs"] = json!([job["Outputs"][0], job["Outputs"][0]])),
        validation(&|job| job["Outputs"][0]["Key"] = json!("")),
        validation(&|job| job["Outputs"][0]["Key"] = json!("k".repeat(256))),
        validation(&|job| job["Outputs"][0]["PresetId"] = json!("web")),
        validation(&|job| job["Outputs"][0]["Rotate"] = json!("90")),
        validation(&|job| job["Outputs"][0]["ThumbnailPattern"] = json!("web/x")),
        validation(&|job| job["Outputs"][0]["ThumbnailPattern"] = json!(format!("{}{{count}}", "p".repeat(249)))),
        not_found(&|job| job["Outputs"][0]["PresetId"] = json!("1351620000001-000001")),
        validation(&|job| job["OutputKeyPrefix"] = json!("")),
        validation(&|job| job["OutputKeyPrefix"] = json!("p".repeat(256))),
        validation(&|job| job["UserMetadata"] = many.clone()),
        validation(&|job| job["UserMetadata"] = json!({ "": "v" })),
        validation(&|job| job["UserMetadata"] = json!({ "k": "ü" })),
        validation(&|job| job["UserMetadata"] = json!({ "k{": "v" })),
        validation(&|job| job["UserMetadata"] = json!({ "k": "v".repeat(256) })),
        validation(&|job| job["Playlists"] = json!([{ "Name": "list" }])),
    ];
    for (body, status, code) in cases {
        let response = local.post("/2012-09-25/jobs", &body).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{body}: {response}");
        assert!(response.contains(&format!("\r\nx-amzn-errortype: {code}\r\n")), "{response}");
        assert!(response.contains("\r\nx-amzn-requestid: ") && response.contains("{\"message\":\""), "{response}");
    }
    let longest = job(&|job| {
        job["Input"]["Key"] = json!("ü".repeat(1024));
        job["Outputs"][0]["Key"] = json!("ü".repeat(255));
        job["OutputKeyPrefix"] = json!("p".repeat(255));
    });
    assert!(local.post("/2012-09-25/jobs", &longest).await.starts_with("HTTP/1.1 201 Created\r\n"));

    let client = local.elastictranscoder();
    let unknown = client.read_job().id("1351620000000-abcdef").send().await.unwrap_err().into_service_error();
    assert!(unknown.is_resource_not_found_exception());
    assert_eq!(
        unknown.message(),
        Some("The specified job was not found: account=000000000000, jobId=1351620000000-abcdef.")
    );
    let malformed = client.read_job().id("x").send().await.unwrap_err();
    assert!(malformed.into_service_error().is_validation_exception());
}
