//! The local system as a process that is killed at any moment: what was accepted ends, and nothing half is ever played.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use video_core::TranscoderKind;
use video_tests::faults::Functions;
use video_tests::media::{self, Facts};
use video_tests::program::{LocalSystem, Profile, program};
use video_tests::{Variables, eventually};

use super::{LEASE_OF_ONE_AT_A_TIME, on_both, seeded};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_local_system_finishes_what_it_accepted() {
    let program = program("video-local", Profile::Debug).await;
    on_both(async |kind| killing(&program, kind, 3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form, for `make torture`"]
async fn a_local_system_killed_fifty_times_finishes_what_it_accepted() {
    let program = program("video-local", Profile::Debug).await;
    for kind in TranscoderKind::ALL {
        killing(&program, kind, 25).await;
    }
}

/// The longest that a system runs before it is killed; at times it has not even started then.
const LONGEST_LIFE: u64 = 1500;
const UPLOADS_AT_ONCE: usize = 2;

async fn killing(program: &Path, kind: TranscoderKind, kills: usize) {
    let mut rng = seeded("killed process");
    let started = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let client = Client::default();
    let file = media::small_webm();
    for kill in 0..kills {
        let mut running = start(program, dir.path(), kind);
        let life = Duration::from_millis(rng.u64(..LONGEST_LIFE));
        // One in five dies while it starts.
        let at = if rng.u8(..5) == 0 { None } else { Some(running.ready().await) };
        if let Some(at) = at {
            let uploads =
                (0..UPLOADS_AT_ONCE).map(|lane| client.upload_for_ever(&at, kill * UPLOADS_AT_ONCE + lane, &file));
            let busy = async { tokio::join!(futures_util::future::join_all(uploads), client.watch_for_ever(&at)) };
            tokio::time::timeout(life, busy).await.expect_err("it goes on until the end");
        } else {
            tokio::time::sleep(life / 10).await;
        }
        running.kill().await;
    }

    let mut running = start(program, dir.path(), kind);
    let at = running.ready().await;
    let accepted = client.accepted.lock().unwrap().clone();
    let redriven = client.all_ended(&at, kind, dir.path(), &accepted).await;
    let videos = client.videos(&at).await.unwrap();
    let (mut ready, mut failed) = (0, 0);
    for key in &accepted {
        let video = videos.iter().find(|video| video["video"] == key.as_str()).unwrap();
        if video["status"] == "ready" {
            ready += 1;
            client.play(video).await.expect("the result can be fetched");
        } else {
            failed += 1;
            assert!(!video["error"].as_str().unwrap().is_empty(), "{video}");
        }
    }
    running.kill().await;
    println!(
        "killed process: {kind:?}: {kills} kills, {} uploads accepted: {ready} ready, {failed} failed with a reason, 0 lost; \
         {redriven} dead letters redriven; {} playbacks fetched, all whole; {:.1} s",
        accepted.len(),
        client.played.lock().unwrap().len(),
        started.elapsed().as_secs_f64()
    );
    assert!(!accepted.is_empty());
}

fn start(program: &Path, dir: &Path, kind: TranscoderKind) -> LocalSystem {
    LocalSystem::start(program, dir, |command| {
        command.args(["--transcoder", kind.as_str()]).env("RUST_LOG", "error");
        command.env("UPLOAD_LEASE_SECONDS", LEASE_OF_ONE_AT_A_TIME.to_string());
    })
}

/// People who upload and an admin who watches; both live with a system that goes away at any moment.
#[derive(Default)]
struct Client {
    http: reqwest::Client,
    /// The keys of the uploads that were answered with 201.
    accepted: Mutex<BTreeSet<String>>,
    /// The results that were fetched whole while systems ran.
    played: Arc<Mutex<HashSet<String>>>,
}

impl Client {
    /// One upload after the other, each of a video of its own.
    async fn upload_for_ever(&self, at: &Value, lane: usize, file: &[u8]) {
        for number in 0.. {
            if let Some(key) = self.upload(at, &format!("/presignedurl/lane{lane}/{number}?mail=a@b"), file).await {
                self.accepted.lock().unwrap().insert(key);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn upload(&self, at: &Value, path: &str, file: &[u8]) -> Option<String> {
        let form = self.http.get(format!("{}{path}", text(at, "api"))).send().await.ok()?;
        let form: Value = form.json().await.ok()?;
        let mut body = Form::new();
        for (name, value) in form["fields"].as_object()? {
            body = body.text(name.clone(), value.as_str()?.to_owned());
        }
        let body = body.part("file", Part::bytes(file.to_vec()).file_name("video"));
        let answer = self.http.post(text(&form, "url")).multipart(body).send().await.ok()?;
        (answer.status() == StatusCode::CREATED).then(|| text(&form["fields"], "key"))
    }

    async fn watch_for_ever(&self, at: &Value) {
        loop {
            for video in self.videos(at).await.unwrap_or_default() {
                if video["status"] == "ready" {
                    self.play(&video).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn videos(&self, at: &Value) -> Option<Vec<Value>> {
        let admin = &at["admin"];
        let list = self.http.get(format!("{}/videos?limit=1000", text(at, "api")));
        let list = list.basic_auth(text(admin, "username"), Some(text(admin, "password")));
        list.send().await.ok()?.json().await.ok()
    }

    /// Fetches a result that was not fetched yet, and looks whether it is whole; `None` when the system went away meanwhile.
    async fn play(&self, video: &Value) -> Option<()> {
        let output = format!("{} {}", video["output"], video["sequencer"]);
        if self.played.lock().unwrap().contains(&output) {
            return Some(());
        }
        let answer = self.http.get(video["playback"].as_str().unwrap()).send().await.ok()?;
        let status = answer.status();
        let file = answer.bytes().await.ok()?;
        assert_eq!(status, StatusCode::OK, "{video}");
        let played = Arc::clone(&self.played);
        let looked_at = tokio::task::spawn_blocking(move || {
            let facts = Facts::of(&file);
            assert_eq!((facts.width, facts.height, facts.fast_start), (160, 120, true), "{output}");
            assert!((facts.seconds - 1.0).abs() < 0.2, "{output} has {} s", facts.seconds);
            played.lock().unwrap().insert(output);
        });
        looked_at.await.unwrap();
        Some(())
    }

    /// Waits until every accepted upload is ready or failed, redriving dead letters as an operator does; answers how many those were.
    async fn all_ended(&self, at: &Value, kind: TranscoderKind, dir: &Path, accepted: &BTreeSet<String>) -> usize {
        let functions = Functions::with(Variables::of(at), kind).await;
        let function = functions.direct(LEASE_OF_ONE_AT_A_TIME);
        let mut redriven = HashSet::new();
        eventually("everything that was accepted ends", async || {
            let letters = std::fs::read_to_string(dir.join("data/dead-letter.jsonl")).unwrap_or_default();
            for letter in letters.lines().filter(|letter| !redriven.contains(*letter)).collect::<Vec<_>>() {
                if video_events::handle(&function, serde_json::from_str(letter).unwrap()).await.is_ok() {
                    redriven.insert(letter.to_owned());
                }
            }
            let videos = self.videos(at).await?;
            let ended = |key: &String| {
                let video = videos.iter().find(|video| video["video"] == key.as_str());
                video.is_some_and(|video| video["status"] == "ready" || video["status"] == "failed")
            };
            accepted.iter().all(ended).then_some(())
        })
        .await;
        redriven.len()
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
