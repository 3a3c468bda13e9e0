//! How far ffmpeg is, as it reports it: lines of `name=value`.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// The arguments that make ffmpeg report to its standard output.
pub(super) const ARGUMENTS: &[&str] = &["-nostats", "-progress", "pipe:1"];

/// How far an encoding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Percent, if the input says how long it is.
    pub percent: Option<u8>,
}

/// Sends what ffmpeg reports until it ends.
pub(super) async fn read(
    stdout: impl AsyncRead + Unpin,
    duration: Option<Duration>,
    progress: &watch::Sender<Option<Progress>>,
) -> io::Result<()> {
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        if let Some(done) = line.strip_prefix("out_time_us=") {
            progress.send_replace(Some(Progress { percent: duration.and_then(|all| percent(done, all)) }));
        }
    }
    Ok(())
}

/// Returns how many percent of `all` are done; never 100, which the end says.
fn percent(done_micros: &str, all: Duration) -> Option<u8> {
    let done: u128 = done_micros.trim().parse().ok()?;
    let percent = (done * 100).checked_div(all.as_micros())?;
    u8::try_from(percent.min(99)).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_report_counts_and_what_is_no_time_has_no_percent() {
        for (lines, duration, expected) in [
            ("out_time_us=1000000\nprogress=continue\nout_time_us=2500000\nprogress=end\n", 4, Some(Some(62))),
            ("out_time_us=9000000\n", 4, Some(Some(99))),
            ("out_time_us=N/A\n", 4, Some(None)),
            ("out_time_us=-7\n", 4, Some(None)),
            ("out_time_us=7\n", 0, Some(None)),
            ("frame=1\n", 4, None),
        ] {
            let progress = watch::Sender::new(None);
            read(lines.as_bytes(), Some(Duration::from_secs(duration)), &progress).await.unwrap();
            assert_eq!(progress.borrow().map(|progress: Progress| progress.percent), expected, "{lines}");
        }
        let progress = watch::Sender::new(None);
        read(&b"out_time_us=1000000\n"[..], None, &progress).await.unwrap();
        assert_eq!(*progress.borrow(), Some(Progress { percent: None }));
    }
}
