//! Videos and other files, and what is true of every result.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use video_local::transcoder::Ffmpeg;

use super::Local;

/// Runs ffmpeg to create the file `name`; one second, unless the arguments say otherwise.
pub fn video(local: &Local, name: &str, arguments: &str) -> PathBuf {
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

pub fn small_video(local: &Local) -> PathBuf {
    video(local, "small.mp4", "-f lavfi -i testsrc=size=160x120:rate=10:duration=1 -c:v libx264 -preset ultrafast")
}

/// Creates a file as a browser's recorder writes it: to a pipe, so without a duration, and with missing frames.
pub fn recording(local: &Local) -> PathBuf {
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

/// Returns a shell script to be used in place of ffmpeg.
pub fn script(dir: &Path, body: &str) -> Ffmpeg {
    let path = dir.join("ffmpeg.sh");
    fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Ffmpeg { ffmpeg: path, ..Ffmpeg::default() }
}

/// What ffprobe reports of a file: its first video stream, its first audio stream, its container.
pub struct Facts {
    pub video: Value,
    pub audio: Option<Value>,
    pub format: Value,
}

pub fn facts(path: &Path) -> Facts {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_streams", "-show_format", "-of", "json"])
        .arg(path)
        .output()
        .unwrap();
    let response: Value = serde_json::from_slice(&output.stdout).unwrap();
    let stream = |kind: &str| response["streams"].as_array().unwrap().iter().find(|s| s["codec_type"] == kind).cloned();
    Facts { video: stream("video").unwrap(), audio: stream("audio"), format: response["format"].clone() }
}

pub fn assert_is_the_web_preset(path: &Path, width: u32, height: u32, sound: bool) {
    let Facts { video, audio, format } = facts(path);
    assert_eq!((&video["width"], &video["height"]), (&json!(width), &json!(height)));
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["profile"], "Main");
    assert_eq!(video["level"], 31);
    assert_eq!(video["refs"], 3);
    assert_eq!(video["pix_fmt"], "yuv420p");
    assert_eq!(video["sample_aspect_ratio"], "1:1");
    assert_eq!((&video["r_frame_rate"], &video["avg_frame_rate"]), (&json!("30/1"), &json!("30/1")));
    assert_eq!(video["side_data_list"], Value::Null, "players need not rotate it");
    assert_eq!(audio.is_some(), sound);
    if let Some(audio) = audio {
        assert_eq!((&audio["codec_name"], &audio["profile"]), (&json!("aac"), &json!("LC")));
        assert_eq!((&audio["sample_rate"], &audio["channels"]), (&json!("44100"), &json!(2)));
    }
    let duration: f64 = format["duration"].as_str().unwrap().parse().unwrap();
    assert!((0.9..1.2).contains(&duration), "{duration}");
    let bytes = fs::read(path).unwrap();
    let position = |atom: &[u8]| bytes.windows(4).position(|window| window == atom).unwrap();
    assert!(position(b"moov") < position(b"mdat"), "playback can start before the last byte is downloaded");
}
