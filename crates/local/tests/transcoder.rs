//! The local transcoders, driven by the real SDKs, with real ffmpeg and real videos.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails may panic")]

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_elastictranscoder as ets;
use aws_sdk_elastictranscoder::error::ProvideErrorMetadata;
use aws_sdk_elastictranscoder::types::{CreateJobOutput, Job, JobInput};
use aws_sdk_mediaconvert as emc;
use aws_sdk_mediaconvert::types as mc;
use aws_types::region::Region;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use video_local::database::Database;
use video_local::events;
use video_local::s3::{self, Attributes, Cause, Notify, Store};
use video_local::transcoder::{self, Ffmpeg, Settings, Transcoder};

const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "000000000000";
const WEB: &str = "1351620000001-100070";
const ROLE: &str = "arn:aws:iam::000000000000:role/transcode";
const PATIENCE: Duration = Duration::from_mins(1);

/// One data directory with both services on one port.
struct Local {
    dir: TempDir,
    database: Database,
    store: Store,
    transcoder: Transcoder,
    address: String,
    pipeline: String,
}

/// The running work loop; dropped, it goes on until the runtime ends.
struct Worker {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Worker {
    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap();
    }
}

impl Local {
    async fn start() -> Self {
        Self::start_with(Ffmpeg::default()).await
    }

    async fn start_with(ffmpeg: Ffmpeg) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), ffmpeg).await
    }

    async fn start_in(dir: TempDir, ffmpeg: Ffmpeg) -> Self {
        let database =
            Database::open(&dir.path().join("local.sqlite"), &[s3::SCHEMA, events::SCHEMA, transcoder::SCHEMA])
                .unwrap();
        // Only the transcoders' own events are of interest here.
        let notify = Notify { bucket: "nobody-listens".to_owned(), region: REGION.to_owned() };
        let store = Store::open(&dir.path().join("objects"), database.clone(), notify).unwrap();
        store.create_bucket("media").unwrap();
        store.create_bucket("output").unwrap();
        let settings = Settings {
            region: REGION.to_owned(),
            account: ACCOUNT.to_owned(),
            access_key_id: "local".to_owned(),
            jobs_at_once: NonZeroUsize::MIN,
            ffmpeg,
        };
        let transcoder = Transcoder::new(database.clone(), store.clone(), settings);
        let pipeline = transcoder.create_pipeline("videos", "media", "output").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(transcoder::serve(listener, transcoder.clone(), std::future::pending()));
        Self { dir, database, store, transcoder, address, pipeline }
    }

    fn work(&self) -> Worker {
        let (stop, stopped) = oneshot::channel();
        let work = transcoder::work(self.transcoder.clone(), async {
            if stopped.await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        Worker { stop, ended: tokio::spawn(work) }
    }

    fn elastictranscoder(&self) -> ets::Client {
        self.elastictranscoder_as("local")
    }

    fn elastictranscoder_as(&self, access_key_id: &str) -> ets::Client {
        let config = ets::Config::builder()
            .behavior_version(ets::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::new(access_key_id, "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        ets::Client::from_conf(config)
    }

    fn mediaconvert(&self) -> emc::Client {
        let config = emc::Config::builder()
            .behavior_version(emc::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .endpoint_url(format!("http://{}", self.address))
            .credentials_provider(Credentials::new("local", "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        emc::Client::from_conf(config)
    }

    async fn put(&self, bucket: &str, key: &str, content: &Path) {
        let staged = self.store.stage().unwrap();
        fs::copy(content, staged.path()).unwrap();
        let content = staged.seal().await.unwrap();
        self.store.change(|change| change.put(bucket, key, content, &Attributes::default(), Cause::Post)).unwrap();
    }

    async fn put_bytes(&self, bucket: &str, key: &str, content: &[u8]) {
        let path = self.path("bytes");
        fs::write(&path, content).unwrap();
        self.put(bucket, key, &path).await;
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The job that `video-core` creates for a key.
    async fn submit(&self, key: &str) -> Job {
        let client = self.elastictranscoder();
        let output = CreateJobOutput::builder().key(format!("web/{key}")).preset_id(WEB).build();
        let request = client
            .create_job()
            .pipeline_id(&self.pipeline)
            .input(JobInput::builder().key(key).build())
            .output_key_prefix("output/")
            .outputs(output)
            .user_metadata("token", "0123abcd")
            .user_metadata("key", "Alba/0/%20a.webm");
        request.send().await.unwrap().job.unwrap()
    }

    async fn submit_to_mediaconvert(&self, key: &str, destination: &str) -> mc::Job {
        self.mediaconvert()
            .create_job()
            .role(ROLE)
            .settings(settings(&format!("s3://media/{key}"), destination))
            .user_metadata("token", "0123abcd")
            .send()
            .await
            .unwrap()
            .job
            .unwrap()
    }

    async fn read(&self, id: &str) -> Job {
        self.elastictranscoder().read_job().id(id).send().await.unwrap().job.unwrap()
    }

    /// The events in the order in which they were enqueued, as soon as there are `count`.
    async fn events(&self, count: usize) -> Vec<Value> {
        let mut commits = self.database.commits();
        let wait = async {
            loop {
                let events = self.events_now();
                if events.len() >= count {
                    return events;
                }
                commits.changed().await.unwrap();
            }
        };
        let events = tokio::time::timeout(PATIENCE, wait).await.expect("no such number of events in time");
        assert_eq!(events.len(), count, "{events:#?}");
        events
    }

    fn events_now(&self) -> Vec<Value> {
        self.database
            .read(|db| {
                let mut statement = db.prepare("SELECT payload FROM events ORDER BY id")?;
                let payloads = statement.query_map([], |row| row.get::<_, String>(0))?;
                Ok::<_, rusqlite::Error>(
                    payloads.map(|payload| serde_json::from_str(&payload.unwrap()).unwrap()).collect(),
                )
            })
            .unwrap()
    }

    /// The messages inside the SNS events.
    async fn messages(&self, count: usize) -> Vec<Value> {
        self.events(count).await.iter().map(message).collect()
    }

    async fn last_message(&self, count: usize) -> Value {
        message(self.events(count).await.last().unwrap())
    }

    fn output(&self, key: &str) -> PathBuf {
        self.store.find("output", key).unwrap().expect("the output object").path
    }

    fn object_files(&self) -> usize {
        fs::read_dir(self.path("objects")).unwrap().count()
    }

    /// Status line, headers and body of a request that no SDK would make.
    async fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// A signed POST with any body.
    async fn post(&self, path: &str, body: &str) -> String {
        let address = &self.address;
        let authorization = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-1/elastictranscoder/aws4_request, \
                             SignedHeaders=host;x-amz-date, Signature=00";
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }
}

fn message(event: &Value) -> Value {
    serde_json::from_str(event["Records"][0]["Sns"]["Message"].as_str().unwrap()).unwrap()
}

fn settings(input: &str, destination: &str) -> mc::JobSettings {
    let output = mc::Output::builder()
        .container_settings(mc::ContainerSettings::builder().container(mc::ContainerType::Mp4).build())
        .build();
    let group = mc::OutputGroup::builder()
        .output_group_settings(
            mc::OutputGroupSettings::builder()
                .r#type(mc::OutputGroupType::FileGroupSettings)
                .file_group_settings(mc::FileGroupSettings::builder().destination(destination).build())
                .build(),
        )
        .outputs(output)
        .build();
    mc::JobSettings::builder().inputs(mc::Input::builder().file_input(input).build()).output_groups(group).build()
}

/// Runs ffmpeg to make `name` in the directory; one second, unless the arguments say otherwise.
fn video(local: &Local, name: &str, arguments: &str) -> PathBuf {
    let path = local.path(name);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .arg(&path)
        .status()
        .unwrap();
    assert!(status.success(), "ffmpeg {arguments}");
    path
}

fn small_video(local: &Local) -> PathBuf {
    video(local, "small.mp4", "-f lavfi -i testsrc=size=160x120:rate=10:duration=1 -c:v libx264 -preset ultrafast")
}

/// As a browser's recorder writes it: to a pipe, so without a duration, and with frames left out.
fn recording(local: &Local) -> PathBuf {
    let path = local.path("recording.webm");
    let arguments = "-nostdin -v error -f lavfi -i testsrc=size=1920x1080:rate=15:duration=1 \
                     -f lavfi -i sine=duration=1 -vf select=not(eq(n\\,4)+eq(n\\,5)) \
                     -c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus -f webm -";
    let status = Command::new("ffmpeg")
        .args(arguments.split_whitespace())
        .stdout(fs::File::create(&path).unwrap())
        .status()
        .unwrap();
    assert!(status.success());
    path
}

/// A program that behaves as `body`, in place of ffmpeg.
fn script(dir: &Path, body: &str) -> Ffmpeg {
    let path = dir.join("ffmpeg.sh");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Ffmpeg { ffmpeg: path, ..Ffmpeg::default() }
}

/// Polls for what another process does.
async fn eventually(condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("it did not happen in time");
}

/// What ffprobe says about a file: its first video stream, its first audio stream, its container.
struct Facts {
    video: Value,
    audio: Option<Value>,
    format: Value,
}

fn facts(path: &Path) -> Facts {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json"])
        .arg(path)
        .output()
        .unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = |kind: &str| answer["streams"].as_array().unwrap().iter().find(|s| s["codec_type"] == kind).cloned();
    Facts { video: stream("video").unwrap(), audio: stream("audio"), format: answer["format"].clone() }
}

fn assert_is_the_web_preset(path: &Path, width: u32, height: u32, sound: bool) {
    let Facts { video, audio, format } = facts(path);
    assert_eq!((&video["width"], &video["height"]), (&json!(width), &json!(height)));
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["profile"], "Main");
    assert_eq!(video["level"], 31);
    assert_eq!(video["refs"], 3);
    assert_eq!(video["pix_fmt"], "yuv420p");
    assert_eq!(video["sample_aspect_ratio"], "1:1");
    assert_eq!((&video["r_frame_rate"], &video["avg_frame_rate"]), (&json!("30/1"), &json!("30/1")));
    assert_eq!(video["side_data_list"], Value::Null, "no rotation is left to the player");
    assert_eq!(audio.is_some(), sound);
    if let Some(audio) = audio {
        assert_eq!((&audio["codec_name"], &audio["profile"]), (&json!("aac"), &json!("LC")));
        assert_eq!((&audio["sample_rate"], &audio["channels"]), (&json!("44100"), &json!(2)));
    }
    let duration: f64 = format["duration"].as_str().unwrap().parse().unwrap();
    assert!((0.9..1.2).contains(&duration), "{duration}");
    let bytes = fs::read(path).unwrap();
    let position = |atom: &[u8]| bytes.windows(4).position(|window| window == atom).unwrap();
    assert!(position(b"moov") < position(b"mdat"), "playback can start before the last byte");
}

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
        "id": "1", "presetId": WEB, "key": key, "status": "Complete", "duration": duration, "width": 1280, "height": 720,
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
async fn every_shape_of_video_becomes_the_web_preset() {
    let local = Local::start().await;
    let h264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let source = |size: &str| format!("-f lavfi -i testsrc=size={size}:rate=10:duration=1");
    let upright = video(&local, "upright.mp4", &format!("{} {h264}", source("1280x720")));
    // ffmpeg before 6 has no `-display_rotation`, ffmpeg since 7 takes no `rotate`.
    let turned = if supports_display_rotation() {
        format!("-display_rotation 90 -i {} -c copy", upright.display())
    } else {
        format!("-i {} -c copy -metadata:s:v rotate=90", upright.display())
    };
    let cases = [
        ("turned.mp4", turned, (404, 720), false),
        ("silent.webm", format!("{} -c:v libvpx-vp9 -deadline realtime", source("640x360")), (640, 360), false),
        ("small.mp4", format!("{} {h264}", source("320x240")), (320, 240), false),
        ("wide-pixels.mp4", format!("{} -vf setsar=64/45 {h264}", source("720x576")), (1024, 576), false),
        ("odd.avi", format!("{} -c:v mpeg4", source("319x239")), (318, 238), false),
        ("tall.mkv", format!("{} {h264}", source("200x1000")), (144, 720), false),
        (
            "mono.mov",
            format!("{} -f lavfi -i sine=duration=1 -ac 1 {h264} -c:a pcm_s16le", source("1920x800")),
            (1280, 532),
            true,
        ),
    ];
    for (name, arguments, (width, height), sound) in cases {
        // ffmpeg before 6 has no `-display_rotation`; the old way writes the same.
        local.put("media", name, &video(&local, name, &arguments)).await;
        local.submit(name).await;
        let worker = local.work();
        eventually(|| local.store.find("output", &format!("output/web/{name}")).unwrap().is_some()).await;
        worker.stop().await;
        assert_is_the_web_preset(&local.output(&format!("output/web/{name}")), width, height, sound);
    }
}

fn supports_display_rotation() -> bool {
    let help = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-h", "full"]).output().unwrap();
    String::from_utf8_lossy(&help.stdout).contains("-display_rotation")
}

#[tokio::test]
async fn what_is_no_video_ends_in_an_error_that_says_why() {
    let local = Local::start().await;
    video(&local, "song.m4a", "-f lavfi -i sine=duration=1");
    video(&local, "cover.png", "-f lavfi -i testsrc=size=64x64 -frames:v 1");
    let song_and_cover = format!(
        "-i {} -i {} -map 0 -map 1 -c:a copy -c:v png -disposition:v:0 attached_pic",
        local.path("song.m4a").display(),
        local.path("cover.png").display(),
    );
    video(&local, "covered.m4a", &song_and_cover);
    let good = fs::read(small_video(&local)).unwrap();
    let secret = video(&local, "secret.mkv", "-f lavfi -i testsrc=size=64x64:duration=1");
    let playlist = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", secret.display());
    let list = format!("ffconcat version 1.0\nfile '{}'\n", secret.display());
    let noise: Vec<u8> = (0..1250_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect();
    let unknown = "The file is not in a video format that is supported (webm, mp4, mov, m4v, mkv, avi)";
    let undecodable = "The file is not a video that can be decoded: Invalid data found when processing input";
    let cases: [(&str, Vec<u8>, u32, u32, &str); 8] = [
        ("empty.webm", Vec::new(), 4000, 1010, "The file is empty"),
        ("noise.webm", noise, 4000, 1010, undecodable),
        ("cut.mp4", good[..good.len() / 3].to_vec(), 4000, 1010, undecodable),
        ("song.mp4", fs::read(local.path("song.m4a")).unwrap(), 4008, 1020, "The file has no video in it"),
        ("covered.mp4", fs::read(local.path("covered.m4a")).unwrap(), 4008, 1020, "The file has no video in it"),
        ("picture.mp4", fs::read(local.path("cover.png")).unwrap(), 4000, 1030, unknown),
        ("playlist.mp4", playlist.into_bytes(), 4000, 1030, unknown),
        ("list.webm", list.into_bytes(), 4000, 1030, unknown),
    ];
    let mut expected = 0;
    local.work();
    for (name, content, ets_code, mc_code, reason) in cases {
        local.put_bytes("media", name, &content).await;
        let job = local.submit(name).await;
        expected += 2;
        let told = local.last_message(expected).await;
        let detail = told["messageDetails"].as_str().unwrap();
        assert_eq!((&told["state"], &told["errorCode"]), (&json!("ERROR"), &json!(ets_code)), "{name}");
        assert!(detail.starts_with(&format!("{ets_code} ")), "{detail}");
        assert!(detail.ends_with(&format!("{reason}.")), "{name}: {detail}");
        assert_eq!(told["outputs"][0]["statusDetail"], detail);
        assert_eq!(told["outputs"][0]["status"], "Error");
        assert_eq!(told["outputs"][0]["errorCode"], ets_code);
        let job = local.read(job.id().unwrap()).await;
        assert_eq!(job.status(), Some("Error"));
        assert_eq!(job.outputs()[0].status_detail(), Some(detail));

        let job = local.submit_to_mediaconvert(name, "s3://output/").await;
        expected += 2;
        let event = local.events(expected).await.pop().unwrap();
        let detail = &event["detail"];
        assert_eq!((&detail["status"], &detail["errorCode"]), (&json!("ERROR"), &json!(mc_code)), "{name}");
        assert_eq!(detail["errorMessage"], reason, "{name}");
        assert_eq!(detail["userMetadata"], json!({ "token": "0123abcd" }));
        let job = local.mediaconvert().get_job().id(job.id().unwrap()).send().await.unwrap().job.unwrap();
        assert_eq!((job.error_code(), job.error_message()), (i32::try_from(mc_code).ok(), Some(reason)));
        assert_eq!(local.store.find("output", &format!("output/web/{name}")).unwrap(), None);
    }
}

#[tokio::test]
async fn elastic_transcoder_never_overwrites_and_says_what_is_missing() {
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
async fn an_object_that_appears_during_the_encoding_is_not_overwritten_either() {
    let dir = tempfile::tempdir().unwrap();
    let program = script(dir.path(), &waits_then(dir.path(), "exec ffmpeg \"$@\""));
    let local = Local::start_in(dir, program).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    local.submit("x.mp4").await;
    local.work();
    eventually(|| local.path("started").exists()).await;
    local.put_bytes("output", "output/web/x.mp4", b"somebody else's").await;
    fs::write(local.path("go"), "").unwrap();
    assert_eq!(local.messages(2).await[1]["errorCode"], 3002);
    assert_eq!(fs::read(local.output("output/web/x.mp4")).unwrap(), b"somebody else's");
    assert_eq!(local.object_files(), 2);
}

/// A script that tells of its start and goes on when it is told to.
fn waits_then(dir: &Path, rest: &str) -> String {
    let dir = dir.display();
    format!("cd '{dir}'\ntouch started\nwhile ! [ -e go ]; do sleep 0.02; done\n{rest}")
}

#[tokio::test]
async fn an_input_that_is_replaced_during_the_encoding_is_read_again() {
    let dir = tempfile::tempdir().unwrap();
    let once = "if ! [ -e failed ]; then touch failed; echo 'file: No such file or directory' >&2; exit 1; fi";
    let program = script(dir.path(), &waits_then(dir.path(), &format!("{once}\nexec ffmpeg \"$@\"")));
    let local = Local::start_in(dir, program).await;
    local.put_bytes("media", "x.mp4", b"the first upload").await;
    local.submit("x.mp4").await;
    local.work();
    eventually(|| local.path("started").exists()).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    fs::write(local.path("go"), "").unwrap();
    assert_eq!(local.messages(2).await[1]["state"], "COMPLETED");
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
    local.work();
    let events = local.events(8).await;
    assert_eq!(events[1]["detail"]["status"], "COMPLETE");
    assert_is_the_web_preset(&local.output("x.mp4"), 160, 120, false);
    assert_eq!(events[3]["detail"]["errorCode"], 1404);
    let message = "Unable to open input file [s3://media/a/y.mp4]: it does not exist";
    assert_eq!(events[3]["detail"]["errorMessage"], message);
    assert_eq!(events[5]["detail"]["errorMessage"], "The S3 bucket no-such-bucket does not exist");
    assert_is_the_web_preset(&local.output("another-name.mp4"), 160, 120, false);
}

#[tokio::test]
async fn a_job_that_was_cut_off_starts_again_and_is_told_once() {
    let dir = tempfile::tempdir().unwrap();
    let hangs = script(dir.path(), &format!("echo $$ > '{}'; exec sleep 1000", dir.path().join("pid").display()));
    let local = Local::start_in(dir, hangs).await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    let job = local.submit("x.mp4").await;
    local.submit("y.mp4").await;
    let worker = local.work();
    eventually(|| fs::read_to_string(local.path("pid")).is_ok_and(|pid| pid.ends_with('\n'))).await;
    assert_eq!(local.read(job.id().unwrap()).await.status(), Some("Progressing"));
    worker.stop().await;
    let pid = fs::read_to_string(local.path("pid")).unwrap();
    eventually(|| !Command::new("kill").args(["-0", pid.trim()]).output().unwrap().status.success()).await;
    assert_eq!(local.object_files(), 1, "no half file is left");

    let Local { dir, .. } = local;
    let local = Local::start_in(dir, Ffmpeg::default()).await;
    local.work();
    let states: Vec<_> = local
        .messages(4)
        .await
        .iter()
        .map(|message| (message["jobId"] == job.id().unwrap(), message["state"].as_str().unwrap().to_owned()))
        .collect();
    let expected = [(true, "PROGRESSING"), (true, "COMPLETED"), (false, "PROGRESSING"), (false, "ERROR")];
    assert_eq!(states, expected.map(|(first, state)| (first, state.to_owned())));
    assert_is_the_web_preset(&local.output("output/web/x.mp4"), 160, 120, false);
}

#[tokio::test]
async fn ffmpeg_that_is_missing_too_slow_or_killed_ends_the_job_with_that_reason() {
    let missing = Ffmpeg { ffmpeg: "/no/such/ffmpeg".into(), ..Ffmpeg::default() };
    let advice = "ffmpeg is not installed; install it with `apt-get install ffmpeg` or `brew install ffmpeg`";
    assert_eq!(missing.find().unwrap_err().to_string(), advice);
    assert!(Ffmpeg::default().find().unwrap().0.starts_with(|c: char| c.is_ascii_alphanumeric()));

    let dir = tempfile::tempdir().unwrap();
    let hangs = script(dir.path(), "exec sleep 1000");
    let slow = Ffmpeg { time_limit: Duration::from_millis(50), ..hangs };
    let other_dir = tempfile::tempdir().unwrap();
    let killed = script(other_dir.path(), "kill -9 $$");
    let cases = [
        (missing, advice),
        (slow, "Transcoding took longer than 50ms and was stopped"),
        (killed, "ffmpeg was killed by the operating system, perhaps for want of memory"),
    ];
    for (ffmpeg, reason) in cases {
        let local = Local::start_with(ffmpeg).await;
        local.put_bytes("media", "x.mp4", b"anything").await;
        local.submit("x.mp4").await;
        local.work();
        let message = local.last_message(2).await;
        assert_eq!(message["errorCode"], 9000);
        let details = message["messageDetails"].as_str().unwrap();
        assert!(details.ends_with(&format!(": {reason}.")), "{details}");
        assert_eq!(local.object_files(), 1);
    }
}

#[tokio::test]
async fn a_submitted_job_can_be_canceled_once() {
    let local = Local::start().await;
    local.put("media", "x.mp4", &small_video(&local)).await;
    let client = local.elastictranscoder();
    let canceled = local.submit("x.mp4").await;
    client.cancel_job().id(canceled.id().unwrap()).send().await.unwrap();
    let error = client.cancel_job().id(canceled.id().unwrap()).send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_in_use_exception());
    let convert = local.mediaconvert();
    let other = local.submit_to_mediaconvert("x.mp4", "s3://output/").await;
    convert.cancel_job().id(other.id().unwrap()).send().await.unwrap();
    let error = convert.cancel_job().id(other.id().unwrap()).send().await.unwrap_err();
    assert!(error.into_service_error().is_conflict_exception());

    let job = local.submit("x.mp4").await;
    local.work();
    let messages = local.messages(2).await;
    assert!(messages.iter().all(|message| message["jobId"] == job.id().unwrap()));
    assert_eq!(local.read(canceled.id().unwrap()).await.status(), Some("Canceled"));
}

#[tokio::test]
async fn jobs_are_listed_in_pages() {
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

    let newest = client.list_jobs_by_status().status("Submitted").ascending("false").send().await.unwrap();
    assert_eq!(newest.jobs()[0].id(), ids.last().map(String::as_str));
    let none = client.list_jobs_by_status().status("Error").send().await.unwrap();
    assert_eq!((none.jobs().len(), none.next_page_token()), (0, None));
    let error = client.list_jobs_by_status().status("Lost").send().await.unwrap_err();
    assert!(error.into_service_error().is_validation_exception());
    let bad_token = client.list_jobs_by_status().status("Error").page_token("x").send().await.unwrap_err();
    assert!(bad_token.into_service_error().is_validation_exception());

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
    let found = convert.search_jobs().input_file("s3://media/7.mp4").send().await.unwrap();
    assert_eq!(found.jobs().iter().map(|job| job.id().unwrap()).collect::<Vec<_>>(), [ids[7].as_str()]);
    let too_many = convert.list_jobs().max_results(21).send().await.unwrap_err();
    assert!(too_many.into_service_error().is_bad_request_exception());
}

#[tokio::test]
async fn pipelines_are_created_and_read_and_a_pipeline_without_topics_is_silent() {
    let local = Local::start().await;
    let client = local.elastictranscoder();
    assert_eq!(local.transcoder.create_pipeline("videos", "media", "output").unwrap(), local.pipeline);
    let known = client.read_pipeline().id(&local.pipeline).send().await.unwrap().pipeline.unwrap();
    assert_eq!((known.name(), known.status()), (Some("videos"), Some("Active")));
    assert_eq!((known.input_bucket(), known.output_bucket()), (Some("media"), Some("output")));
    let topic = known.notifications().unwrap().completed().unwrap();
    assert_eq!(topic, format!("arn:aws:sns:{REGION}:{ACCOUNT}:videos"));

    let silent = client.create_pipeline().name("silent").input_bucket("media").output_bucket("output").role(ROLE);
    let silent = silent.send().await.unwrap().pipeline.unwrap();
    let listed = client.list_pipelines().send().await.unwrap();
    assert_eq!(listed.pipelines().len(), 2);
    local.put("media", "x.mp4", &small_video(&local)).await;
    let output = CreateJobOutput::builder().key("x.mp4").preset_id(WEB).build();
    let request = client.create_job().pipeline_id(silent.id().unwrap()).outputs(output);
    request.input(JobInput::builder().key("x.mp4").build()).send().await.unwrap();
    local.work();
    eventually(|| local.store.find("output", "x.mp4").unwrap().is_some()).await;
    assert_eq!(local.events_now(), Vec::<Value>::new());

    let error = client.create_pipeline().name("x").role(ROLE).send().await.unwrap_err();
    assert_eq!(
        error.into_service_error().message(),
        Some(
            "1 validation error detected: Value null at 'inputBucket' failed to satisfy constraint: Member must not be null"
        )
    );
}

#[tokio::test]
async fn the_web_preset_is_the_one_preset() {
    let local = Local::start().await;
    let client = local.elastictranscoder();
    let preset = client.read_preset().id(WEB).send().await.unwrap().preset.unwrap();
    assert_eq!(preset.name(), Some("System preset: Web"));
    let video = preset.video().unwrap();
    assert_eq!((video.max_width(), video.max_height(), video.bit_rate()), (Some("1280"), Some("720"), Some("2200")));
    assert_eq!(video.codec_options().unwrap()["Level"], "3.1");
    assert_eq!(preset.audio().unwrap().sample_rate(), Some("44100"));
    assert_eq!(client.list_presets().send().await.unwrap().presets(), [preset]);
    let error = client.read_preset().id("1351620000001-000001").send().await.unwrap_err();
    assert!(error.into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn elastic_transcoder_refuses_what_aws_refuses() {
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
        let answer = local.post("/2012-09-25/jobs", &body).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{body}: {answer}");
        assert!(answer.contains(&format!("\r\nx-amzn-errortype: {code}\r\n")), "{answer}");
        assert!(answer.contains("\r\nx-amzn-requestid: ") && answer.contains("{\"message\":\""), "{answer}");
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

#[tokio::test]
async fn mediaconvert_refuses_what_it_cannot_do_and_names_the_place() {
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
    let cases: [(String, String); 14] = [
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
            job(&|job| {
                let first = job["settings"]["outputGroups"][0].clone();
                job["settings"]["outputGroups"] = json!([first, first]);
            }),
            "/settings/outputGroups: ".to_owned(),
        ),
    ];
    for (body, message) in cases {
        let answer = local.post("/2017-08-29/jobs", &body).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{body}: {answer}");
        assert!(answer.contains("\r\nx-amzn-errortype: BadRequestException\r\n"), "{answer}");
        assert!(answer.contains(&format!("{{\"message\":\"{message}")), "{message}: {answer}");
    }
    let elsewhere = job(&|job| job["queue"] = json!("arn:aws:mediaconvert:eu-west-1:000000000000:queues/Fast"));
    let answer = local.post("/2017-08-29/jobs", &elsewhere).await;
    assert!(answer.contains("\r\nx-amzn-errortype: NotFoundException\r\n"), "{answer}");
    assert!(local.post("/2017-08-29/jobs", &job(&|_| ())).await.starts_with("HTTP/1.1 201 Created\r\n"));
    let unknown = local.mediaconvert().get_job().id("x").send().await.unwrap_err();
    assert!(unknown.into_service_error().is_not_found_exception());
}

#[tokio::test]
async fn a_client_request_token_makes_one_job() {
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
async fn mediaconvert_answers_its_address_and_its_queue() {
    let local = Local::start().await;
    let client = local.mediaconvert();
    #[allow(deprecated, reason = "older clients still ask")]
    let endpoints = client.describe_endpoints().send().await.unwrap();
    assert_eq!(endpoints.endpoints()[0].url(), Some(format!("http://{}", local.address).as_str()));
    local.submit_to_mediaconvert("x.mp4", "s3://output/").await;
    let queue = client.get_queue().name("Default").send().await.unwrap().queue.unwrap();
    assert_eq!((queue.name(), queue.submitted_jobs_count()), (Some("Default"), Some(1)));
    let error = client.get_queue().name("Fast").send().await.unwrap_err();
    assert!(error.into_service_error().is_not_found_exception());
}

#[tokio::test]
async fn only_requests_with_our_access_key_are_served() {
    let local = Local::start().await;
    let error = local.elastictranscoder_as("stranger").list_pipelines().send().await.unwrap_err();
    assert_eq!(error.code(), Some("UnrecognizedClientException"));
    let get = |path: &str, header: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{header}Connection: close\r\n\r\n", local.address)
    };
    let cases = [
        (get("/2012-09-25/pipelines", ""), "403 Forbidden", "MissingAuthenticationTokenException"),
        (get("/2017-08-29/jobs", ""), "403 Forbidden", "MissingAuthenticationTokenException"),
        (get("/2017-08-29/jobs", "Authorization: Basic eA==\r\n"), "400 Bad Request", "IncompleteSignatureException"),
        (get("/2012-09-25/nothing", ""), "404 Not Found", "UnknownOperationException"),
        (get("/", ""), "404 Not Found", "UnknownOperationException"),
        (get("/2012-09-25/jobs", ""), "404 Not Found", "UnknownOperationException"),
    ];
    for (request, status, code) in cases {
        let answer = local.raw(&request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}{answer}");
        assert!(answer.contains(&format!("\r\nx-amzn-errortype: {code}\r\n")), "{request}{answer}");
    }
}
