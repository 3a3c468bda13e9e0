//! An object's key in the media bucket, and what it says of its record.

use std::fmt;

use percent_encoding::percent_decode_str;

use super::{Mail, MediaType, Project, Step, ValidationError};

/// An object's key in the media bucket: one that we signed, or anyone's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectKey(String);

/// Why the key of an S3 event cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    /// The decoded key is not UTF-8, which S3 requires of every key.
    #[error("the object key is not form-urlencoded UTF-8")]
    Encoding,
    /// S3 keys have 1 to 1,024 bytes.
    #[error("the object key is empty or longer than 1,024 bytes")]
    Length,
}

/// What counts as a video, in any case; the original transcoded `.mp4` alone, though it signed `.webm` keys.
const VIDEO_TYPES: [(&str, &str); 6] = [
    ("webm", "video/webm"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("m4v", "video/x-m4v"),
    ("mkv", "video/x-matroska"),
    ("avi", "video/x-msvideo"),
];

impl ObjectKey {
    /// The key that a form for this person's video signs: `{project}/{step}/{hash of the mail}.{extension}`.
    #[must_use]
    pub fn of_upload(project: &Project, step: Step, mail: &Mail, media_type: MediaType) -> Self {
        Self(format!("{project}/{step}/{}.{}", mail.hash(), media_type.extension()))
    }

    /// Reads the key of an upload: one that [`Self::of_upload`] makes.
    ///
    /// # Errors
    /// [`ValidationError`] for any other key.
    pub fn from_upload(key: &str) -> Result<Self, ValidationError> {
        let key = Self(key.to_owned());
        let known = key.upload_prefix().is_some_and(|prefix| {
            let extension = &key.0[prefix.len()..];
            MediaType::ALL.iter().any(|media_type| media_type.extension() == extension)
        });
        let rule = "the key of an upload, as its form or its multipart upload names it";
        if known { Ok(key) } else { Err(ValidationError { field: "key", rule }) }
    }

    /// Decodes the key of an S3 event, which is form-urlencoded: `+` is a space.
    ///
    /// # Errors
    /// [`KeyError`] when no S3 object can have this key.
    pub fn from_event(encoded: &str) -> Result<Self, KeyError> {
        let spaced = encoded.replace('+', " ");
        Self::from_decoded(&percent_decode_str(&spaced).decode_utf8().map_err(|_| KeyError::Encoding)?)
    }

    /// Returns the key as it stands in the bucket.
    ///
    /// # Errors
    /// [`KeyError::Length`] when no S3 object can have this key.
    pub fn from_decoded(key: &str) -> Result<Self, KeyError> {
        if key.is_empty() || key.len() > 1024 {
            return Err(KeyError::Length);
        }
        Ok(Self(key.to_owned()))
    }

    /// Returns the key as S3 stores it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the key names a video by its extension.
    #[must_use]
    pub fn is_video(&self) -> bool {
        self.video_type().is_some()
    }

    /// Returns the media type that the extension stands for.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.video_type().unwrap_or("application/octet-stream")
    }

    fn video_type(&self) -> Option<&'static str> {
        let (_, extension) = self.0.rsplit('/').next()?.rsplit_once('.')?;
        let known = VIDEO_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
        known.map(|(_, content_type)| *content_type)
    }

    /// Returns the partition its record lies in: from the path's first two folders, else `unfiled-0`.
    #[must_use]
    pub fn project_step(&self) -> String {
        self.folders().map_or_else(|| "unfiled-0".to_owned(), |(project, step, _)| format!("{project}-{step}"))
    }

    /// Returns the project of its record: the path's first folder, else `unfiled`.
    #[must_use]
    pub fn project(&self) -> &str {
        self.folders().map_or("unfiled", |(project, _, _)| project)
    }

    /// Returns the step of its record: the path's second folder, else `0`.
    #[must_use]
    pub fn step(&self) -> &str {
        self.folders().map_or("0", |(_, step, _)| step)
    }

    /// Returns what follows the two folders that [`Self::project_step`] is made of; the whole key where there are none.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.folders().map_or(&self.0, |(_, _, name)| name)
    }

    /// Returns `{project}/{step}/{hash}.` of a key that we may have signed: what a form's keys share whatever its media
    /// type.
    #[must_use]
    pub fn upload_prefix(&self) -> Option<&str> {
        let (project, step, name) = self.folders()?;
        let (hash, extension) = name.split_once('.')?;
        let is_hash = hash.len() == 20 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let is_step = step.parse::<i64>().is_ok_and(|number| number.to_string() == step);
        let signed = is_hash && is_step && !extension.contains('/') && project.parse::<Project>().is_ok();
        let length = project.len() + step.len() + hash.len() + "//.".len();
        if signed { self.0.get(..length) } else { None }
    }

    /// Returns what names everything of this key's record in both buckets: the upload prefix without its dot for a key
    /// that we may have signed, whatever its extension; else the whole key, since another key that differs in its
    /// extension has a record of its own.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.upload_prefix().map_or(&self.0, |prefix| prefix.trim_end_matches('.'))
    }

    /// Returns the key and, where we may have signed it, those of the same record under the other media types.
    pub(crate) fn of_every_media_type(&self) -> Vec<String> {
        let signed = self.upload_prefix().into_iter().flat_map(|prefix| {
            MediaType::ALL.iter().map(move |media_type| format!("{prefix}{}", media_type.extension()))
        });
        std::iter::once(self.0.clone()).chain(signed.filter(|key| *key != self.0)).collect()
    }

    fn folders(&self) -> Option<(&str, &str, &str)> {
        let (first, rest) = self.0.split_once('/')?;
        let (second, name) = rest.split_once('/')?;
        let all_named = [first, second, name].iter().all(|part| !part.is_empty());
        all_named.then_some((first, second, name))
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::ids::project_step;

    /// `fixtures/keys.json`: what the original makes of project, step and mail.
    #[derive(Deserialize)]
    struct Golden {
        rows: Vec<Row>,
    }

    #[derive(Deserialize)]
    struct Row {
        project: Project,
        step: i64,
        mail: String,
        hash: String,
        key: String,
        project_step: String,
    }

    impl<'de> Deserialize<'de> for Project {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        }
    }

    #[test]
    fn keys_and_hashes_equal_the_originals() {
        let golden: Golden = serde_json::from_str(include_str!("../../fixtures/keys.json")).unwrap();
        for row in golden.rows {
            let mail: Mail = row.mail.parse().unwrap();
            let media_type = if row.key.ends_with("mp4") { MediaType::Mp4 } else { MediaType::Webm };
            let key = ObjectKey::of_upload(&row.project, Step(row.step), &mail, media_type);
            assert_eq!(mail.hash(), row.hash);
            assert_eq!(key.as_str(), row.key);
            assert_eq!(project_step(&row.project, Step(row.step)), row.project_step);
            assert_eq!(key.project_step(), row.project_step);
            assert_eq!(key.upload_prefix().unwrap(), row.key.trim_end_matches("webm").trim_end_matches("mp4"));
        }
    }

    #[test]
    fn an_event_key_is_form_urlencoded() {
        for (encoded, decoded) in [
            ("a+b%2Bc%25.mp4", "a b+c%.mp4"),
            ("%C3%BC/%F0%9F%8E%AC.webm", "ü/🎬.webm"),
            ("plain/0/x.webm", "plain/0/x.webm"),
            ("100%", "100%"),
        ] {
            assert_eq!(ObjectKey::from_event(encoded).unwrap().as_str(), decoded);
        }
        assert_eq!(ObjectKey::from_event("%ff"), Err(KeyError::Encoding));
        assert_eq!(ObjectKey::from_event(""), Err(KeyError::Length));
        assert!(ObjectKey::from_event(&"a".repeat(1024)).is_ok());
        assert_eq!(ObjectKey::from_event(&"a".repeat(1025)), Err(KeyError::Length));
    }

    #[test]
    fn videos_are_known_by_their_extension_in_any_case() {
        for video in ["x.webm", "x.mp4", "x.mov", "x.m4v", "x.mkv", "x.avi", "a/b/X.WebM", "a.b.MP4"] {
            assert!(ObjectKey::from_event(video).unwrap().is_video(), "{video}");
            assert!(ObjectKey::from_event(video).unwrap().content_type().starts_with("video/"), "{video}");
        }
        for other in ["x.txt", "webm", "x.webm/", "x.mp4/readme", "x.", "mp4/x", "x.mp4.part"] {
            assert!(!ObjectKey::from_event(other).unwrap().is_video(), "{other}");
        }
    }

    #[test]
    fn a_key_is_filed_by_its_first_two_folders() {
        for (key, partition, name) in [
            ("Alba/0/clip.mp4", "Alba-0", "clip.mp4"),
            ("Alba/0/more/clip.mp4", "Alba-0", "more/clip.mp4"),
            ("clip.mp4", "unfiled-0", "clip.mp4"),
            ("Alba/clip.mp4", "unfiled-0", "Alba/clip.mp4"),
            ("/0/clip.mp4", "unfiled-0", "/0/clip.mp4"),
            ("Alba//clip.mp4", "unfiled-0", "Alba//clip.mp4"),
            ("Alba/0/", "unfiled-0", "Alba/0/"),
        ] {
            let key = ObjectKey::from_event(key).unwrap();
            assert_eq!((key.project_step().as_str(), key.file_name()), (partition, name));
        }
    }

    #[test]
    fn only_keys_that_a_form_could_sign_have_an_upload_prefix() {
        for key in [
            "Alba/0/clip.mp4",
            "Alba/00/c5e866594d810c0c3e1f.webm",
            "Alba/+1/c5e866594d810c0c3e1f.webm",
            "Alba/x/c5e866594d810c0c3e1f.webm",
            "-Alba/0/c5e866594d810c0c3e1f.webm",
            "Alba/0/C5E866594D810C0C3E1F.webm",
            "Alba/0/g5e866594d810c0c3e1f.webm",
            "Alba/0/c5e866594d810c0c3e1.webm",
            "Alba/0/c5e866594d810c0c3e1f",
            "Alba/0/more/c5e866594d810c0c3e1f.webm",
            "Alba/0/c5e866594d810c0c3e1f.webm/x.webm",
        ] {
            assert_eq!(ObjectKey::from_event(key).unwrap().upload_prefix(), None, "{key}");
        }
    }

    #[test]
    fn an_uploads_key_has_the_extension_of_a_media_type() {
        for extension in ["webm", "mp4", "mov"] {
            assert!(ObjectKey::from_upload(&format!("Alba/0/c5e866594d810c0c3e1f.{extension}")).is_ok());
        }
        for key in ["", "Alba/0/clip.mp4", "Alba/0/c5e866594d810c0c3e1f.avi", "Alba/0/c5e866594d810c0c3e1f.MP4"] {
            assert_eq!(ObjectKey::from_upload(key).unwrap_err().field, "key", "{key}");
        }
    }

    #[test]
    fn a_stem_is_shared_by_the_media_types_of_one_form_and_by_nothing_else() {
        let stem = |key: &str| ObjectKey::from_decoded(key).unwrap().stem().to_owned();
        assert_eq!(stem("Alba/0/c5e866594d810c0c3e1f.webm"), "Alba/0/c5e866594d810c0c3e1f");
        assert_eq!(stem("Alba/0/c5e866594d810c0c3e1f.mp4"), "Alba/0/c5e866594d810c0c3e1f");
        assert_eq!(stem("Alba/0/clip.mp4"), "Alba/0/clip.mp4");
    }
}
