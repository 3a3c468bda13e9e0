//! A result is announced at least once and never with a mail, wherever its handler is killed and however long
//! EventBridge takes no event.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::{Value, json};
use video_core::event_bus::EventType;
use video_core::records::{Record, Status};
use video_tests::Functions;
use video_tests::events::JobState;
use video_tests::faults::{Call, FakeResponse, Fate, Network, Reach};

use super::kill::{Rescue, kill_at, kills, sweep_until, with_both_rescues};
use super::{LONG_LEASE, TestSystem, Upload, Video, deliver_until_handled, each, idle_system, job_event, on_both};

/// Find the record, write the result, put the event, remove `open`.
const CALLS: usize = 4;

/// Makes an upload with a job, and the event of its end.
async fn ended(
    system: &TestSystem,
    functions: &Functions,
    project: &str,
    number: usize,
    end: JobState,
) -> (Upload, Value) {
    let upload = Video::of(project, number).requested(system).await.upload("0A");
    deliver_until_handled(&functions.direct(LONG_LEASE), &upload.event(system)).await;
    let job_id = upload.video.record(system).await.job_id.unwrap();
    let event = job_event(functions, &upload, system, &job_id, end);
    (upload, event)
}

/// Returns the details of a video's events that EventBridge took, each of which must tell the result of its record.
fn announcements(puts: &[Value], upload: &Upload, record: &Record) -> Vec<Value> {
    let status = record.status.unwrap();
    let event_type = if status == Status::Ready { EventType::Ready } else { EventType::Failed };
    let mut details = Vec::new();
    for put in puts {
        assert!(!put.to_string().contains('@'), "a mail in {put}");
        let entry = &put["Entries"][0];
        let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
        if detail["video"] == upload.video.key.as_str() {
            assert_eq!((&entry["Source"], &entry["DetailType"]), (&json!("video"), &json!(event_type.as_str())));
            assert_eq!(detail["status"], status.as_str());
            assert_eq!(detail["sequencer"], upload.order().as_str());
            details.push(detail);
        }
    }
    details
}

fn has_ended(record: &Record) -> bool {
    matches!(record.status, Some(Status::Ready | Status::Failed))
}

fn is_announced(record: Option<&Record>) -> bool {
    record.is_some_and(|record| has_ended(record) && record.open.is_none())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_whose_handler_is_killed_at_any_call_is_announced() {
    on_both(async |kind| {
        let started = Instant::now();
        let (system, functions) = idle_system(kind).await;
        let counting = Network::to(&system, |_| Fate::Pass).await;
        let (_, event) = ended(&system, &functions, "counted", 0, JobState::Complete).await;
        video_events::handle(&functions.behind(&counting, LONG_LEASE), event).await.unwrap();
        assert_eq!(counting.calls(), CALLS);

        // A record that does not know of its result yet is owed its job's end: redelivery tells it, as would the
        // transcoder, whose jobs cannot succeed in this test.
        let ends = [JobState::Complete, JobState::Error];
        let cases = kills(CALLS).flat_map(|kill| ends.map(|end| (kill, end)));
        let cases = with_both_rescues(cases).into_iter();
        let cases = cases.filter(|(((n, _), _), rescue)| *n > 2 || *rescue == Rescue::Redelivery).collect::<Vec<_>>();
        let (all, rescuing) = (cases.len(), Network::to(&system, |_| Fate::Pass).await);
        let function = functions.behind(&rescuing, LONG_LEASE);
        let killed = each(cases, async |number, ((kill, end), rescue)| {
            let (upload, event) = ended(&system, &functions, "announced", number, end).await;
            let (killed, network) = kill_at(&system, &functions, &event, kill).await;
            match rescue {
                Rescue::Redelivery => drop(deliver_until_handled(&function, &event).await),
                Rescue::Sweep if is_announced(Some(&upload.video.record(&system).await)) => {}
                Rescue::Sweep => system.make_old(&upload.video.id).await,
            }
            (upload, killed, network, (kill, end, rescue))
        })
        .await;
        let videos = killed.iter().map(|(upload, ..)| upload.video.clone()).collect();
        sweep_until(&system, &function, videos, is_announced).await;

        let (mut twice, mut count) = (0, 0);
        let rescued = rescuing.processed("PutEvents");
        for (upload, killed, network, case) in &killed {
            let record = upload.video.record(&system).await;
            let wanted = if case.1 == JobState::Complete { Status::Ready } else { Status::Failed };
            assert_eq!(record.status, Some(wanted), "{case:?}");
            let puts = [network.processed("PutEvents"), rescued.clone()].concat();
            let announced = announcements(&puts, upload, &record).len();
            assert!((1..=2).contains(&announced), "{announced} events after {case:?}");
            twice += usize::from(announced == 2);
            count += usize::from(*killed);
        }
        println!(
            "announced: {kind:?}: {all} results, {count} handlers killed, all announced, {twice} twice, {:.1} s",
            started.elapsed().as_secs_f64()
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn results_are_announced_by_the_sweep_once_eventbridge_takes_events_again() {
    on_both(async |kind| {
        let (system, functions) = idle_system(kind).await;
        let outage = Arc::new(AtomicUsize::new(0));
        let rule = {
            let outage = Arc::clone(&outage);
            move |call: &Call| match (call.operation.as_str(), outage.load(Ordering::SeqCst)) {
                ("PutEvents", 0) => Fate::Respond(FakeResponse::error(500, "InternalFailure")),
                ("PutEvents", 1) => Fate::Respond(FakeResponse::event_not_taken()),
                ("PutEvents", 2) => Fate::Reset(Reach::Never),
                _ => Fate::Pass,
            }
        };
        let network = Network::to(&system, rule).await;
        let function = functions.behind(&network, LONG_LEASE);
        let mut uploads = Vec::new();
        for (number, end) in [JobState::Complete, JobState::Error].into_iter().enumerate() {
            let (upload, event) = ended(&system, &functions, "outage", number, end).await;
            video_events::handle(&function, event).await.unwrap_err();
            system.make_old(&upload.video.id).await;
            uploads.push(upload);
        }
        for way in 0..3 {
            outage.store(way, Ordering::SeqCst);
            let function = function.clone();
            let sweep = tokio::spawn(async move { video_events::handle(&function, video_tests::sweep()).await });
            sweep.await.unwrap().unwrap();
            for upload in &uploads {
                let record = upload.video.record(&system).await;
                assert!(record.open.is_some() && has_ended(&record), "{record:?}");
            }
        }
        assert_eq!(network.processed("PutEvents").len(), 0);
        outage.store(3, Ordering::SeqCst);
        sweep_until(&system, &function, uploads.iter().map(|upload| upload.video.clone()).collect(), is_announced)
            .await;
        let puts = network.processed("PutEvents");
        for upload in &uploads {
            assert_eq!(announcements(&puts, upload, &upload.video.record(&system).await).len(), 1);
        }
        println!("announced: {kind:?}: 2 results while EventBridge took no event, announced once each by the sweep");
    })
    .await;
}
