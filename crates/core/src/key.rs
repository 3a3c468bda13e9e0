//! Names of things: the checked parts of a request, the object key made of them, and what an uploaded object's key says.

use std::fmt;
use std::str::FromStr;

use blake2::digest::consts::{U10, U16};
use blake2::{Blake2b, Digest};
use percent_encoding::percent_decode_str;

/// A part of a request that breaks its rule. The message names the field and the rule, never the value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field} must be {rule}")]
pub struct Invalid {
    /// The field as the client spells it.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

/// A project's name: `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project(String);

impl FromStr for Project {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let holds_only = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if starts_well && holds_only && text.len() <= 64 {
            Ok(Self(text.to_owned()))
        } else {
            Err(Invalid {
                field: "project",
                rule: "1 to 64 letters, digits, '.', '_' or '-', starting with a letter or digit",
            })
        }
    }
}

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A step of a project; what is not a number is step 0, as it was in the original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step(i64);

impl FromStr for Step {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Self(0));
        }
        text.parse().map(Self).map_err(|_| Invalid {
            field: "step",
            rule: "a whole number from -9223372036854775808 to 9223372036854775807",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A person's mail: private, so it has no `Display` and its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail(String);

impl Mail {
    /// The address itself: for the table and the admin's answer only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// blake2b with a digest of 80 bits over the UTF-8 bytes, in hex: what stands in keys instead of the mail.
    #[must_use]
    pub fn hash(&self) -> String {
        format!("{:x}", Blake2b::<U10>::digest(self.0.as_bytes()))
    }
}

impl FromStr for Mail {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let rule = if text.len() > 254 {
            "at most 254 bytes long"
        } else if text.contains(char::REPLACEMENT_CHARACTER) {
            "valid UTF-8"
        } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            "free of spaces and control characters (a + in a query must be written %2B)"
        } else if text.matches('@').count() != 1 || text.starts_with('@') || text.ends_with('@') {
            "an address with exactly one @ between a name and a host"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Invalid { field: "mail", rule })
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mail(..)")
    }
}

/// What a browser may upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MediaType {
    /// `video/webm`: Chrome and Firefox record it, and the original knew only this.
    #[default]
    Webm,
    /// `video/mp4`: Safari records it.
    Mp4,
    /// `video/quicktime`: what an iPhone's library holds.
    QuickTime,
}

impl MediaType {
    /// The media type as in RFC 6838: the form's Content-Type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Webm => "video/webm",
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Self::Webm => "webm",
            Self::Mp4 => "mp4",
            Self::QuickTime => "mov",
        }
    }
}

impl FromStr for MediaType {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        [Self::Webm, Self::Mp4, Self::QuickTime]
            .into_iter()
            .find(|media_type| media_type.content_type() == text)
            .ok_or(Invalid { field: "type", rule: "video/webm, video/mp4 or video/quicktime" })
    }
}

/// The partition of a record: `{project}-{step}`. Never parsed back: a project may hold `-` and a step may be negative.
#[must_use]
pub fn project_step(project: &Project, step: Step) -> String {
    format!("{project}-{step}")
}

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

    /// Decodes the key of an S3 event, which is form-urlencoded: `+` is a space.
    ///
    /// # Errors
    /// [`KeyError`] when no S3 object can have this key.
    pub fn from_event(encoded: &str) -> Result<Self, KeyError> {
        let spaced = encoded.replace('+', " ");
        Self::from_decoded(&percent_decode_str(&spaced).decode_utf8().map_err(|_| KeyError::Encoding)?)
    }

    /// The key as it stands in the bucket.
    ///
    /// # Errors
    /// [`KeyError::Length`] when no S3 object can have this key.
    pub fn from_decoded(key: &str) -> Result<Self, KeyError> {
        if key.is_empty() || key.len() > 1024 {
            return Err(KeyError::Length);
        }
        Ok(Self(key.to_owned()))
    }

    /// The key as S3 stores it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the key names a video by its extension.
    #[must_use]
    pub fn is_video(&self) -> bool {
        self.video_type().is_some()
    }

    /// The media type that the extension stands for.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.video_type().unwrap_or("application/octet-stream")
    }

    fn video_type(&self) -> Option<&'static str> {
        let (_, extension) = self.0.rsplit('/').next()?.rsplit_once('.')?;
        let known = VIDEO_TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(extension));
        known.map(|(_, content_type)| *content_type)
    }

    /// The partition its record lies in: from the path's first two folders, else `unfiled-0`.
    #[must_use]
    pub fn project_step(&self) -> String {
        self.folders().map_or_else(|| "unfiled-0".to_owned(), |(project, step, _)| format!("{project}-{step}"))
    }

    /// What follows the two folders that [`Self::project_step`] is made of; the whole key where there are none.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.folders().map_or(&self.0, |(_, _, name)| name)
    }

    /// `{project}/{step}/{hash}.` of a key that we may have signed: what a form's keys share whatever its media type.
    #[must_use]
    pub fn signed_stem(&self) -> Option<&str> {
        let (project, step, name) = self.folders()?;
        let (hash, _) = name.split_once('.')?;
        let is_hash = hash.len() == 20 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let is_step = step.parse::<i64>().is_ok_and(|number| number.to_string() == step);
        let signed = is_hash && is_step && project.parse::<Project>().is_ok();
        let length = project.len() + step.len() + hash.len() + "//.".len();
        if signed { self.0.get(..length) } else { None }
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

/// The order of the uploads of one key, as S3 numbers them.
///
/// Numbers differ in length: AWS says to pad the shorter one with zeros on the right and to compare as text. All are padded to 40 digits here,
/// so that DynamoDB can compare them. See <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequencer(String);

impl Sequencer {
    /// The sequencer as stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Sequencer {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        if (1..=40).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(format!("{:0<40}", text.to_ascii_uppercase())))
        } else {
            Err(Invalid { field: "sequencer", rule: "1 to 40 hexadecimal digits" })
        }
    }
}

impl fmt::Display for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The same 128 bits in hex for the same parts; parts never run into each other.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Blake2b::<U16>::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    format!("{:x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

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
        let golden: Golden = serde_json::from_str(include_str!("../fixtures/keys.json")).unwrap();
        for row in golden.rows {
            let mail: Mail = row.mail.parse().unwrap();
            let media_type = if row.key.ends_with("mp4") { MediaType::Mp4 } else { MediaType::Webm };
            let key = ObjectKey::of_upload(&row.project, Step(row.step), &mail, media_type);
            assert_eq!(mail.hash(), row.hash);
            assert_eq!(key.as_str(), row.key);
            assert_eq!(project_step(&row.project, Step(row.step)), row.project_step);
            assert_eq!(key.project_step(), row.project_step);
            assert_eq!(key.signed_stem().unwrap(), row.key.trim_end_matches("webm").trim_end_matches("mp4"));
        }
    }

    #[test]
    fn each_media_type_has_its_extension() {
        for (text, extension) in [("video/webm", "webm"), ("video/mp4", "mp4"), ("video/quicktime", "mov")] {
            let media_type: MediaType = text.parse().unwrap();
            assert_eq!((media_type.content_type(), media_type.extension()), (text, extension));
        }
        assert_eq!("video/x-msvideo".parse::<MediaType>().unwrap_err().field, "type");
        assert!("VIDEO/WEBM".parse::<MediaType>().is_err());
    }

    #[test]
    fn a_project_has_a_small_alphabet() {
        for good in ["a", "9", "Alba", "a-b._c", &"x".repeat(64)] {
            assert!(good.parse::<Project>().is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", "a%", &"x".repeat(65)] {
            assert_eq!(bad.parse::<Project>().unwrap_err().field, "project", "{bad}");
        }
    }

    #[test]
    fn a_step_is_a_number_or_zero_and_never_a_silent_overflow() {
        for (text, step) in [
            ("0", 0),
            ("7", 7),
            ("-3", -3),
            ("+7", 7),
            ("007", 7),
            (" 7 ", 7),
            ("-0", 0),
            ("9223372036854775807", i64::MAX),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(text.parse(), Ok(Step(step)), "{text}");
        }
        for text in ["", "first", "1.5", "1e3", "-", "+-1", "0x10", "७"] {
            assert_eq!(text.parse(), Ok(Step(0)), "{text}");
        }
        for text in ["9223372036854775808", "-9223372036854775809", &"9".repeat(400)] {
            assert_eq!(text.parse::<Step>().unwrap_err().field, "step", "{text}");
        }
    }

    #[test]
    fn a_mail_has_one_at_sign_and_nothing_odd() {
        for good in ["a@b", "x+y@z.w", "é@x.y", &format!("{}@b", "a".repeat(252))] {
            assert_eq!(good.parse::<Mail>().as_ref().map(Mail::as_str), Ok(good));
        }
        for (bad, rule) in [
            ("ab", "exactly one @"),
            ("a@b@c", "exactly one @"),
            ("@b", "exactly one @"),
            ("a@", "exactly one @"),
            ("a b@c", "free of spaces"),
            ("a\u{a0}b@c", "free of spaces"),
            ("a@b\n", "free of spaces"),
            ("a\0@b", "free of spaces"),
            ("a\u{fffd}@b", "valid UTF-8"),
            (format!("{}@b", "a".repeat(253)).as_str(), "at most 254 bytes"),
        ] {
            let error = bad.parse::<Mail>().unwrap_err().to_string();
            assert!(error.starts_with("mail must be") && error.contains(rule), "{bad}: {error}");
        }
    }

    #[test]
    fn a_mail_never_shows_in_debug_output() {
        assert_eq!(format!("{:?}", "canary@example.com".parse::<Mail>().unwrap()), "Mail(..)");
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
    fn only_keys_of_our_form_have_a_stem() {
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
        ] {
            assert_eq!(ObjectKey::from_event(key).unwrap().signed_stem(), None, "{key}");
        }
    }

    #[test]
    fn sequencers_of_unequal_length_compare_as_aws_says() {
        let sequencer = |text: &str| text.parse::<Sequencer>().unwrap();
        assert_eq!(sequencer("0055aed6dcd90281e5").as_str(), "0055AED6DCD90281E50000000000000000000000");
        assert_eq!(sequencer("0A"), sequencer("0a00"));
        assert!(sequencer("0A1") > sequencer("0A"));
        assert!(sequencer("0B") > sequencer("0AFFFFFF"));
        for bad in ["", "xyz", &"0".repeat(41)] {
            assert!(bad.parse::<Sequencer>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fingerprint_keeps_its_parts_apart() {
        assert_eq!(fingerprint(&["a", "b"]), fingerprint(&["a", "b"]));
        assert_ne!(fingerprint(&["ab", ""]), fingerprint(&["a", "b"]));
    }
}
