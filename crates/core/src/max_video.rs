//! How long a video may be. Every minute that is transcoded costs, and hours of video fit into a small file.

use std::time::Duration;

use crate::env::{ConfigError, Lookup, invalid, number, optional};
use crate::job::JobResult;

/// The longest span that Elastic Transcoder takes is a second short of a day, and a job reads a second more than is
/// allowed.
const MAX_MINUTES: u64 = 24 * 60 - 1;

/// The longest video that is transcoded in full.
///
/// A job reads a second more than that, so that its result tells whether the video went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxVideo {
    minutes: u64,
    longer: LongVideos,
}

/// What becomes of a longer video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LongVideos {
    /// It is ready, with its first minutes.
    Cut,
    /// It fails.
    Fail,
}

impl MaxVideo {
    /// Reads `MAX_VIDEO_MINUTES`, of which 0 is no limit, and `LONG_VIDEOS`.
    ///
    /// # Errors
    /// The first variable that breaks its rule.
    pub(crate) fn from_env(lookup: Lookup) -> Result<Option<Self>, ConfigError> {
        let minutes = number(lookup, "MAX_VIDEO_MINUTES", 60, (0, MAX_MINUTES))?;
        let longer = match optional(lookup, "LONG_VIDEOS").as_deref() {
            None | Some("cut") => LongVideos::Cut,
            Some("fail") => LongVideos::Fail,
            Some(_) => return Err(invalid("LONG_VIDEOS", "cut or fail")),
        };
        Ok((minutes > 0).then_some(Self { minutes, longer }))
    }

    /// Returns how much of an input a job reads.
    pub(crate) fn clip(self) -> Duration {
        self.longest() + Duration::from_secs(1)
    }

    /// Returns what a job's result is under this limit.
    #[must_use]
    pub fn apply(self, result: JobResult) -> JobResult {
        let is_longer = |seconds| Duration::from_secs(seconds) > self.longest();
        match (result, self.longer) {
            (JobResult::Ready(output), _) if !output.facts.duration.is_some_and(is_longer) => JobResult::Ready(output),
            (JobResult::Ready(mut output), LongVideos::Cut) => {
                output.facts.truncated = true;
                JobResult::Ready(output)
            }
            (JobResult::Ready(_), LongVideos::Fail) => {
                JobResult::Failed { reason: format!("The video is longer than {} minutes", self.minutes) }
            }
            (result, _) => result,
        }
    }

    fn longest(self) -> Duration {
        Duration::from_mins(self.minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Facts, JobOutput};

    fn limit(minutes: &'static str, longer: &'static str) -> MaxVideo {
        let lookup = move |name: &str| match name {
            "MAX_VIDEO_MINUTES" => Some(minutes.to_owned()),
            _ => Some(longer.to_owned()),
        };
        MaxVideo::from_env(&lookup).unwrap().unwrap()
    }

    fn ready(duration: Option<u64>, truncated: bool) -> JobResult {
        let facts = Facts { duration, truncated, ..Facts::default() };
        JobResult::Ready(JobOutput { facts, ..JobOutput::default() })
    }

    #[test]
    fn a_job_reads_a_second_more_than_is_allowed() {
        assert_eq!(limit("2", "").clip(), Duration::from_secs(121));
        assert_eq!(limit("1439", "").clip(), Duration::from_secs(24 * 60 * 60 - 59));
    }

    #[test]
    fn only_a_result_that_is_longer_than_allowed_was_cut() {
        let limit = limit("2", "cut");
        for duration in [None, Some(1), Some(120)] {
            assert_eq!(limit.apply(ready(duration, false)), ready(duration, false));
        }
        assert_eq!(limit.apply(ready(Some(121), false)), ready(Some(121), true));
        let progressing = JobResult::Progressing { percent: Some(7) };
        assert_eq!(limit.apply(progressing.clone()), progressing);
    }

    #[test]
    fn a_longer_video_fails_where_that_is_set() {
        let limit = limit("2", "fail");
        assert_eq!(limit.apply(ready(Some(120), false)), ready(Some(120), false));
        let reason = "The video is longer than 2 minutes".to_owned();
        assert_eq!(limit.apply(ready(Some(121), false)), JobResult::Failed { reason });
    }
}
