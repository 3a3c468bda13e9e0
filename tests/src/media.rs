//! Real videos, made by ffmpeg, and what ffprobe reports about the results.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const SOUND: &str = "-f lavfi -i sine=440:duration=2";
const AAC: &str = "-c:a aac";
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
const VP8: &str = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M";
const VP9: &str = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 1M";

fn picture(size: &str, rate: u32) -> String {
    format!("-f lavfi -i testsrc2=size={size}:rate={rate}:duration=2")
}

/// Makes a recording of Chromium: VP8 and Opus at 1080p, written to a pipe and so without a duration.
pub fn webm() -> Vec<u8> {
    make(&format!("{} {SOUND} {VP8} -c:a libopus -f webm pipe:1", picture("1920x1080", 25)))
}

/// Makes a recording of Firefox: VP9 and Opus, without a duration, with frames missing.
pub fn firefox_webm() -> Vec<u8> {
    let irregular = "-vf select=not(eq(n\\,4)+eq(n\\,5)+eq(n\\,11)) -vsync vfr";
    make(&format!("{} {SOUND} {irregular} {VP9} -c:a libopus -f webm pipe:1", picture("640x480", 25)))
}

/// Makes a recording of Safari: an mp4 in fragments, whose index holds no frame.
pub fn safari_mp4() -> Vec<u8> {
    let fragments = "-movflags frag_keyframe+empty_moov+default_base_moof -f mp4 pipe:1";
    make(&format!("{} {SOUND} {H264} -g 10 {AAC} {fragments}", picture("1280x720", 30)))
}

/// Makes what the camera of an iPhone writes.
pub fn hevc_mov() -> Vec<u8> {
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none -tag:v hvc1 -pix_fmt yuv420p";
    to_file("mov", &format!("{} {SOUND} {hevc} {AAC}", picture("1920x1080", 30)))
}

/// Makes a small recording, which takes little time.
pub fn small_webm() -> Vec<u8> {
    make(&format!("-f lavfi -i testsrc=size=160x120:rate=10:duration=1 {VP8} -f webm pipe:1"))
}

/// Makes the video of a phone held upright: coded as landscape, with the rotation in its metadata.
pub fn portrait_mp4() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let (flat, turned) = (path(&dir, "flat.mp4"), path(&dir, "turned.mp4"));
    make(&format!("{} {SOUND} {H264} {AAC} {flat}", picture("1920x1080", 30)));
    // ffmpeg before 6 has no `-display_rotation`, ffmpeg since 7 no `rotate`; both write the same.
    let help = run("ffmpeg", &["-nostdin", "-v", "error", "-h", "full"]).stdout;
    if String::from_utf8_lossy(&help).contains("-display_rotation") {
        make(&format!("-display_rotation 90 -i {flat} -c copy {turned}"));
    } else {
        make(&format!("-i {flat} -c copy -metadata:s:v rotate=90 {turned}"));
    }
    std::fs::read(turned).unwrap()
}

/// Makes a screen recording: mp4 without sound.
pub fn silent_mp4() -> Vec<u8> {
    to_file("mp4", &format!("{} {H264}", picture("1280x720", 30)))
}

/// Makes a video smaller than the result may be.
pub fn small_mp4() -> Vec<u8> {
    to_file("mp4", &format!("{} {SOUND} {H264} {AAC}", picture("320x240", 15)))
}

/// Makes a camcorder's PAL video: 720x576 pixels that are wider than high.
pub fn anamorphic_mp4() -> Vec<u8> {
    to_file("mp4", &format!("{} {SOUND} -vf setsar=16/15 {H264} {AAC}", picture("720x576", 25)))
}

/// Makes what an older iPhone's library holds.
pub fn mov() -> Vec<u8> {
    to_file("mov", &format!("{} {SOUND} {H264} {AAC}", picture("1440x1080", 60)))
}

/// Makes a wide movie with uncompressed sound on one channel.
pub fn mono_mov() -> Vec<u8> {
    to_file("mov", &format!("{} {SOUND} -ac 1 {H264} -c:a pcm_s16le", picture("1920x800", 25)))
}

/// Makes an old camera's video, of odd width and height.
pub fn odd_avi() -> Vec<u8> {
    to_file("avi", &format!("{} -c:v mpeg4", picture("319x239", 10)))
}

/// Makes a video that is five times as high as wide.
pub fn tall_mkv() -> Vec<u8> {
    to_file("mkv", &format!("{} {H264}", picture("200x1000", 10)))
}

/// Makes one black frame a second: half a megabyte for eight hours.
pub fn black_mp4(seconds: u32) -> Vec<u8> {
    to_file("mp4", &format!("-f lavfi -i color=black:size=16x16:rate=1:duration={seconds} {H264}"))
}

/// Makes the recording of a microphone.
pub fn sound_webm() -> Vec<u8> {
    make(&format!("{SOUND} -c:a libopus -f webm pipe:1"))
}

/// Makes a recording that was ended before its first frame.
pub fn frameless_webm() -> Vec<u8> {
    const CLUSTER: [u8; 4] = [0x1f, 0x43, 0xb6, 0x75];
    let mut file = small_webm();
    file.truncate(position(&file, &CLUSTER));
    file
}

/// What ffprobe reports about a file.
#[derive(Debug, PartialEq)]
pub struct Facts {
    pub width: u64,
    pub height: u64,
    /// `codec/profile/level` of the video.
    pub video: String,
    pub references: u64,
    /// The format of the pixels.
    pub pixels: String,
    pub frames_per_second: String,
    /// Whether players have to rotate it.
    pub is_rotated: bool,
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
        let output =
            run("ffprobe", &["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json", &name]);
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
            references: video["refs"].as_u64().unwrap(),
            pixels: text(&video["pix_fmt"]),
            is_rotated: !video["side_data_list"].is_null(),
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
    file.windows(name.len()).position(|window| window == name).expect("a part of the file")
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
