//! What the events function calls at the transcoders' APIs: it creates a job, finds it by its token and looks up its
//! status.

use std::time::{Duration, SystemTime};

use serde_json::json;
use video_core::TranscoderKind;
use video_core::ids::ObjectKey;
use video_core::job::{Facts, Job, JobResult};
use video_core::transcoder::{MediaConvertConfig, Transcoder, TranscoderConfig};
use video_tests::events::{self, JobState};
use video_tests::{TestSystem, eventually, media};

const KEY: &str = "Alba/0/c5e866594d810c0c3e1f.webm";

/// Creates the transcoder client of this system's events function.
async fn transcoder(system: &TestSystem, kind: TranscoderKind) -> Transcoder {
    let aws = system.variables().aws().sdk_config();
    let settings = match kind {
        TranscoderKind::ElasticTranscoder => {
            let pipelines = aws_sdk_elastictranscoder::Client::new(&aws).list_pipelines().send().await.unwrap();
            TranscoderConfig::ElasticTranscoder { pipeline_id: pipelines.pipelines()[0].id().unwrap().to_owned() }
        }
        TranscoderKind::MediaConvert => TranscoderConfig::MediaConvert(MediaConvertConfig {
            role_arn: "arn:aws:iam::000000000000:role/mediaconvert".to_owned(),
            queue_arn: None,
            output_bucket: system.at.output_bucket.to_owned(),
        }),
    };
    Transcoder::new(&settings, None, &aws)
}

/// Describes the job of one upload of the video.
fn job(system: &TestSystem, sequencer: &str, plain_name: bool) -> Job {
    Job {
        bucket: system.at.media_bucket.to_owned(),
        key: ObjectKey::from_decoded(KEY).unwrap(),
        sequencer: sequencer.parse().unwrap(),
        plain_name,
    }
}

async fn a_job_is_found_by_its_token_and_looked_up_until_it_is_ready(kind: TranscoderKind, output: &str) {
    let system = TestSystem::start_without_events(kind).await;
    system.put(KEY, media::small_webm()).await;
    let (first, again) = (job(&system, "0A", true), job(&system, "0B", false));
    let transcoder = transcoder(&system, kind).await;
    let now = SystemTime::now();
    assert_eq!(transcoder.find(&first, now).await.unwrap(), None, "no job has been created");
    let id = transcoder.submit(&first).await.unwrap();
    let id_again = transcoder.submit(&again).await.unwrap();

    assert_eq!(transcoder.find(&first, now).await.unwrap(), Some(id.clone()));
    assert_eq!(transcoder.find(&again, now).await.unwrap(), Some(id_again));
    assert_eq!(transcoder.find(&job(&system, "0C", false), now).await.unwrap(), None, "the job of another upload");
    let later = now + Duration::from_hours(1);
    assert_eq!(transcoder.find(&first, later).await.unwrap(), None, "older than the upload");

    let ready = eventually("the job is ready", async || {
        let result = transcoder.look_up(&id).await.unwrap().unwrap();
        (!matches!(result, JobResult::Progressing { .. })).then_some(result)
    });
    let JobResult::Ready(ready) = ready.await else { panic!("the job failed") };
    assert_eq!(ready.key, output);
    let facts = Facts { duration: Some(1), width: Some(160), height: Some(120), truncated: false };
    assert_eq!(ready.facts, facts);
    let poster = ready.poster.unwrap();
    assert!(poster.starts_with("output/web/Alba/0/c5e866594d810c0c3e1f/0A0"), "{poster}");
    system.s3().head_object().bucket(system.at.output_bucket).key(&poster).send().await.unwrap();
    assert_eq!(transcoder.look_up("1111111111111-aaaaaa").await.unwrap(), None, "no such job");
    if let Transcoder::MediaConvert(service) = &transcoder {
        assert_eq!(service.input_key(&id).await.unwrap().unwrap().as_str(), KEY);
        assert_eq!(service.input_key("1111111111111-aaaaaa").await.unwrap(), None);
    }

    drop(system.stop().await);
    assert!(transcoder.look_up(&id).await.is_err(), "without a response, whether there is a job is not known");
}

#[tokio::test]
async fn a_complete_jobs_result_is_recorded_although_its_event_does_not_name_it() {
    for kind in TranscoderKind::ALL {
        let system = TestSystem::start_without_events(kind).await;
        let key = system.upload("/presignedurl/Alba/0?mail=Eduard@orkei.com", media::small_webm()).await;
        system.invoke(system.object_created(&key, "0A")).await.unwrap();
        let job_id = system.video(&key).await.unwrap()["jobId"].as_str().unwrap().to_owned();
        let complete = |job_id: &str| {
            let metadata = json!({ "token": "t", "key": key, "sequencer": "0A" });
            let mut event = events::job_state_change(kind, job_id, &metadata, JobState::Complete);
            events::remove_outputs(kind, &mut event);
            event
        };
        system.invoke(complete("1111111111111-aaaaaa")).await.unwrap();
        assert_eq!(system.video(&key).await.unwrap()["status"], "transcoding", "the job is not known");

        let transcoder = transcoder(&system, kind).await;
        eventually("the job is complete", async || {
            let result = transcoder.look_up(&job_id).await.unwrap();
            matches!(result, Some(JobResult::Ready(_))).then_some(())
        })
        .await;
        system.invoke(complete(&job_id)).await.unwrap();
        let video = system.video(&key).await.unwrap();
        assert_eq!(video["status"], "ready", "{video}");
        assert!(!system.play(&video).await.is_empty());
    }
}

#[tokio::test]
async fn elastic_transcoder_finds_a_job_by_its_token_and_returns_its_result() {
    let output = "output/web/Alba/0/c5e866594d810c0c3e1f.webm";
    Box::pin(a_job_is_found_by_its_token_and_looked_up_until_it_is_ready(TranscoderKind::ElasticTranscoder, output))
        .await;
}

#[tokio::test]
async fn mediaconvert_finds_a_job_by_its_token_and_returns_its_result() {
    let output = "output/web/Alba/0/c5e866594d810c0c3e1f.mp4";
    Box::pin(a_job_is_found_by_its_token_and_looked_up_until_it_is_ready(TranscoderKind::MediaConvert, output)).await;
}

/// SearchJobs takes inputs of up to 300 characters; longer ones are searched for in the list of all jobs.
#[tokio::test]
async fn mediaconvert_finds_the_job_of_a_key_of_any_length() {
    let kind = TranscoderKind::MediaConvert;
    let system = TestSystem::start_without_events(kind).await;
    let transcoder = transcoder(&system, kind).await;
    for key in ["a.webm".to_owned(), "Ü b+c%.webm".to_owned(), format!("{}.webm", "k".repeat(900))] {
        let key = ObjectKey::from_decoded(&key).unwrap();
        let job = Job { key, ..job(&system, "0A", true) };
        let now = SystemTime::now();
        let id = transcoder.submit(&job).await.unwrap();
        assert_eq!(transcoder.find(&job, now).await.unwrap(), Some(id), "{}", job.key);
        let other = Job { sequencer: "0B".parse().unwrap(), ..job };
        assert_eq!(transcoder.find(&other, now).await.unwrap(), None);
    }
}
