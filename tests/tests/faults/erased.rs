//! An erasure while the function is killed or held at every call and uploads and results arrive: nothing of the video
//! is left, nothing comes back, nothing else goes.

use std::collections::BTreeSet;
use std::time::Instant;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use video_core::event_bus::EventType;
use video_core::job::results_prefix;
use video_core::records::RecordId;
use video_tests::Functions;
use video_tests::events::{JobState, requested, set_output};
use video_tests::faults::{Call, Fate, Gate, Network};

use super::kill::{Kill, Rescue, killed_at, kills, sweep_until, with_a_rescue, with_both_rescues};
use super::{
    LONG_LEASE, TestSystem, TranscoderKind, Upload, Video, deliver_until_handled, each, idle_system, job_event, on_both,
};

/// Find and read the record, cancel its job, list and abort unfinished uploads, write the tombstone, list and delete in
/// each bucket, delete the record.
const CALLS: usize = 11;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_killed_at_any_call_leaves_nothing_and_lets_nothing_back() {
    on_both(async |kind| {
        // The transcoder matters to one call only, so each gets half of the cases.
        let all = with_a_rescue(kills(CALLS).map(|kill| vec![kill])).into_iter().enumerate();
        let half = usize::from(kind == TranscoderKind::MediaConvert);
        let cases = all.filter(|(number, _)| (number / 2 + number / 4) % 2 == half).map(|(_, case)| case);
        kill_erasures(kind, cases.collect()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn an_erasure_killed_at_any_two_calls_leaves_nothing_and_lets_nothing_back() {
    for kind in TranscoderKind::ALL {
        let once = kills(CALLS).map(|kill| vec![kill]);
        let twice = kills(CALLS).flat_map(|first| kills(CALLS).map(move |second| vec![first, second]));
        kill_erasures(kind, with_both_rescues(once)).await;
        kill_erasures(kind, with_a_rescue(twice)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_arrives_at_any_call_of_an_erasure_does_not_stay() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let bystanders = Bystanders::put(&system).await;
        each((1..=CALLS).collect(), async |number, n| {
            let erasure = Erasure::of(&system, &functions, number).await;
            let held = Held::at(&system, &functions, &erasure.event, n).await;
            erasure.late_arrivals(&system, &functions).await;
            held.go_on().await;
        })
        .await;
        bystanders.assert_alone(&system).await;
        println!("erased: {kind:?}: held at {CALLS} calls while an upload and a result arrived, nothing left");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_held_at_any_call_while_its_video_is_erased_does_not_come_back() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let bystanders = Bystanders::put(&system).await;
        // Find, claim, create the job, record it; or look for the tombstone, adopt and look again in place of the
        // first.
        let requested = (1..=4).map(|n| (true, n));
        let unsolicited = (1..=6).map(|n| (false, n));
        let videos = each(requested.chain(unsolicited).collect(), async |number, (is_requested, n)| {
            let video = match is_requested {
                true => Video::of("held", number).requested(&system).await,
                false => Video::unsolicited("held", number),
            };
            let upload = video.upload("0A");
            system.put(video.key.as_str(), b"video".to_vec()).await;
            if !is_requested {
                system.table().find_or_adopt(&video.key, std::time::SystemTime::now()).await.unwrap();
            }
            let held = Held::at(&system, &functions, &upload.event(&system), n).await;
            erase(&system, &video.id).await;
            let erasure = requested_erasure(&video);
            deliver_until_handled(&functions.direct(LONG_LEASE), &erasure).await;
            held.go_on().await;
            deliver_until_handled(&functions.direct(LONG_LEASE), &upload.event(&system)).await;
            late_result(&system, &functions, &upload, "job-of-an-erased-video").await;
            Rescue::Sweep.prepare(&system, &functions, &video, &erasure).await;
            video
        })
        .await;
        sweep_until(&system, &functions.direct(LONG_LEASE), videos, |record| record.is_none()).await;
        bystanders.assert_alone(&system).await;
        println!("erased: {kind:?}: 10 uploads held while their videos were erased, nothing came back");
    })
    .await;
}

fn requested_erasure(video: &Video) -> Value {
    requested(EventType::EraseRequested, &video.key)
}

/// Lets the admin delete a video.
async fn erase(system: &TestSystem, id: &RecordId) {
    let (project, step) = id.project_step.rsplit_once('-').unwrap();
    let path = format!("/videos/{project}/{step}?mail={}", id.mail.replace(' ', "%20"));
    let response = system.send_as_admin(Method::DELETE, &path).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{path}");
}

/// A handler that is held at one of its calls.
struct Held {
    gate: Gate,
    handling: tokio::task::JoinHandle<()>,
    _network: Network,
}

impl Held {
    async fn at(system: &TestSystem, functions: &Functions, event: &Value, n: usize) -> Self {
        let gate = Gate::default();
        let rule = {
            let gate = gate.clone();
            move |call: &Call| if call.number == n { Fate::Hold(gate.clone()) } else { Fate::Pass }
        };
        let network = Network::to(system, rule).await;
        let (function, event) = (functions.behind(&network, LONG_LEASE), event.clone());
        let handling = tokio::spawn(async move {
            video_events::handle(&function, event).await.ok();
        });
        gate.reached().await;
        Self { gate, handling, _network: network }
    }

    async fn go_on(self) {
        self.gate.open();
        self.handling.await.unwrap();
    }
}

/// A video that the admin deletes, with everything that can be there.
struct Erasure {
    upload: Upload,
    job_id: String,
    event: Value,
}

impl Erasure {
    async fn of(system: &TestSystem, functions: &Functions, number: usize) -> Self {
        let video = Video::of("erased", number).requested(system).await;
        let upload = video.upload("0A");
        deliver_until_handled(&functions.direct(LONG_LEASE), &upload.event(system)).await;
        let job_id = video.record(system).await.job_id.unwrap();
        let (media, output) = (system.at.media_bucket, system.at.output_bucket);
        let (stem, results) = (video.key.stem(), results_prefix(&video.key));
        put(system, media, &format!("{stem}.webm")).await;
        put(system, media, &format!("{stem}.mp4")).await;
        let unfinished = system.s3().create_multipart_upload().bucket(media).key(format!("{stem}.mov"));
        unfinished.send().await.unwrap();
        put(system, output, &format!("{results}.mp4")).await;
        put(system, output, &format!("{results}/0A-0001.mp4")).await;
        erase(system, &video.id).await;
        Self { event: requested_erasure(&video), upload, job_id }
    }

    /// Uploads with an outstanding form of another type, and lets the job end all the same.
    async fn late_arrivals(&self, system: &TestSystem, functions: &Functions) {
        let key = format!("{}.mp4", self.upload.video.key.stem());
        put(system, system.at.media_bucket, &key).await;
        let function = functions.direct(LONG_LEASE);
        deliver_until_handled(&function, &system.object_created(&key, "0B")).await;
        deliver_until_handled(&function, &self.upload.event(system)).await;
        late_result(system, functions, &self.upload, &self.job_id).await;
    }
}

/// Puts a result, and delivers its event.
async fn late_result(system: &TestSystem, functions: &Functions, upload: &Upload, job_id: &str) {
    let output = format!("{}/0A.mp4", results_prefix(&upload.video.key));
    put(system, system.at.output_bucket, &output).await;
    let mut event = job_event(functions, upload, system, job_id, JobState::Complete);
    set_output(functions.kind, &mut event, system.at.output_bucket, &output);
    deliver_until_handled(&functions.direct(LONG_LEASE), &event).await;
}

async fn put(system: &TestSystem, bucket: &str, key: &str) {
    system.s3().put_object().bucket(bucket).key(key).body(b"video".to_vec().into()).send().await.unwrap();
}

async fn objects(system: &TestSystem, bucket: &str) -> BTreeSet<String> {
    let s3 = system.s3();
    let mut pages = s3.list_objects_v2().bucket(bucket).into_paginator().send();
    let mut keys = BTreeSet::new();
    while let Some(page) = pages.next().await {
        keys.extend(page.unwrap().contents().iter().map(|object| object.key().unwrap().to_owned()));
    }
    keys
}

/// What must stay: another person's video, and names that only begin like those of the first erased one.
struct Bystanders {
    id: RecordId,
    media: BTreeSet<String>,
    output: BTreeSet<String>,
}

impl Bystanders {
    async fn put(system: &TestSystem) -> Self {
        let other = Video::of("bystander", 0).requested(system).await;
        let erased = Video::of("erased", 0).key;
        let (stem, results) = (erased.stem(), results_prefix(&erased));
        let media = [other.key.to_string(), format!("{stem}x.webm"), format!("{stem}.webm/clip.webm")].into();
        let output = [format!("{}.mp4", results_prefix(&other.key)), format!("{results}/clip.webm/0A.mp4")].into();
        let bystanders = Self { id: other.id, media, output };
        for (bucket, keys) in
            [(system.at.media_bucket, &bystanders.media), (system.at.output_bucket, &bystanders.output)]
        {
            for key in keys {
                put(system, bucket, key).await;
            }
        }
        bystanders
    }

    /// Asserts that they are all that there is.
    async fn assert_alone(&self, system: &TestSystem) {
        assert_eq!(objects(system, system.at.media_bucket).await, self.media);
        assert_eq!(objects(system, system.at.output_bucket).await, self.output);
        let unfinished = system.s3().list_multipart_uploads().bucket(system.at.media_bucket).send().await.unwrap();
        assert!(unfinished.uploads().is_empty(), "{unfinished:?}");
        let mut items = system.dynamodb().scan().table_name(system.at.table).into_paginator().items().send();
        while let Some(item) = items.next().await {
            let item = item.unwrap();
            let mail = item["Mail"].as_s().unwrap();
            assert!(*mail == self.id.mail || mail.starts_with("erased/"), "{item:?}");
        }
    }
}

async fn kill_erasures(kind: TranscoderKind, cases: Vec<(Vec<Kill>, Rescue)>) {
    let started = Instant::now();
    let (system, functions) = idle_system(kind).await;
    let network = Network::to(&system, |_| Fate::Pass).await;
    let counted = Erasure::of(&system, &functions, cases.len()).await;
    video_events::handle(&functions.behind(&network, LONG_LEASE), counted.event).await.unwrap();
    assert_eq!(network.calls(), CALLS);

    let bystanders = Bystanders::put(&system).await;
    let all = cases.len();
    let killed = each(cases, async |number, (kills, rescue): (Vec<Kill>, Rescue)| {
        let erasure = Erasure::of(&system, &functions, number).await;
        let mut killed = 0;
        for kill in kills {
            killed += usize::from(killed_at(&system, &functions, &erasure.event, kill).await);
            erasure.late_arrivals(&system, &functions).await;
        }
        let video = erasure.upload.video;
        rescue.prepare(&system, &functions, &video, &erasure.event).await;
        (video, killed)
    })
    .await;
    let videos = killed.iter().map(|(video, _)| video.clone()).collect();
    sweep_until(&system, &functions.direct(LONG_LEASE), videos, |record| record.is_none()).await;
    bystanders.assert_alone(&system).await;
    println!(
        "erased: {kind:?}: {all} erasures, {} handlers killed, nothing left and nothing else gone, {:.1} s",
        killed.iter().map(|(_, killed)| killed).sum::<usize>(),
        started.elapsed().as_secs_f64()
    );
}
