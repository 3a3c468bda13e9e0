//! `video-local` is killed at any moment: every accepted upload is finished, and no incomplete result can ever be
//! downloaded.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::Value;
use video_core::TranscoderKind;
use video_tests::media::{self, Facts};
use video_tests::program::{LocalSystem, program};
use video_tests::{Form, Functions, Variables, eventually};

use super::{RETRY_LEASE, on_both, seeded};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_local_system_finishes_what_it_accepted() {
    let program = program("video-local").await;
    on_both(async |kind| kill_repeatedly(&program, kind, 3).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long form: make torture"]
async fn a_local_system_killed_fifty_times_finishes_what_it_accepted() {
    let program = program("video-local").await;
    for kind in TranscoderKind::ALL {
        kill_repeatedly(&program, kind, 25).await;
    }
}

/// The longest time in milliseconds that a system runs before it is killed.
const MAX_UPTIME: u64 = 1500;
const CONCURRENT_UPLOADS: usize = 2;

async fn kill_repeatedly(program: &Path, kind: TranscoderKind, kills: usize) {
    let mut rng = seeded("video-local killed");
    let started = Instant::now();
    let dir = tempfile::tempdir().unwrap();
    let client = Client::default();
    let file = media::small_webm();
    for kill in 0..kills {
        let mut running = start(program, dir.path(), kind);
        let uptime = Duration::from_millis(rng.u64(..MAX_UPTIME));
        // One in five is killed while it starts.
        let at = if rng.u8(..5) == 0 { None } else { Some(running.ready().await) };
        if let Some(at) = at {
            let uploads =
                (0..CONCURRENT_UPLOADS).map(|lane| client.keep_uploading(&at, kill * CONCURRENT_UPLOADS + lane, &file));
            let clients = async { tokio::join!(futures_util::future::join_all(uploads), client.keep_downloading(&at)) };
            tokio::time::timeout(uptime, clients).await.expect_err("the clients never stop");
        } else {
            tokio::time::sleep(uptime / 10).await;
        }
        running.kill().await;
    }

    let mut running = start(program, dir.path(), kind);
    let at = running.ready().await;
    let accepted = client.accepted.lock().unwrap().clone();
    let redriven = client.wait_until_all_ended(&at, kind, dir.path(), &accepted).await;
    let videos = client.videos(&at).await.unwrap();
    let (mut ready, mut failed) = (0, 0);
    for key in &accepted {
        let video = videos.iter().find(|video| video["video"] == key.as_str()).unwrap();
        if video["status"] == "ready" {
            ready += 1;
            client.download(video).await.expect("the result can be downloaded");
        } else {
            failed += 1;
            assert!(!video["error"].as_str().unwrap().is_empty(), "{video}");
        }
    }
    running.kill().await;
    println!(
        "video-local killed: {kind:?}: {kills} kills, {} uploads accepted: {ready} ready, {failed} failed with a \
         reason, 0 lost; {redriven} dead letters redriven; {} results downloaded, all complete; {:.1} s",
        accepted.len(),
        client.downloaded.lock().unwrap().len(),
        started.elapsed().as_secs_f64()
    );
    assert!(!accepted.is_empty());
}

fn start(program: &Path, dir: &Path, kind: TranscoderKind) -> LocalSystem {
    LocalSystem::start(program, dir, |command| {
        command.args(["--transcoder", kind.as_str()]).env("RUST_LOG", "error");
        command.env("UPLOAD_LEASE_SECONDS", RETRY_LEASE.to_string());
    })
}

/// People who upload and an admin who downloads, of a system that may be killed at any moment.
#[derive(Default)]
struct Client {
    http: reqwest::Client,
    /// The keys of the uploads that S3 accepted.
    accepted: Mutex<BTreeSet<String>>,
    /// The results that have been downloaded completely.
    downloaded: Arc<Mutex<HashSet<String>>>,
}

impl Client {
    /// Makes one upload after the other, each of another video.
    async fn keep_uploading(&self, at: &Value, lane: usize, file: &[u8]) {
        for number in 0.. {
            if let Some(key) = self.upload(at, &format!("/presignedurl/lane{lane}/{number}?mail=a@b"), file).await {
                self.accepted.lock().unwrap().insert(key);
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    async fn upload(&self, at: &Value, path: &str, file: &[u8]) -> Option<String> {
        let form = self.http.get(format!("{}{path}", text(at, "api"))).send().await.ok()?;
        let form = Form::read(&form.json().await.ok()?)?;
        let response = form.post(&self.http, file.to_vec()).await.ok()?;
        (response.status() == StatusCode::CREATED).then(|| form.fields["key"].clone())
    }

    async fn keep_downloading(&self, at: &Value) {
        loop {
            for video in self.videos(at).await.unwrap_or_default() {
                if video["status"] == "ready" {
                    self.download(&video).await;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn videos(&self, at: &Value) -> Option<Vec<Value>> {
        let admin = &at["admin"];
        let list = self.http.get(format!("{}/videos?limit=500", text(at, "api")));
        let list = list.basic_auth(text(admin, "username"), Some(text(admin, "password")));
        list.send().await.ok()?.json().await.ok()
    }

    /// Downloads a result, unless it was downloaded before, and asserts that it is complete; `None` when the system was
    /// killed.
    async fn download(&self, video: &Value) -> Option<()> {
        let output = format!("{} {}", video["output"], video["sequencer"]);
        if self.downloaded.lock().unwrap().contains(&output) {
            return Some(());
        }
        let response = self.http.get(video["playback"].as_str().unwrap()).send().await.ok()?;
        let status = response.status();
        let file = response.bytes().await.ok()?;
        assert_eq!(status, StatusCode::OK, "{video}");
        let downloaded = Arc::clone(&self.downloaded);
        let checked = tokio::task::spawn_blocking(move || {
            let facts = Facts::of(&file);
            assert_eq!((facts.width, facts.height, facts.fast_start), (160, 120, true), "{output}");
            assert!((facts.seconds - 1.0).abs() < 0.2, "{output} has {} s", facts.seconds);
            downloaded.lock().unwrap().insert(output);
        });
        checked.await.unwrap();
        Some(())
    }

    /// Waits until every accepted upload is ready or failed, redrives dead letters meanwhile, and returns how many
    /// those were.
    async fn wait_until_all_ended(
        &self,
        at: &Value,
        kind: TranscoderKind,
        dir: &Path,
        accepted: &BTreeSet<String>,
    ) -> usize {
        let functions = Functions::with(Variables::of(at), kind).await;
        let function = functions.direct(RETRY_LEASE);
        let mut redriven = HashSet::new();
        eventually("every accepted upload is ready or failed", async || {
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
