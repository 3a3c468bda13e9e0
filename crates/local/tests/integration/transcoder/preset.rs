//! The "Web" preset: shapes of videos and what they become.

use std::process::Command;

use super::Local;
use super::media::{assert_is_the_web_preset, video};
use crate::eventually::eventually;

#[tokio::test]
async fn every_shape_of_video_becomes_the_web_preset() {
    let local = Local::start().await;
    let h264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let source = |size: &str| format!("-f lavfi -i testsrc=size={size}:rate=10:duration=1");
    let upright = video(&local, "upright.mp4", &format!("{} {h264}", source("1280x720")));
    // ffmpeg before 6 has no `-display_rotation`, ffmpeg since 7 no `rotate`; both write the same.
    let turned = if supports_display_rotation() {
        format!("-display_rotation 90 -i {} -c copy", upright.display())
    } else {
        format!("-i {} -c copy -metadata:s:v rotate=90", upright.display())
    };
    let cases = [
        ("turned.mp4", turned, (404, 720), false),
        ("silent.webm", format!("{} -c:v libvpx-vp9 -deadline realtime", source("640x360")), (640, 360), false),
        ("small.mp4", format!("{} {h264}", source("320x240")), (320, 240), false),
        ("wide-pixels.mp4", format!("{} -vf setsar=64/45 {h264}", source("720x576")), (1024, 576), false),
        ("fast-4x3.mov", format!("-f lavfi -i testsrc=size=1440x1080:rate=60:duration=1 {h264}"), (960, 720), false),
        ("odd.avi", format!("{} -c:v mpeg4", source("319x239")), (318, 238), false),
        ("tall.mkv", format!("{} {h264}", source("200x1000")), (144, 720), false),
        (
            "mono.mov",
            format!("{} -f lavfi -i sine=duration=1 -ac 1 {h264} -c:a pcm_s16le", source("1920x800")),
            (1280, 532),
            true,
        ),
    ];
    for (name, arguments, (width, height), sound) in cases {
        local.put("media", name, &video(&local, name, &arguments)).await;
        local.submit(name).await;
        let worker = local.work();
        eventually(|| local.store.find("output", &format!("output/web/{name}")).unwrap().is_some()).await;
        worker.stop().await;
        assert_is_the_web_preset(&local.output(&format!("output/web/{name}")), width, height, sound);
    }
}

fn supports_display_rotation() -> bool {
    let help = Command::new("ffmpeg").args(["-nostdin", "-v", "error", "-h", "full"]).output().unwrap();
    String::from_utf8_lossy(&help.stdout).contains("-display_rotation")
}
