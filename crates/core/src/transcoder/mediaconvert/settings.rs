//! A job's settings: Elastic Transcoder's "System preset: Web" in MediaConvert's terms, and a poster.

use std::time::Duration;

use aws_sdk_mediaconvert::types::{
    AacCodingMode, AacSettings, AudioCodec, AudioCodecSettings, AudioDefaultSelection, AudioDescription, AudioSelector,
    ContainerSettings, ContainerType, FileGroupSettings, FrameCaptureSettings, H264CodecLevel, H264CodecProfile,
    H264FramerateControl, H264GopSizeUnits, H264ParControl, H264RateControlMode, H264Settings, Input, InputClipping,
    InputRotate, InputTimecodeSource, JobSettings, Output, OutputGroup, OutputGroupSettings, OutputGroupType,
    ScalingBehavior, VideoCodec, VideoCodecSettings, VideoDescription, VideoSelector,
};

use crate::job::POSTER_SUFFIX;

const AUDIO_SELECTOR: &str = "Audio Selector 1";

/// Returns the settings of a job that reads `input`, or so much of it, and writes the result and the poster to these
/// names, all of them `s3://` URLs.
pub(super) fn job_settings(input: &str, clip: Option<Duration>, result: &str, poster: &str) -> JobSettings {
    JobSettings::builder()
        .inputs(self::input(input, clip))
        .output_groups(file_group(result, mp4()))
        .output_groups(file_group(poster, frames()))
        .build()
}

fn input(url: &str, clip: Option<Duration>) -> Input {
    Input::builder()
        .file_input(url)
        // A camera's own timecodes may begin anywhere.
        .timecode_source(InputTimecodeSource::Zerobased)
        .set_input_clippings(clip.map(|clip| vec![InputClipping::builder().end_timecode(timecode(clip)).build()]))
        .audio_selectors(
            AUDIO_SELECTOR,
            AudioSelector::builder().default_selection(AudioDefaultSelection::Default).build(),
        )
        .video_selector(VideoSelector::builder().rotate(InputRotate::Auto).build())
        .build()
}

/// Returns a time as `HH:MM:SS:FF`.
fn timecode(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}:00", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn file_group(destination: &str, output: Output) -> OutputGroup {
    let files = FileGroupSettings::builder().destination(destination).build();
    let settings =
        OutputGroupSettings::builder().r#type(OutputGroupType::FileGroupSettings).file_group_settings(files).build();
    OutputGroup::builder().output_group_settings(settings).outputs(output).build()
}

fn mp4() -> Output {
    Output::builder()
        .container_settings(ContainerSettings::builder().container(ContainerType::Mp4).build())
        .video_description(at_most_720p(h264()))
        .audio_descriptions(audio())
        .build()
}

/// The first frame and the one at 3 seconds: many videos begin in the dark. A job of this output alone is not allowed,
/// and neither is a container.
fn frames() -> Output {
    let frames = FrameCaptureSettings::builder()
        .framerate_numerator(1)
        .framerate_denominator(3)
        .max_captures(2)
        .quality(80)
        .build();
    let jpeg = VideoCodecSettings::builder().codec(VideoCodec::FrameCapture).frame_capture_settings(frames).build();
    Output::builder()
        .container_settings(ContainerSettings::builder().container(ContainerType::Raw).build())
        .name_modifier(POSTER_SUFFIX)
        .video_description(at_most_720p(jpeg))
        .build()
}

fn at_most_720p(codec: VideoCodecSettings) -> VideoDescription {
    VideoDescription::builder()
        .width(1280)
        .height(720)
        .scaling_behavior(ScalingBehavior::FitNoUpscale)
        .codec_settings(codec)
        .build()
}

fn h264() -> VideoCodecSettings {
    let h264 = H264Settings::builder()
        .codec_profile(H264CodecProfile::Main)
        .codec_level(H264CodecLevel::Level31)
        .number_reference_frames(3)
        .rate_control_mode(H264RateControlMode::Cbr)
        .bitrate(2_200_000)
        .framerate_control(H264FramerateControl::Specified)
        .framerate_numerator(30)
        .framerate_denominator(1)
        .gop_size(90.0)
        .gop_size_units(H264GopSizeUnits::Frames)
        .par_control(H264ParControl::Specified)
        .par_numerator(1)
        .par_denominator(1)
        .build();
    VideoCodecSettings::builder().codec(VideoCodec::H264).h264_settings(h264).build()
}

fn audio() -> AudioDescription {
    let aac =
        AacSettings::builder().bitrate(160_000).sample_rate(44_100).coding_mode(AacCodingMode::CodingMode20).build();
    AudioDescription::builder()
        .audio_source_name(AUDIO_SELECTOR)
        .codec_settings(AudioCodecSettings::builder().codec(AudioCodec::Aac).aac_settings(aac).build())
        .build()
}
