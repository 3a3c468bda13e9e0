//! MediaConvert's API and events.

use std::time::Duration;

use aws_sdk_mediaconvert::types as mc;
use serde_json::{Value, json};
use video_local::transcoder::Ffmpeg;

use super::media::{assert_is_the_web_preset, small_video};
use super::{ACCOUNT, Local, ROLE, settings};
use crate::store::REGION;

#[tokio::test]
async fn a_video_goes_through_mediaconvert() {
    let local = Local::start().await;
    local.put("media", "Alba/0/x.y.mov", &small_video(&local)).await;
    let job = local.submit_to_mediaconvert("Alba/0/x.y.mov", "s3://output/output/web/Alba/0/").await;
    let id = job.id().unwrap().to_owned();
    let arn = format!("arn:aws:mediaconvert:{REGION}:{ACCOUNT}:jobs/{id}");
    let queue = format!("arn:aws:mediaconvert:{REGION}:{ACCOUNT}:queues/Default");
    assert_eq!(job.arn(), Some(arn.as_str()));
    assert_eq!(job.queue(), Some(queue.as_str()));
    assert_eq!(job.role(), Some(ROLE));
    assert_eq!(job.status(), Some(&mc::JobStatus::Submitted));
    assert_eq!(job.user_metadata().unwrap()["token"], "0123abcd");
    assert!(job.created_at().unwrap().secs() > 1_700_000_000);
    let sent = settings("s3://media/Alba/0/x.y.mov", "s3://output/output/web/Alba/0/");
    assert_eq!(job.settings(), Some(&sent));

    local.work();
    let events = local.events(2).await;
    assert_is_the_web_preset(&local.output("output/web/Alba/0/x.y.mp4"), 160, 120, false);

    let event_with = |event: &Value, detail: Value| {
        json!({
            "version": "0",
            "id": event["id"],
            "detail-type": "MediaConvert Job State Change",
            "source": "aws.mediaconvert",
            "account": ACCOUNT,
            "time": event["time"],
            "region": REGION,
            "resources": [arn],
            "detail": detail,
        })
    };
    let started = json!({
        "timestamp": events[0]["detail"]["timestamp"],
        "accountId": ACCOUNT,
        "queue": queue,
        "jobId": id,
        "status": "PROGRESSING",
        "userMetadata": { "token": "0123abcd" },
    });
    assert_eq!(events[0], event_with(&events[0], started));
    let duration = events[1]["detail"]["outputGroupDetails"][0]["outputDetails"][0]["durationInMs"].clone();
    let complete = json!({
        "timestamp": events[1]["detail"]["timestamp"],
        "accountId": ACCOUNT,
        "queue": queue,
        "jobId": id,
        "status": "COMPLETE",
        "userMetadata": { "token": "0123abcd" },
        "outputGroupDetails": [{
            "type": "FILE_GROUP",
            "outputDetails": [{
                "outputFilePaths": ["s3://output/output/web/Alba/0/x.y.mp4"],
                "durationInMs": duration,
                "videoDetails": { "widthInPx": 160, "heightInPx": 120 },
            }],
        }],
    });
    assert_eq!(events[1], event_with(&events[1], complete));
    let time = events[1]["time"].as_str().unwrap();
    assert!(time.len() == "2018-01-05T16:18:49Z".len() && time.ends_with('Z'), "{time}");

    let job = local.mediaconvert().get_job().id(&id).send().await.unwrap().job.unwrap();
    assert_eq!(job.status(), Some(&mc::JobStatus::Complete));
    let details = job.output_group_details()[0].output_details()[0].video_details().unwrap().width_in_px();
    assert_eq!(details, Some(160));
    assert!(job.timing().unwrap().finish_time().is_some());
}

#[tokio::test]
async fn mediaconvert_overwrites_and_names_the_missing_file() {
    let local = Local::start().await;
    local.put("media", "a/x.mp4", &small_video(&local)).await;
    local.put_bytes("output", "x.mp4", b"the first result").await;
    local.submit_to_mediaconvert("a/x.mp4", "s3://output/").await;
    local.submit_to_mediaconvert("a/y.mp4", "s3://output/").await;
    local.submit_to_mediaconvert("a/x.mp4", "s3://no-such-bucket/").await;
    local.submit_to_mediaconvert("a/x.mp4", "s3://output/another-name").await;
    local.submit_to_mediaconvert("a/x.mp4", "s3://output/output/web/Alba/0/a.b/01-0001").await;
    local.work();
    let events = local.events(10).await;
    assert_eq!(events[1]["detail"]["status"], "COMPLETE");
    assert_is_the_web_preset(&local.output("x.mp4"), 160, 120, false);
    assert_eq!(events[3]["detail"]["errorCode"], 1404);
    let message = "Unable to open input file [s3://media/a/y.mp4]: it does not exist";
    assert_eq!(events[3]["detail"]["errorMessage"], message);
    assert_eq!(events[5]["detail"]["errorMessage"], "The S3 bucket no-such-bucket does not exist");
    assert_is_the_web_preset(&local.output("another-name.mp4"), 160, 120, false);
    let paths = &events[9]["detail"]["outputGroupDetails"][0]["outputDetails"][0]["outputFilePaths"];
    assert_eq!(*paths, json!(["s3://output/output/web/Alba/0/a.b/01-0001.mp4"]));
    assert_is_the_web_preset(&local.output("output/web/Alba/0/a.b/01-0001.mp4"), 160, 120, false);
}

#[tokio::test]
async fn mediaconvert_lists_jobs_in_pages() {
    let local = Local::start().await;
    let convert = local.mediaconvert();
    let mut ids = Vec::new();
    for number in 0..21 {
        ids.push(local.submit_to_mediaconvert(&format!("{number}.mp4"), "s3://output/").await.id.unwrap());
    }
    let first = convert.list_jobs().order(mc::Order::Ascending).queue("Default").send().await.unwrap();
    let second = convert.list_jobs().order(mc::Order::Ascending).set_next_token(first.next_token.clone());
    let second = second.send().await.unwrap();
    let listed: Vec<_> = first.jobs().iter().chain(second.jobs()).map(|job| job.id().unwrap()).collect();
    assert_eq!((listed, second.next_token()), (ids.iter().map(String::as_str).collect(), None));
    let newest = convert.list_jobs().max_results(1).status(mc::JobStatus::Submitted).send().await.unwrap();
    assert_eq!(newest.jobs()[0].id(), ids.last().map(String::as_str));
    let too_many = convert.list_jobs().max_results(21).send().await.unwrap_err();
    assert!(too_many.into_service_error().is_bad_request_exception());
}

#[tokio::test]
async fn mediaconvert_rejects_what_it_does_not_support_and_names_the_field() {
    let local = Local::start().await;
    let job = |change: &dyn Fn(&mut Value)| {
        let mut job = json!({
            "role": ROLE,
            "settings": {
                "inputs": [{ "fileInput": "s3://media/x.webm", "videoSelector": { "rotate": "AUTO" } }],
                "outputGroups": [{
                    "outputGroupSettings": {
                        "type": "FILE_GROUP_SETTINGS",
                        "fileGroupSettings": { "destination": "s3://output/web/" },
                    },
                    "outputs": [{ "containerSettings": { "container": "MP4" }, "nameModifier": "-720p" }],
                }],
            },
        });
        change(&mut job);
        job.to_string()
    };
    let group = "/settings/outputGroups/0";
    let frames = json!({
        "outputGroupSettings": {
            "type": "FILE_GROUP_SETTINGS",
            "fileGroupSettings": { "destination": "s3://output/web/x" },
        },
        "outputs": [{
            "containerSettings": { "container": "RAW" },
            "nameModifier": "-poster",
            "videoDescription": { "codecSettings": { "codec": "FRAME_CAPTURE", "frameCaptureSettings": {} } },
        }],
    });
    let cases: [(String, String); 17] = [
        ("{".to_owned(), "EOF".to_owned()),
        (job(&|job| job["role"] = Value::Null), "/role: ".to_owned()),
        (job(&|job| job["settings"] = Value::Null), "/settings: ".to_owned()),
        (job(&|job| job["clientRequestToken"] = json!("t".repeat(65))), "/clientRequestToken: ".to_owned()),
        (job(&|job| job["userMetadata"] = json!({ "a": 1 })), "invalid type".to_owned()),
        (job(&|job| job["settings"]["inputs"] = json!([])), "/settings/inputs: Should not be empty".to_owned()),
        (job(&|job| job["settings"]["inputs"][0] = json!({})), "/settings/inputs/0/fileInput: ".to_owned()),
        (
            job(&|job| job["settings"]["inputs"][0]["fileInput"] = json!("https://x/y.mp4")),
            "/settings/inputs/0/fileInput: ".to_owned(),
        ),
        (
            job(&|job| job["settings"]["outputGroups"] = json!([])),
            "/settings/outputGroups: Should not be empty".to_owned(),
        ),
        (job(&|job| job["settings"]["outputGroups"][0]["outputs"] = json!([])), format!("{group}/outputs: ")),
        (
            job(&|job| {
                job["settings"]["outputGroups"][0]["outputs"][0]["containerSettings"]["container"] = json!("WEBM");
            }),
            format!("{group}/outputs/0/containerSettings/container: "),
        ),
        (
            job(&|job| job["settings"]["outputGroups"][0]["outputGroupSettings"]["type"] = json!("HLS_GROUP_SETTINGS")),
            format!("{group}/outputGroupSettings/type: "),
        ),
        (
            job(&|job| job["settings"]["outputGroups"][0]["outputGroupSettings"]["fileGroupSettings"] = json!({})),
            format!("{group}/outputGroupSettings/fileGroupSettings/destination: "),
        ),
        (
            job(&|job| job["settings"]["outputGroups"][0] = frames.clone()),
            "/settings/outputGroups: Frames can be captured beside a video only".to_owned(),
        ),
        (
            job(&|job| {
                let groups = job["settings"]["outputGroups"].as_array_mut().unwrap();
                groups.extend([frames.clone(), frames.clone()]);
            }),
            "/settings/outputGroups: The local MediaConvert writes one group with frames".to_owned(),
        ),
        (
            job(&|job| {
                let mut in_mp4 = frames.clone();
                in_mp4["outputs"][0]["containerSettings"]["container"] = json!("MP4");
                job["settings"]["outputGroups"].as_array_mut().unwrap().insert(0, in_mp4);
            }),
            format!("{group}/outputs/0/containerSettings/container: The local MediaConvert writes RAW"),
        ),
        (
            job(&|job| {
                let first = job["settings"]["outputGroups"][0].clone();
                job["settings"]["outputGroups"] = json!([first, first]);
            }),
            "/settings/outputGroups: ".to_owned(),
        ),
    ];
    for (body, message) in cases {
        let response = local.post("/2017-08-29/jobs", &body).await;
        assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{body}: {response}");
        assert!(response.contains("\r\nx-amzn-errortype: BadRequestException\r\n"), "{response}");
        assert!(response.contains(&format!("{{\"message\":\"{message}")), "{message}: {response}");
    }
    let elsewhere = job(&|job| job["queue"] = json!("arn:aws:mediaconvert:eu-west-1:000000000000:queues/Fast"));
    let response = local.post("/2017-08-29/jobs", &elsewhere).await;
    assert!(response.contains("\r\nx-amzn-errortype: NotFoundException\r\n"), "{response}");
    assert!(local.post("/2017-08-29/jobs", &job(&|_| ())).await.starts_with("HTTP/1.1 201 Created\r\n"));
    let unknown = local.mediaconvert().get_job().id("x").send().await.unwrap_err();
    assert!(unknown.into_service_error().is_not_found_exception());
}

#[tokio::test]
async fn a_client_request_token_creates_one_job() {
    let local = Local::start().await;
    let client = local.mediaconvert();
    let request = |token: &str, key: &str| {
        let settings = settings(&format!("s3://media/{key}"), "s3://output/");
        client.create_job().role(ROLE).client_request_token(token).settings(settings).send()
    };
    let first = request("one", "x.mp4").await.unwrap().job.unwrap();
    assert_eq!(first.client_request_token(), Some("one"));
    assert_eq!(request("one", "x.mp4").await.unwrap().job.unwrap().id(), first.id());
    assert_ne!(request("two", "x.mp4").await.unwrap().job.unwrap().id(), first.id());
    let error = request("one", "y.mp4").await.unwrap_err();
    assert!(error.into_service_error().is_conflict_exception());

    // A token is remembered for a minute.
    local.database.transaction(|tx| tx.execute("UPDATE jobs SET submitted_at = submitted_at - 61000", [])).unwrap();
    assert_ne!(request("one", "y.mp4").await.unwrap().job.unwrap().id(), first.id());
}

#[tokio::test]
async fn jobs_are_searched_for_by_their_input_or_a_part_of_it() {
    let local = Local::start().await;
    let id = local.submit_to_mediaconvert("Alba/0/x.mov", "s3://output/output/").await.id().unwrap().to_owned();
    local.submit_to_mediaconvert("Alba/0/y.mov", "s3://output/output/").await;
    let client = local.mediaconvert();
    let found = async |input: &str| {
        let jobs = client.search_jobs().input_file(input).send().await.unwrap().jobs.unwrap();
        jobs.into_iter().filter_map(|job| job.id).collect::<Vec<_>>()
    };
    assert_eq!(found("s3://media/Alba/0/x.mov").await, std::slice::from_ref(&id));
    assert_eq!(found("x.mov").await, [id]);
    assert_eq!(found("Alba").await.len(), 2);
    assert_eq!(found("z").await.len(), 0);
    let too_long = client.search_jobs().input_file("x".repeat(301)).send().await.unwrap_err();
    assert!(too_long.into_service_error().is_bad_request_exception());
}

#[tokio::test]
async fn a_new_job_is_missing_from_lists_for_as_long_as_they_lag() {
    let hour = Duration::from_hours(1);
    let local = Local::start_lagging(tempfile::tempdir().unwrap(), Ffmpeg::default(), hour).await;
    let id = local.submit_to_mediaconvert("Alba/0/x.mov", "s3://output/output/").await.id().unwrap().to_owned();
    let client = local.mediaconvert();
    let listed = async || {
        let searched = client.search_jobs().input_file("x.mov").send().await.unwrap().jobs.unwrap().len();
        (client.list_jobs().send().await.unwrap().jobs.unwrap().len(), searched)
    };
    assert_eq!(listed().await, (0, 0));
    assert!(client.get_job().id(id).send().await.is_ok());
    local.database.transaction(|tx| tx.execute("UPDATE jobs SET submitted_at = submitted_at - 3601000", [])).unwrap();
    assert_eq!(listed().await, (1, 1));
}
