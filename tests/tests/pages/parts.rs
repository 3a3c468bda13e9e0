//! Large videos, which the upload page sends in parts: what a broken network, a reload and a cancel do to them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::PathBuf;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::MultipartUpload;
use serde_json::json;
use tokio::io::AsyncReadExt;
use video_tests::eventually;

use crate::World;
use crate::browser::Browser;

/// Five parts, the last of which is smaller.
const SIZE: usize = 40_000_000;
const PART: f64 = 8_388_608.0;
const CHUNK: usize = 1_000_000;
const WAITING: &str = "left.textContent.startsWith('No connection')";
/// What the page has asked for, by kind.
const REQUESTS: &str = "return (() => {
    const names = performance.getEntriesByType('resource').map(({ name }) => new URL(name));
    const count = (test) => names.filter(test).length;
    return {
        created: count(({ pathname }) => pathname.endsWith('/s3/multipart')),
        parts: count(({ search }) => search.includes('partNumber=')),
        forms: count(({ pathname }) => pathname.includes('/presignedurl')),
    };
})()";
/// The texts of everything that the browser stores for this origin.
const STORED: &str = "return (async () => {
    const texts = [JSON.stringify(localStorage), JSON.stringify(sessionStorage), document.cookie];
    for (const { name } of await indexedDB.databases()) {
        const done = (request) => new Promise((resolve, reject) => {
            request.onsuccess = () => resolve(request.result);
            request.onerror = () => reject(request.error);
        });
        const database = await done(indexedDB.open(name));
        for (const store of database.objectStoreNames) {
            const values = database.transaction(store).objectStore(store);
            const [keys, all] = await Promise.all([done(values.getAllKeys()), done(values.getAll())]);
            texts.push(`${store}: ${JSON.stringify([keys, all])}`);
        }
        database.close();
    }
    return texts.join('\\n');
})();";

/// Returns content of which every part, and its place, is recognized.
pub fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut content = vec![0; size];
    random.fill(&mut content);
    content
}

/// Returns content that is too large to be held at once.
fn chunks(seed: u64, count: usize) -> impl Iterator<Item = Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(move |_| {
        let mut chunk = vec![0; CHUNK];
        random.fill(&mut chunk);
        chunk
    })
}

impl World {
    /// Creates a large file and chooses it.
    async fn choose_large(&self, content: &[u8]) -> PathBuf {
        let file = self.file("holiday.mp4", content);
        self.choose_again(&file).await;
        file
    }

    /// Creates a file of these chunks to choose.
    fn file_of(&self, name: &str, mut chunks: impl Iterator<Item = Vec<u8>>) -> PathBuf {
        let path = self.files.path().join(name);
        let mut file = File::create(&path).unwrap();
        chunks.try_for_each(|chunk| file.write_all(&chunk)).unwrap();
        path
    }

    async fn choose_again(&self, file: &std::path::Path) {
        self.browser.attach("#file", file).await;
        self.upload_shows("preview").await;
    }

    pub async fn unfinished(&self) -> Vec<MultipartUpload> {
        let list = self.system.s3().list_multipart_uploads().bucket(self.system.at.media_bucket);
        list.send().await.unwrap().uploads().to_vec()
    }

    pub async fn stored_parts(&self) -> usize {
        let uploads = self.unfinished().await;
        let [upload] = uploads.as_slice() else { return 0 };
        let parts = self.system.s3().list_parts().bucket(self.system.at.media_bucket);
        let parts = parts.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone());
        // It may have been completed meanwhile.
        parts.send().await.map_or(0, |parts| parts.parts().len())
    }

    /// Slows the connection down, sends the chosen video and returns once S3 has a part and lacks others.
    async fn send_some_parts(&self) {
        self.s3.slow().await;
        self.browser.click("#send").await;
        self.until_a_part_is_stored().await;
    }

    pub async fn until_a_part_is_stored(&self) {
        eventually("a part is stored", async || (self.stored_parts().await > 0).then_some(())).await;
    }

    /// Asserts that the media bucket has this content, of the newest video.
    async fn has(&self, content: &[u8]) {
        self.has_of("", content).await;
    }

    /// Asserts that the media bucket has this content, of the newest video of a query.
    pub async fn has_of(&self, query: &str, content: &[u8]) {
        let stored = self.stored(query).await.collect().await.unwrap().into_bytes();
        assert!(stored == content, "{} bytes are stored, {} were sent", stored.len(), content.len());
    }

    /// Asserts that the media bucket has these chunks, of the newest video.
    async fn has_chunks(&self, chunks: impl Iterator<Item = Vec<u8>>) {
        let mut stored = self.stored("").await.into_async_read();
        for (number, chunk) in chunks.enumerate() {
            let mut bytes = vec![0; chunk.len()];
            stored.read_exact(&mut bytes).await.unwrap();
            assert!(bytes == chunk, "chunk {number} is another one");
        }
        assert_eq!(stored.read(&mut [0]).await.unwrap(), 0, "nothing follows");
    }

    /// Returns what is stored of the newest video of a query.
    async fn stored(&self, query: &str) -> ByteStream {
        let key = self.system.videos(query).await[0]["video"].as_str().unwrap().to_owned();
        self.system.s3().get_object().bucket(self.system.at.media_bucket).key(&key).send().await.unwrap().body
    }

    /// Asserts that the browser stores an upload, and none of these texts.
    async fn stores_none_of(&self, private: &[&str]) {
        let stored = self.browser.eval(STORED).await;
        let stored = stored.as_str().unwrap();
        assert!(stored.contains("uploadId"), "{stored}");
        for private in private {
            assert!(!stored.contains(private), "{private} in {stored}");
        }
    }

    /// Returns what the page has asked for.
    pub async fn requests(&self) -> BTreeMap<String, u64> {
        serde_json::from_value(self.browser.eval(REQUESTS).await).unwrap()
    }

    /// Records from now on how far the progress goes back at most, as a fraction.
    async fn watch_progress(&self) {
        let watch = "window.peak = 0, window.fallback = 0;
            const watch = () => {
                peak = Math.max(peak, progress.value);
                fallback = Math.max(fallback, peak - progress.value);
            };
            new MutationObserver(watch).observe(progress, { attributes: true });
            return null;";
        self.browser.eval(watch).await;
    }

    /// Asserts that the progress never went back by more than a part.
    async fn never_went_back_by_more_than_a_part(&self, size: usize) {
        let fallback = self.browser.eval("fallback").await.as_f64().unwrap() * size as f64;
        assert!(fallback <= PART + 1.0, "the progress went back by {fallback} bytes");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_video_goes_up_in_parts_and_goes_on_by_itself_after_the_connection_was_cut() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    let content = content(1, SIZE);
    world.choose_large(&content).await;
    world.watch_progress().await;
    world.s3.slow().await;
    browser.click("#send").await;
    browser.until("progress.value > 0.3 && /left$/.test(left.textContent)").await;
    world.s3.cut().await;
    browser.until(WAITING).await;
    world.s3.restore().await;
    world.upload_shows("done").await;
    world.has(&content).await;
    world.never_went_back_by_more_than_a_part(SIZE).await;
    assert!(world.unfinished().await.is_empty());
    assert_eq!(world.requests().await["created"], 1);
    assert_eq!(world.requests().await["forms"], 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_a_gigabyte_survives_five_cuts() {
    const COUNT: usize = 1000;
    let world = World::at_upload().await;
    let browser = &world.browser;
    let file = world.file_of("holiday.mp4", chunks(2, COUNT));
    world.choose_again(&file).await;
    world.watch_progress().await;
    browser.click("#send").await;
    for cut in 1..=5 {
        browser.until(&format!("progress.value > {cut} * 0.15 - 0.1")).await;
        world.s3.cut().await;
        browser.until(WAITING).await;
        world.s3.restore().await;
    }
    world.upload_shows("done").await;
    world.has_chunks(chunks(2, COUNT)).await;
    world.never_went_back_by_more_than_a_part(COUNT * CHUNK).await;
    assert_eq!(world.requests().await["created"], 1);
    world.end().await;
}

/// No disk needs to hold it: the file has no blocks, and the local S3 keeps sizes and hashes only.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long form: make torture"]
async fn a_video_of_20_gb_is_uploaded() {
    const SIZE: u64 = 20_000_000_000;
    let world = World::start_as(Browser::start().await, |options| {
        options.variables.push(("MAX_UPLOAD_BYTES".to_owned(), SIZE.to_string()));
        options.discard_parts = true;
        options.deliver_events = false;
    })
    .await;
    world.open_upload().await;
    let file = world.file("holiday.mp4", &[]);
    File::options().write(true).open(&file).unwrap().set_len(SIZE).unwrap();
    world.choose_again(&file).await;
    world.browser.click("#send").await;
    for percent in 1..100 {
        world.browser.until(&format!("progress.value >= 0.{percent:02}")).await;
    }
    world.upload_shows("done").await;
    let objects = world.system.s3().list_objects_v2().bucket(world.system.at.media_bucket).send().await.unwrap();
    let sizes: Vec<_> = objects.contents().iter().map(|object| object.size).collect();
    assert_eq!(sizes, [Some(20_000_000_000)]);
    assert_eq!(world.requests().await["created"], 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reload_the_same_video_continues_with_the_parts_that_are_missing() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    let content = content(3, SIZE);
    let file = world.choose_large(&content).await;
    world.send_some_parts().await;
    world.open_upload().await;
    browser.until("!interrupted.hidden").await;
    let stored = world.stored_parts().await;
    world.s3.restore().await;
    world.choose_again(&file).await;
    world.send_until("done").await;
    world.has(&content).await;
    let requests = world.requests().await;
    assert_eq!(requests["created"], 0, "{requests:?}");
    assert!(requests["parts"] <= 5 - stored as u64, "{stored} parts were stored, {requests:?}");

    browser.click("#another").await;
    world.upload_shows("choose").await;
    browser.until("interrupted.hidden").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_browser_stores_holds_the_mail() {
    let world = World::at_upload().await;
    world.choose_large(&content(4, SIZE)).await;
    world.send_some_parts().await;
    world.stores_none_of(&["ana", "example.com", "holiday"]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_video_of_the_same_name_size_and_time_is_not_taken_for_the_interrupted_one() {
    let world = World::at_upload().await;
    let mut content = content(5, SIZE);
    let file = world.choose_large(&content).await;
    let modified = std::fs::metadata(&file).unwrap().modified().unwrap();
    world.send_some_parts().await;
    world.open_upload().await;
    world.s3.restore().await;

    content[SIZE - 1] ^= 1;
    world.file("holiday.mp4", &content);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(modified).unwrap();
    world.choose_again(&file).await;
    world.send_until("done").await;
    world.has(&content).await;
    let requests = world.requests().await;
    assert_eq!((requests["created"], requests["parts"] >= 5), (1, true), "{requests:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_s3_no_longer_has_begins_again() {
    let world = World::at_upload().await;
    let content = content(6, SIZE);
    let file = world.choose_large(&content).await;
    world.send_some_parts().await;
    world.open_upload().await;
    world.s3.restore().await;
    let [upload] = &world.unfinished().await[..] else { panic!("one upload is unfinished") };
    let abort = world.system.s3().abort_multipart_upload().bucket(world.system.at.media_bucket);
    abort.set_key(upload.key.clone()).set_upload_id(upload.upload_id.clone()).send().await.unwrap();

    world.choose_again(&file).await;
    world.send_until("done").await;
    world.has(&content).await;
    assert_eq!(world.requests().await["created"], 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_completion_whose_answer_is_lost_is_asked_for_again_also_after_a_reload() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    let content = content(7, SIZE);
    let file = world.choose_large(&content).await;
    let lose = "const real = fetch;
        window.lost = 0;
        window.fetch = async (url, options) => {
            const response = await real(url, options);
            if (!String(url).includes('/complete')) return response;
            lost += 1;
            throw new TypeError('Failed to fetch');
        };
        return null;";
    browser.eval(lose).await;
    browser.click("#send").await;
    browser.until("lost >= 2").await;
    world.open_upload().await;
    world.choose_again(&file).await;
    world.send_until("done").await;
    world.has(&content).await;
    let requests = world.requests().await;
    assert_eq!((requests["created"], requests["parts"]), (0, 0), "{requests:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cancelling_aborts_the_upload_at_s3_and_the_video_can_be_sent_later() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    let content = content(8, SIZE);
    world.choose_large(&content).await;
    world.send_some_parts().await;
    browser.click("#cancel").await;
    world.upload_shows("preview").await;
    eventually("the upload is aborted", async || world.unfinished().await.is_empty().then_some(())).await;
    world.s3.restore().await;
    world.send_until("done").await;
    world.has(&content).await;
    assert_eq!(world.requests().await["created"], 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_pauses_while_the_device_is_offline_and_goes_on_by_itself() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    let content = content(9, SIZE);
    world.choose_large(&content).await;
    world.s3.slow().await;
    browser.click("#send").await;
    browser.until("progress.value > 0.1").await;
    browser.offline(true).await;
    browser.until(&format!("!navigator.onLine && {WAITING}")).await;
    world.s3.restore().await;
    browser.offline(false).await;
    world.upload_shows("done").await;
    world.has(&content).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_video_too_waits_while_the_device_is_offline() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.choose("a.webm", b"webm").await;
    browser.offline(true).await;
    browser.until("!navigator.onLine").await;
    browser.click("#send").await;
    browser.until(WAITING).await;
    browser.offline(false).await;
    world.upload_shows("done").await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_hangs_is_given_up_and_its_parts_are_sent_again() {
    let world = World::start().await;
    let browser = &world.browser;
    let hurry = "const real = setTimeout;
        window.setTimeout = (act, delay) => real(act, delay === 60000 ? 3000 : delay);";
    browser.before_each_page(hurry).await;
    world.open_upload().await;
    let content = content(10, SIZE);
    world.choose_large(&content).await;
    world.s3.slow().await;
    browser.click("#send").await;
    browser.until("progress.value > 0.1").await;
    world.s3.hold().await;
    browser.until(WAITING).await;
    world.s3.restore().await;
    world.upload_shows("done").await;
    world.has(&content).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_video_over_the_limit_is_refused_before_anything_is_sent() {
    let world = World::at_upload_with(&[("MAX_UPLOAD_BYTES", "33000000")]).await;
    world.choose_large(&vec![7; 33_000_001]).await;
    world.browser.click("#send").await;
    world.browser.until("!problem.hidden").await;
    let problem = world.browser.text("#problem").await;
    assert!(problem.starts_with("This video is too large: the limit is 33 MB."), "{problem}");
    assert_eq!(json!(world.requests().await), json!({ "created": 0, "parts": 0, "forms": 0 }));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_that_was_not_sent_is_still_there_after_a_reload() {
    let world = World::at_upload().await;
    let browser = &world.browser;
    world.record().await;
    let recordings = "return (async () => {
        const request = indexedDB.open('videos');
        await new Promise((resolve) => { request.onsuccess = resolve; });
        const count = request.result.transaction('recordings').objectStore('recordings').count();
        await new Promise((resolve) => { count.onsuccess = resolve; });
        request.result.close();
        return count.result;
    })();";
    let stored = async || browser.eval(recordings).await.as_u64().unwrap();
    eventually("the recording is stored", async || (stored().await == 1).then_some(())).await;
    let facts = browser.text("#facts").await;

    world.open_upload().await;
    world.upload_shows("preview").await;
    assert_eq!(browser.text("#facts").await, facts);
    assert_eq!(browser.text("#previewNote").await, "This recording has not been sent yet.");
    browser.until("preview.duration > 1 && preview.duration < 1000").await;
    world.send_until("done").await;
    eventually("the recording is gone", async || (stored().await == 0).then_some(())).await;
    world.open_upload().await;
    world.upload_shows("choose").await;

    world.record().await;
    eventually("the recording is stored", async || (stored().await == 1).then_some(())).await;
    browser.click("#discard").await;
    eventually("the recording is gone", async || (stored().await == 0).then_some(())).await;
    assert_eq!(browser.console_errors().await, Vec::<String>::new());
    world.end().await;
}

/// An upload link is as good as a password until it expires.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_the_browser_stores_holds_a_link() {
    let world = World::start().await;
    let link = world.link("ana@example.com").await;
    world.browser.open(&link).await;
    world.choose_large(&content(11, SIZE)).await;
    world.send_some_parts().await;
    world.stores_none_of(&["v4.local", "ana", "example.com", link.rsplit('.').next().unwrap()]).await;
    world.end().await;
}
