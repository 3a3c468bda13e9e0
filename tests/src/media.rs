//! Real videos, made by ffmpeg, and what ffprobe reports about the results.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SOUND: &str = "-f lavfi -i sine=440:duration=2 -c:a aac";
const H264: &str = "-c:v libx264 -preset ultrafast";
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M";

/// Makes a browser's recording: VP8 and Opus at 1080p, written to a pipe and so without a duration.
pub fn webm() -> Vec<u8> {
    let video = "-f lavfi -i testsrc2=size=1920x1080:rate=25:duration=2 -f lavfi -i sine=440:duration=2";
    make(&format!("{video} {VP8} -c:a libopus -f webm pipe:1"))
}

/// Makes a small recording, which takes little time.
pub fn small_webm() -> Vec<u8> {
    make(&format!("-f lavfi -i testsrc=size=160x120:rate=10:duration=1 {VP8} -f webm pipe:1"))
}

/// Makes the video of a phone held upright: coded as landscape, with the rotation in its metadata.
pub fn portrait_mp4() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (flat, turned) = (path(&dir, "flat.mp4"), path(&dir, "turned.mp4"));
    make(&format!("-f lavfi -i testsrc2=size=1920x1080:rate=30:duration=2 {SOUND} {H264} {flat}"));
    make(&format!("-i {flat} -c copy -metadata:s:v rotate=90 {turned}"));
    std::fs::read(turned).unwrap()
}

/// Makes a screen recording: mp4 without sound.
pub fn silent_mp4() -> Vec<u8> {
    to_file("mp4", &format!("-f lavfi -i testsrc2=size=1280x720:rate=30:duration=2 {H264}"))
}

/// Makes a video smaller than the result may be.
pub fn small_mp4() -> Vec<u8> {
    to_file("mp4", &format!("-f lavfi -i testsrc2=size=320x240:rate=15:duration=2 {SOUND} {H264}"))
}

/// Makes a camcorder's PAL video: 720x576 pixels that are wider than high.
pub fn anamorphic_mp4() -> Vec<u8> {
    to_file("mp4", &format!("-f lavfi -i testsrc2=size=720x576:rate=25:duration=2 {SOUND} -vf setsar=16/15 {H264}"))
}

/// Makes what an iPhone's library holds.
pub fn mov() -> Vec<u8> {
    to_file("mov", &format!("-f lavfi -i testsrc2=size=1440x1080:rate=60:duration=2 {SOUND} {H264}"))
}

/// What ffprobe reports about a file.
#[derive(Debug, PartialEq)]
pub struct Facts {
    pub width: u64,
    pub height: u64,
    /// `codec/profile/level` of the video.
    pub video: String,
    pub frames_per_second: String,
    pub pixel_shape: String,
    /// `codec/profile/sample rate/channels` of the sound.
    pub sound: Option<String>,
    pub seconds: f64,
    /// The bit rate of the whole file.
    pub bits_per_second: f64,
    /// Whether playback can start before the download ends: the index comes before the data.
    pub fast_start: bool,
}

impl Facts {
    /// Runs ffprobe on a file.
    pub fn of(file: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = path(&dir, "file");
        std::fs::write(&name, file).unwrap();
        let output = run("ffprobe", &["-v", "error", "-show_streams", "-show_format", "-of", "json", &name]);
        let probe: Value = serde_json::from_slice(&output.stdout).unwrap();
        let stream =
            |kind: &str| probe["streams"].as_array().unwrap().iter().find(|stream| stream["codec_type"] == kind);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let number = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
        let video = stream("video").expect("a video stream");
        Self {
            width: video["width"].as_u64().unwrap(),
            height: video["height"].as_u64().unwrap(),
            video: format!("{}/{}/{}", text(&video["codec_name"]), text(&video["profile"]), video["level"]),
            frames_per_second: text(&video["r_frame_rate"]),
            pixel_shape: text(&video["sample_aspect_ratio"]),
            sound: stream("audio").map(|audio| {
                format!(
                    "{}/{}/{}/{}",
                    text(&audio["codec_name"]),
                    text(&audio["profile"]),
                    text(&audio["sample_rate"]),
                    audio["channels"]
                )
            }),
            seconds: number(&probe["format"]["duration"]),
            bits_per_second: number(&probe["format"]["bit_rate"]),
            fast_start: position(file, b"moov") < position(file, b"mdat"),
        }
    }
}

fn position(file: &[u8], name: &[u8]) -> usize {
    file.windows(name.len()).position(|window| window == name).expect("an mp4 box")
}

fn to_file(extension: &str, arguments: &str) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = path(&dir, &format!("video.{extension}"));
    make(&format!("{arguments} {file}"));
    std::fs::read(file).unwrap()
}

fn make(arguments: &str) -> Vec<u8> {
    let arguments = ["-nostdin", "-loglevel", "error", "-y"].into_iter().chain(arguments.split_whitespace());
    run("ffmpeg", &arguments.collect::<Vec<_>>()).stdout
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn path(dir: &tempfile::TempDir, name: &str) -> String {
    AsRef::<Path>::as_ref(dir).join(name).to_str().unwrap().to_owned()
}
