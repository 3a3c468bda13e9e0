//! A transcoding job: what is submitted, what travels with it, and what comes back. Records and transcoders both stand
//! on this.

use std::collections::HashMap;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use crate::ids::{ObjectKey, Sequencer, fingerprint};
use crate::percent::METADATA;
use crate::transcoder_kind::TranscoderKind;

/// One upload to transcode.
#[derive(Debug, Clone)]
pub struct Job {
    /// The bucket of the upload.
    pub bucket: String,
    /// The upload's key.
    pub key: ObjectKey,
    /// Which upload of that key.
    pub sequencer: Sequencer,
    /// Whether the result may take the plain name. Only the first job of a person's first upload may: Elastic
    /// Transcoder fails a job whose output exists, and MediaConvert would let a slow older job overwrite a newer
    /// result.
    pub plain_name: bool,
}

impl Job {
    /// Returns the token of the upload: the same text whoever submits it, by which a second invocation recognises the
    /// first one's job.
    #[must_use]
    pub fn token(&self) -> String {
        fingerprint(&[&self.bucket, self.key.as_str(), self.sequencer.as_str()])
    }

    /// Returns what travels with the job and comes back with its events. Never the mail.
    pub(crate) fn user_metadata(&self) -> HashMap<String, String> {
        let metadata = JobMetadata {
            token: Some(self.token()),
            key: Some(self.key.clone()),
            sequencer: Some(self.sequencer.clone()),
        };
        metadata.write()
    }

    /// Returns the result's key without [`OUTPUT_PREFIX`] and without its extension: `web/{stem}` for the plain name,
    /// else [`Self::own_name`].
    pub(crate) fn output_name(&self) -> String {
        if self.plain_name { output_directory(&self.key) } else { self.own_name() }
    }

    /// Returns a name that no other upload and no retry of the key has: `web/{stem}/{sequencer}`.
    pub(crate) fn own_name(&self) -> String {
        format!("{}/{}", output_directory(&self.key), self.sequencer.file_name())
    }
}

/// What the key of every result starts with.
pub const OUTPUT_PREFIX: &str = "output/";
/// What the names of posters have behind [`Job::own_name`]; the frame's number follows.
pub(crate) const POSTER_SUFFIX: &str = "-poster";
/// The longest stem in an output key: Elastic Transcoder takes 255 characters, with the sequencer and the extension.
const MAX_STEM_LENGTH: usize = 200;

/// Returns what the names of all results of a key's record start with, without [`OUTPUT_PREFIX`]: `web/{stem}`, or
/// `web/` and a fingerprint where the stem is too long.
fn output_directory(key: &ObjectKey) -> String {
    let stem = key.stem();
    if stem.len() <= MAX_STEM_LENGTH { format!("web/{stem}") } else { format!("web/{}", fingerprint(&[stem])) }
}

/// Returns the prefix under which all results of a key's record lie; behind it comes `.` or `/`, and no further `/`.
#[must_use]
pub fn results_prefix(key: &ObjectKey) -> String {
    format!("{OUTPUT_PREFIX}{}", output_directory(key))
}

/// Returns whether a key in the output bucket names a picture, which is no result.
#[must_use]
pub fn is_picture(key: &str) -> bool {
    let extension = key.rsplit_once('.').map_or("", |(_, extension)| extension);
    ["jpg", "jpeg", "png"].iter().any(|picture| extension.eq_ignore_ascii_case(picture))
}

/// Returns what the keys of all pictures of a job start with, of which its event names one.
#[must_use]
pub fn poster_prefix(poster: &str) -> &str {
    let name = poster.rsplit_once('.').map_or(poster, |(name, _)| name);
    name.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// A job's user metadata, read leniently: a job that someone else created has none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobMetadata {
    /// See [`Job::token`].
    pub token: Option<String>,
    /// The upload's key; absent when it did not fit.
    pub key: Option<ObjectKey>,
    /// The upload's sequencer.
    pub sequencer: Option<Sequencer>,
}

/// The longest value in a job's user metadata, in characters. [`METADATA`] says which.
const MAX_METADATA_LENGTH: usize = 255;

impl JobMetadata {
    /// Reads what [`Job`] put into a job.
    #[must_use]
    pub fn read(pairs: &HashMap<String, String>) -> Self {
        let key = pairs.get("key").and_then(|key| percent_decode_str(key).decode_utf8().ok());
        Self {
            token: pairs.get("token").cloned(),
            key: key.and_then(|key| ObjectKey::from_decoded(&key).ok()),
            sequencer: pairs.get("sequencer").and_then(|text| text.parse().ok()),
        }
    }

    fn write(self) -> HashMap<String, String> {
        let key = self.key.map(|key| utf8_percent_encode(key.as_str(), METADATA).to_string());
        [
            ("token", self.token),
            ("key", key.filter(|key| key.len() <= MAX_METADATA_LENGTH)),
            ("sequencer", self.sequencer.map(|sequencer| sequencer.to_string())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect()
    }
}

/// A job's event, with the upload that it is about.
#[derive(Debug, Clone)]
pub struct JobEvent {
    /// Which upload of the record's key.
    pub sequencer: Sequencer,
    /// The transcoder that sent it.
    pub transcoder: TranscoderKind,
    /// The transcoder's ID of the job.
    pub job_id: String,
    /// How far the job is.
    pub result: JobResult,
}

/// What a complete job has made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOutput {
    /// The result's key in the output bucket.
    pub key: String,
    /// The key of its poster there, if there is one.
    pub poster: Option<String>,
    /// What is known of it.
    pub facts: Facts,
}

/// What is known of a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Seconds, to the nearest one.
    pub duration: Option<u64>,
    /// Pixels.
    pub width: Option<u64>,
    /// Pixels.
    pub height: Option<u64>,
    /// Whether the video is longer than allowed, and the result ends before it; see [`crate::max_video`].
    pub truncated: bool,
}

/// Longer than any result.
const MAX_DURATION_MILLIS: u64 = 7 * 24 * 60 * 60 * 1000;
/// Wider and higher than any result.
const MAX_PIXELS: u64 = 16_384;

impl Facts {
    /// Returns what a transcoder says of a result; what cannot be true is logged and left out.
    #[must_use]
    pub fn of(duration_millis: Option<i64>, width: Option<i64>, height: Option<i64>) -> Self {
        let duration = plausible("duration", duration_millis, MAX_DURATION_MILLIS);
        Self {
            // To the nearest second, as players show it, but for what is shorter.
            duration: duration.map(|millis| ((millis + 500) / 1000).max(1)),
            width: plausible("width", width, MAX_PIXELS),
            height: plausible("height", height, MAX_PIXELS),
            truncated: false,
        }
    }
}

fn plausible(name: &str, value: Option<i64>, max: u64) -> Option<u64> {
    let value = value?;
    let plausible = u64::try_from(value).ok().filter(|value| (1..=max).contains(value));
    if plausible.is_none() {
        tracing::warn!(name, value, "a transcoder tells an impossible fact");
    }
    plausible
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// The transcoder is at work.
    Progressing {
        /// How far it is, from 0 to 100, if it says so.
        percent: Option<u8>,
    },
    /// The result is in the output bucket.
    Ready(JobOutput),
    /// The job ended without a result.
    Failed {
        /// The reason, fit for the admin.
        reason: String,
    },
}

impl JobResult {
    /// Returns a failure in one line for the admin: whose error, its number, its text.
    #[must_use]
    pub fn failed(kind: TranscoderKind, code: Option<&str>, detail: Option<&str>) -> Self {
        let code = code.map(|code| format!(" error {code}")).unwrap_or_default();
        let detail = detail.filter(|text| !text.is_empty()).unwrap_or("no reason was given");
        let service = kind.service_name();
        Self::Failed { reason: format!("{service}{code}: {detail}") }
    }

    /// Returns whether a job failed because an object has the name of its output: Elastic Transcoder's error 3002, in
    /// its notification or at the beginning of a job's detail.
    #[must_use]
    pub fn is_output_taken(&self) -> bool {
        let Self::Failed { reason } = self else { return false };
        let rest = reason.strip_prefix(TranscoderKind::ElasticTranscoder.service_name());
        rest.is_some_and(|rest| rest.starts_with(" error 3002:") || rest.starts_with(": 3002 "))
    }

    /// Returns the failure of a job that somebody cancelled.
    #[must_use]
    pub fn cancelled(kind: TranscoderKind) -> Self {
        Self::failed(kind, None, Some("the job was cancelled"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(key: &str) -> Job {
        Job {
            bucket: "media".to_owned(),
            key: ObjectKey::from_decoded(key).unwrap(),
            sequencer: "0055AED6DCD90281E5".parse().unwrap(),
            plain_name: true,
        }
    }

    #[test]
    fn metadata_survives_the_trip_through_a_job() {
        for key in ["Alba/0/c5e866594d810c0c3e1f.webm", "a b+c%/ü🎬.mov"] {
            let pairs = job(key).user_metadata();
            let allowed = |c: char| c.is_ascii_alphanumeric() || " _.:/=+-%@".contains(c);
            assert!(pairs.values().all(|value| value.chars().all(allowed) && value.len() <= 255), "{pairs:?}");
            let read = JobMetadata::read(&pairs);
            assert_eq!(read.key, Some(job(key).key));
            assert_eq!(read.sequencer, Some(job(key).sequencer));
            assert_eq!(read.token, Some(job(key).token()));
        }
    }

    #[test]
    fn a_key_too_long_for_metadata_is_left_out() {
        let pairs = job(&format!("{}.mp4", "k".repeat(900))).user_metadata();
        assert_eq!(JobMetadata::read(&pairs).key, None);
        assert!(JobMetadata::read(&pairs).sequencer.is_some());
    }

    #[test]
    fn foreign_metadata_reads_as_nothing() {
        let pairs = HashMap::from([("key".to_owned(), "%ff".to_owned()), ("sequencer".to_owned(), "soon".to_owned())]);
        assert_eq!(JobMetadata::read(&pairs), JobMetadata { token: None, key: None, sequencer: None });
    }

    #[test]
    fn the_token_differs_by_bucket_key_and_upload() {
        let first = job("a/0/x.mp4");
        let others = [
            Job { bucket: "other".to_owned(), ..first.clone() },
            Job { key: ObjectKey::from_decoded("a/0/y.mp4").unwrap(), ..first.clone() },
            Job { sequencer: "0055AED6DCD90281E6".parse().unwrap(), ..first.clone() },
        ];
        assert_eq!(first.token(), Job { plain_name: false, ..first.clone() }.token());
        for other in others {
            assert_ne!(first.token(), other.token());
        }
    }

    #[test]
    fn a_failure_says_whose_error_it_is_with_its_number_and_its_text() {
        for (code, detail, reason) in [
            (Some("1040"), Some("Unsupported file"), "MediaConvert error 1040: Unsupported file"),
            (None, Some("Unsupported file"), "MediaConvert: Unsupported file"),
            (Some("1040"), Some(""), "MediaConvert error 1040: no reason was given"),
            (None, None, "MediaConvert: no reason was given"),
        ] {
            let failed = JobResult::failed(TranscoderKind::MediaConvert, code, detail);
            assert_eq!(failed, JobResult::Failed { reason: reason.to_owned() });
        }
    }

    #[test]
    fn what_cannot_be_true_of_a_result_is_left_out() {
        let known = Facts { duration: Some(3), width: Some(1280), height: Some(720), truncated: false };
        for millis in [2500, 3000, 3499] {
            assert_eq!(Facts::of(Some(millis), Some(1280), Some(720)), known);
        }
        assert_eq!(Facts::of(Some(1), None, None).duration, Some(1));
        for (millis, width, height) in [
            (None, None, None),
            (Some(0), Some(0), Some(0)),
            (Some(-1), Some(-1280), Some(i64::MIN)),
            (Some(i64::MAX), Some(i64::MAX), Some(16_385)),
        ] {
            assert_eq!(Facts::of(millis, width, height), Facts::default());
        }
    }

    #[test]
    fn the_pictures_of_a_job_are_known_by_any_of_them() {
        for (poster, prefix) in [
            ("output/web/p/0/x/0A-poster.0000001.jpg", "output/web/p/0/x/0A-poster."),
            ("output/web/p/0/x/0A-0001-poster-00001.png", "output/web/p/0/x/0A-0001-poster-"),
        ] {
            assert_eq!(poster_prefix(poster), prefix);
            assert!(is_picture(poster));
        }
        assert!(is_picture("x.JPEG") && !is_picture("x.mp4") && !is_picture("jpg"));
    }

    #[test]
    fn a_taken_output_is_told_from_other_failures() {
        let failed = |code, detail| JobResult::failed(TranscoderKind::ElasticTranscoder, code, Some(detail));
        assert!(failed(Some("3002"), "an object by that name already exists").is_output_taken());
        assert!(failed(None, "3002 abc: an object by that name already exists").is_output_taken());
        assert!(!failed(Some("3001"), "3002 ").is_output_taken());
        assert!(!failed(None, "30020").is_output_taken());
        assert!(!JobResult::failed(TranscoderKind::MediaConvert, Some("3002"), None).is_output_taken());
        assert!(!JobResult::Progressing { percent: None }.is_output_taken());
    }

    #[test]
    fn results_lie_beside_each_other_but_never_on_each_other() {
        let own = format!("0055AED6DCD90281E5{}", "0".repeat(22));
        let plain = |key| job(key).output_name();
        let named = |key| Job { plain_name: false, ..job(key) }.output_name();
        assert_eq!(plain("Alba/0/c5e866594d810c0c3e1f.webm"), "web/Alba/0/c5e866594d810c0c3e1f");
        assert_eq!(named("Alba/0/c5e866594d810c0c3e1f.webm"), format!("web/Alba/0/c5e866594d810c0c3e1f/{own}"));
        assert_eq!(named("Alba/0/clip.mov"), format!("web/Alba/0/clip.mov/{own}"));
        let first = job("Alba/0/clip.mov");
        let retry = Job { sequencer: first.sequencer.next_retry().unwrap(), plain_name: false, ..first };
        assert_eq!(retry.output_name(), format!("web/Alba/0/clip.mov/{own}-0001"));
        let long = named(&format!("{}.mp4", "k".repeat(900)));
        assert!(long.len() < 255 && long.starts_with("web/") && long.ends_with(&own), "{long}");
    }
}
