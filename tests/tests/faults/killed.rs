//! A handler that dies, or whose network breaks, at every call to AWS: no upload is lost, none gets two jobs.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use tokio::sync::Notify;
use video_core::records::Status;
use video_core::time::epoch_seconds;
use video_tests::faults::{Answer, Call, Fate, Network, Reach};

use super::{
    Functions, LEASE_OF_SECONDS, LONG_LEASE, SHORT_LEASE, State, Tally, TestSystem, TranscoderKind, Upload, Video,
    delivered, each, job_event, on_both, records, system_that_counts,
};

/// How a handler dies at one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The request never leaves.
    BeforeTheRequest,
    /// The request is on its way and arrives after the handler's end.
    InFlight,
    /// The service has done it; the answer never comes.
    BeforeTheAnswer,
    /// With the answer, before anything else is sent.
    AfterTheAnswer,
}

const WAYS: [Way; 4] = [Way::BeforeTheRequest, Way::InFlight, Way::BeforeTheAnswer, Way::AfterTheAnswer];

/// How long a request on its way outlives its handler; much shorter than any lease.
const TRAVEL: Duration = Duration::from_millis(300);

/// More calls than a handler makes for one upload.
const MOST_CALLS: usize = 12;

/// At which call a handler dies, and how.
type Kill = (usize, Way);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_killed_at_any_call_loses_nothing_and_doubles_nothing() {
    on_both(async |kind| {
        let (system, functions) = system_that_counts(kind).await;
        let calls = calls_of_a_handler(&system, &functions, Whose::Asked).await;
        assert_eq!(calls, 4, "find, claim, create the job, record it");
        let once = (1..=calls).flat_map(|n| WAYS.map(|way| vec![(n, way)]));
        // The one that takes over dies too, after a first one that may or may not have created its job.
        let twice = (1..=MOST_CALLS / 2).flat_map(|n| {
            WAYS.into_iter().flat_map(move |way| {
                [Way::BeforeTheRequest, Way::BeforeTheAnswer].map(|first| vec![(calls - 1, first), (n, way)])
            })
        });
        kills(&system, &functions, kind, Whose::Asked, once.chain(twice).collect()).await;

        let calls = calls_of_a_handler(&system, &functions, Whose::Nobodys).await;
        assert_eq!(calls, 6, "find in the index, find in the partition, adopt, claim, create the job, record it");
        let once = (1..=calls).flat_map(|n| WAYS.map(|way| vec![(n, way)]));
        kills(&system, &functions, kind, Whose::Nobodys, once.collect()).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form, for `make torture`"]
async fn handlers_killed_twice_at_any_two_calls_lose_nothing_and_double_nothing() {
    for kind in TranscoderKind::ALL {
        let (system, functions) = system_that_counts(kind).await;
        for whose in [Whose::Asked, Whose::Nobodys] {
            let calls = calls_of_a_handler(&system, &functions, whose).await;
            let once: Vec<Kill> = (1..=calls).flat_map(|n| WAYS.map(|way| (n, way))).collect();
            let again: Vec<Kill> = (1..=calls + 3).flat_map(|n| WAYS.map(|way| (n, way))).collect();
            let twice = once.iter().flat_map(|first| again.iter().map(move |second| vec![*first, *second]));
            let singly = once.iter().map(|kill| vec![*kill]);
            kills(&system, &functions, kind, whose, singly.chain(twice).collect()).await;
        }
    }
}

async fn calls_of_a_handler(system: &TestSystem, functions: &Functions, whose: Whose) -> usize {
    let network = Network::to(system, |_| Fate::Pass).await;
    let upload = whose.video(system, "counted", 0).await.upload("0A");
    video_events::handle(&network.function(functions, SHORT_LEASE), upload.event(system)).await.unwrap();
    network.calls()
}

/// Whether a form was asked for.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Asked,
    Nobodys,
}

impl Whose {
    async fn video(self, system: &TestSystem, project: &str, number: usize) -> Video {
        match self {
            Self::Asked => Video::of(project, number).requested(system).await,
            Self::Nobodys => Video::unasked_but_signed(&format!("{project}-by-nobody"), number),
        }
    }
}

async fn kills(system: &TestSystem, functions: &Functions, kind: TranscoderKind, whose: Whose, cases: Vec<Vec<Kill>>) {
    let started = Instant::now();
    let before = records(system).await;
    let all = cases.len();
    let killed = each(cases, async |number, kills: Vec<Kill>| {
        let upload = whose.video(system, "killed", number).await.upload("0A");
        let mut killed = 0;
        for kill in kills.iter().copied() {
            killed += usize::from(dies(system, functions, &upload.event(system), kill).await);
            lease_is_over(system, &upload).await;
        }
        delivered(&functions.direct(SHORT_LEASE), &upload.event(system)).await;
        (upload, killed, kills)
    })
    .await;
    let uploads: Vec<Upload> = killed.iter().map(|(upload, ..)| upload.clone()).collect();
    let deaths: usize = killed.iter().map(|(_, killed, _)| killed).sum();
    let tally = Tally::of(system, functions, &uploads, &[]).await;
    println!(
        "killed: {kind:?}: {whose:?}: {all} cases, {deaths} handlers killed, {tally}, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    for (upload, _, kills) in &killed {
        assert!(!tally.wrong.contains(upload.video.key.as_str()), "{kind:?}, {whose:?}: {kills:?}: {tally}");
    }
    assert_eq!(records(system).await, before + all);
}

/// One invocation that dies; false when it had no such call and ended by itself.
async fn dies(system: &TestSystem, functions: &Functions, event: &Value, (n, way): Kill) -> bool {
    let [now, go, done] = std::array::from_fn(|_| Arc::new(Notify::new()));
    let rule = {
        let [now, go, done] = [&now, &go, &done].map(Arc::clone);
        move |call: &Call| match way {
            Way::BeforeTheRequest | Way::InFlight if call.number == n => {
                Fate::Hold { arrived: Arc::clone(&now), go: Arc::clone(&go), done: Arc::clone(&done) }
            }
            Way::BeforeTheAnswer if call.number == n => Fate::Swallow { answered: Arc::clone(&now) },
            Way::AfterTheAnswer if call.number == n + 1 => {
                Fate::Hold { arrived: Arc::clone(&now), go: Arc::clone(&go), done: Arc::clone(&done) }
            }
            _ => Fate::Pass,
        }
    };
    let network = Network::to(system, rule).await;
    let function = network.function(functions, SHORT_LEASE);
    let killed = tokio::select! {
        _ = video_events::handle(&function, event.clone()) => false,
        () = now.notified() => true,
    };
    if killed && way == Way::InFlight {
        // Nobody acts on the upload before its lease is over, and a request is never on its way for that long.
        tokio::time::sleep(TRAVEL).await;
        go.notify_one();
        done.notified().await;
    }
    killed
}

/// Waits as Lambda does before it tries again: until nobody can own the upload any more.
async fn lease_is_over(system: &TestSystem, upload: &Upload) {
    let table = system.table();
    video_tests::eventually("the lease is over", async || {
        let Some(record) = table.get(&upload.video.id).await.unwrap() else { return Some(()) };
        let over = record.lease_until.is_none_or(|until| until < epoch_seconds(SystemTime::now()));
        over.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handler_killed_over_a_result_loses_none() {
    on_both(async |kind| {
        let (system, functions) = system_that_counts(kind).await;
        let function = functions.direct(LONG_LEASE);
        let cases: Vec<Kill> = (1..=2).flat_map(|n| WAYS.map(|way| (n, way))).collect();
        let all = cases.len();
        let mut killed = 0;
        for (number, kill) in cases.into_iter().enumerate() {
            let upload = Video::of("results", number).requested(&system).await.upload("0A");
            delivered(&function, &upload.event(&system)).await;
            let job_id = upload.video.record(&system).await.job_id.unwrap();
            let done = job_event(&functions, &upload, &system, &job_id, State::Complete);
            killed += usize::from(dies(&system, &functions, &done, kill).await);
            delivered(&function, &done).await;
            assert_eq!(upload.video.record(&system).await.status, Some(Status::Ready), "{kill:?}");
        }
        println!("killed: {kind:?}: {all} results, {killed} handlers killed, all ready");
    })
    .await;
}

#[tokio::test]
async fn an_invocation_that_runs_out_of_time_says_so_and_its_event_comes_again() {
    on_both(async |kind| {
        let (system, functions) = system_that_counts(kind).await;
        let upload = Video::of("slow", 0).requested(&system).await.upload("0A");
        let never = |call: &Call| match call.operation.as_str() {
            "CreateJob" => Fate::Hold { arrived: Arc::default(), go: Arc::default(), done: Arc::default() },
            _ => Fate::Pass,
        };
        let network = Network::to(&system, never).await;
        let function = network.function(&functions, SHORT_LEASE);
        let (started, deadline) = (Instant::now(), SystemTime::now() + Duration::from_secs(2));
        let error = video_events::handle_until(deadline, &function, upload.event(&system)).await.unwrap_err();
        assert!(matches!(error, video_events::Error::DeadlineReached), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2), "Lambda would have killed it");
        delivered(&functions.direct(SHORT_LEASE), &upload.event(&system)).await;
        Tally::of(&system, &functions, &[upload], &[]).await.assert_perfect("slow");
    })
    .await;
}

/// How long a request is late; shorter than [`LEASE_OF_SECONDS`], and long enough for others to act meanwhile.
const LATE: Duration = Duration::from_millis(1500);

/// How the network breaks at one call of a handler that lives on.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// Before the request arrives.
    Reset,
    /// After it was done.
    AnswerLost,
    /// The request arrives when the client has given up.
    ArrivesLate,
    /// The service says that it failed, before it did anything.
    Failed,
    /// The service says that it failed, although it did it.
    FailedAfterAll,
    /// Throttled for long.
    Throttled,
}

const BREAKS: [Break; 6] =
    [Break::Reset, Break::AnswerLost, Break::ArrivesLate, Break::Failed, Break::FailedAfterAll, Break::Throttled];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_breaks_at_any_call_loses_nothing_and_doubles_nothing() {
    on_both(|kind| breaks(kind, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the long form, for `make torture`"]
async fn a_network_that_breaks_often_at_any_call_loses_nothing_and_doubles_nothing() {
    for kind in TranscoderKind::ALL {
        for times in [1, 2, 6] {
            breaks(kind, times).await;
        }
    }
}

/// Each call breaks `times` times in each way, while duplicates of the event come at once, beside it and after it.
async fn breaks(kind: TranscoderKind, times: usize) {
    let started = Instant::now();
    let (system, functions) = system_that_counts(kind).await;
    let cases: Vec<(usize, Break)> = (1..=4).flat_map(|n| BREAKS.map(|way| (n, way))).collect();
    let all = cases.len();
    let uploads = each(cases, async |number, (n, way)| {
        let upload = Video::of("broken", number).requested(&system).await.upload("0A");
        let rule = move |call: &Call| {
            if !(n..n + times).contains(&call.number) {
                return Fate::Pass;
            }
            match way {
                Break::Reset => Fate::Reset(Reach::Never),
                Break::AnswerLost => Fate::Reset(Reach::Before),
                Break::ArrivesLate => Fate::Reset(Reach::After(LATE)),
                Break::Failed => Fate::Answer(Answer::error(500, "InternalServerError")),
                Break::FailedAfterAll => Fate::Replace(Answer::error(503, "ServiceUnavailable")),
                Break::Throttled => Fate::Answer(call.throttled(&mut fastrand::Rng::with_seed(number as u64))),
            }
        };
        let network = Network::to(&system, rule).await;
        let (broken, direct) = (network.function(&functions, LEASE_OF_SECONDS), functions.direct(LEASE_OF_SECONDS));
        let event = upload.event(&system);
        video_events::handle(&broken, event.clone()).await.ok();
        tokio::join!(delivered(&direct, &event), delivered(&direct, &event));
        upload
    })
    .await;
    // What was late has arrived before anything is counted.
    tokio::time::sleep(LATE).await;
    let tally = Tally::of(&system, &functions, &uploads, &[]).await;
    println!(
        "network: {kind:?}: {all} cases of {times} broken calls, {tally}, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    tally.assert_perfect("network");
}
