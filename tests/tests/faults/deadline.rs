//! An invocation that reaches its deadline reports an error before Lambda kills it.

use std::time::{Duration, Instant, SystemTime};

use video_tests::faults::{Call, Fate, Gate, Network};

use super::{SHORT_LEASE, Tally, Video, deliver_until_handled, idle_system, on_both};

#[tokio::test]
async fn an_invocation_that_reaches_its_deadline_reports_it_and_its_event_is_retried() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let upload = Video::of("deadline", 0).requested(&system).await.upload("0A");
        let rule = |call: &Call| match call.operation.as_str() {
            "CreateJob" => Fate::Hold(Gate::default()),
            _ => Fate::Pass,
        };
        let network = Network::to(&system, rule).await;
        let function = functions.behind(&network, SHORT_LEASE);
        let (started, deadline) = (Instant::now(), SystemTime::now() + Duration::from_secs(2));
        let error = video_events::handle_until(deadline, &function, upload.event(&system)).await.unwrap_err();
        assert!(matches!(error, video_events::Error::DeadlineReached), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2), "Lambda would have killed it");
        deliver_until_handled(&functions.direct(SHORT_LEASE), &upload.event(&system)).await;
        Tally::of(&system, &functions, &[upload], &[]).await.assert_perfect("deadline");
    })
    .await;
}
