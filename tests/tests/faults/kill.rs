//! Killing a handler at one of its calls to AWS, and who finishes what it left.

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use video_core::records::Record;
use video_core::time::epoch_seconds;
use video_tests::faults::{Call, Fate, Gate, Network};
use video_tests::{Functions, sweep};

use super::{MEDIUM_LEASE, SHORT_LEASE, TestSystem, Video, deliver_until_handled};

/// When a handler is killed during one of its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Before the request is sent.
    BeforeTheRequest,
    /// While the request is on its way; it arrives afterwards.
    InFlight,
    /// After the service has processed the request, before the response.
    BeforeTheResponse,
    /// After the response, before the next request.
    AfterTheResponse,
}

pub const MOMENTS: [Moment; 4] =
    [Moment::BeforeTheRequest, Moment::InFlight, Moment::BeforeTheResponse, Moment::AfterTheResponse];

/// How long a request is still on its way after its handler was killed; much shorter than any lease.
const IN_FLIGHT: Duration = Duration::from_millis(300);

/// At which call a handler is killed, and when.
pub type Kill = (usize, Moment);

/// Returns every kill at the first `calls` calls.
pub fn kills(calls: usize) -> impl Iterator<Item = Kill> {
    (1..=calls).flat_map(|n| MOMENTS.map(|moment| (n, moment)))
}

/// Counts the calls of a handler; the pages of one search are one.
#[derive(Default)]
struct Position(Mutex<(usize, bool)>);

impl Position {
    fn of(&self, call: &Call) -> usize {
        let mut last = self.0.lock().unwrap();
        let (position, was_search) = *last;
        let is_search = call.operation == "ListJobs";
        let position = if is_search && was_search { position } else { position + 1 };
        *last = (position, is_search);
        position
    }
}

/// Starts an invocation and kills it; returns false when it ended before that call.
pub async fn killed_at(system: &TestSystem, functions: &Functions, event: &Value, kill: Kill) -> bool {
    kill_at(system, functions, event, kill).await.0
}

/// The same, and returns the network too, which knows what was processed.
pub async fn kill_at(system: &TestSystem, functions: &Functions, event: &Value, (n, moment): Kill) -> (bool, Network) {
    let gate = Gate::default();
    let rule = {
        let (gate, position) = (gate.clone(), Position::default());
        move |call: &Call| {
            let at = position.of(call);
            match moment {
                Moment::BeforeTheRequest | Moment::InFlight if at == n => Fate::Hold(gate.clone()),
                Moment::BeforeTheResponse if at == n => Fate::DropResponse(gate.clone()),
                Moment::AfterTheResponse if at == n + 1 => Fate::Hold(gate.clone()),
                _ => Fate::Pass,
            }
        }
    };
    let network = Network::to(system, rule).await;
    let function = functions.behind(&network, SHORT_LEASE);
    let killed = tokio::select! {
        _ = video_events::handle(&function, event.clone()) => false,
        () = gate.reached() => true,
    };
    if killed && moment == Moment::InFlight {
        // No request is on its way for as long as a lease, so nobody takes over before it arrives.
        tokio::time::sleep(IN_FLIGHT).await;
        gate.open();
        gate.passed().await;
    }
    (killed, network)
}

/// Waits until the lease of a video's upload has expired, as Lambda does before a retry.
pub async fn wait_for_the_lease(system: &TestSystem, video: &Video) {
    let table = system.table();
    video_tests::eventually("the lease has expired", async || {
        let Some(record) = table.get(&video.id).await.unwrap() else { return Some(()) };
        let expired = record.lease_until.is_none_or(|until| until < epoch_seconds(SystemTime::now()));
        expired.then_some(())
    })
    .await;
}

/// What finishes the work of a killed handler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rescue {
    /// Lambda delivers the event again, twice concurrently.
    Redelivery,
    /// The event is lost, and only the sweep is left.
    Sweep,
}

pub const RESCUES: [Rescue; 2] = [Rescue::Redelivery, Rescue::Sweep];

/// Gives each case one of both rescues, so that each call and each moment meets both.
pub fn with_a_rescue<C>(cases: impl IntoIterator<Item = C>) -> Vec<(C, Rescue)> {
    let cases = cases.into_iter().enumerate();
    cases.map(|(number, case)| (case, RESCUES[(number + number / MOMENTS.len()) % 2])).collect()
}

/// Gives each case both rescues.
pub fn with_both_rescues<C: Clone>(cases: impl IntoIterator<Item = C>) -> Vec<(C, Rescue)> {
    cases.into_iter().flat_map(|case| RESCUES.map(|rescue| (case.clone(), rescue))).collect()
}

impl Rescue {
    /// Redelivers the event of a video, or makes its record old enough for [`sweep_until`].
    pub async fn prepare(self, system: &TestSystem, functions: &Functions, video: &Video, event: &Value) {
        match self {
            Self::Redelivery => {
                let function = functions.direct(MEDIUM_LEASE);
                tokio::join!(deliver_until_handled(&function, event), deliver_until_handled(&function, event));
            }
            // A record that is gone must not come back as one of two attributes.
            Self::Sweep if system.table().get(&video.id).await.unwrap().is_some() => system.make_old(&video.id).await,
            Self::Sweep => {}
        }
    }
}

/// Sweeps until the records of these videos are as `wanted`.
pub async fn sweep_until(
    system: &TestSystem,
    function: &video_events::State,
    videos: Vec<Video>,
    wanted: impl Fn(Option<&Record>) -> bool,
) {
    let table = system.table();
    video_tests::eventually("the sweep finishes what was left", async || {
        // In a task of its own: in debug builds the SDK needs most of the stack of a test.
        let function = function.clone();
        tokio::spawn(async move { video_events::handle(&function, sweep()).await }).await.unwrap().unwrap();
        for video in &videos {
            if !wanted(table.get(&video.id).await.unwrap().as_ref()) {
                return None;
            }
        }
        Some(())
    })
    .await;
}
