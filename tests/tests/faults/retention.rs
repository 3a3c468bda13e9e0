//! The retention marks what is too old, and nothing that changes between its calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use video_core::records::Status;
use video_tests::events::JobState;
use video_tests::faults::{Call, Fate, Gate, Network};
use video_tests::{Functions, sweep};

use super::{LONG_LEASE, TestSystem, Upload, Video, deliver_until_handled, each, idle_system, job_event, on_both};

/// What happens to a record that is too old while the sweep is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// Nothing: it is marked.
    None(Status),
    /// The person asks for the form again, with or without a video there.
    Form(Status),
    /// The person uploads, for the first time or again.
    Upload(Status),
    /// The admin retries.
    Retry,
    /// Another job of the same upload succeeds after all.
    LateSuccess,
}

const CHANGES: [Change; 11] = [
    Change::None(Status::Requested),
    Change::None(Status::Ready),
    Change::None(Status::Failed),
    Change::Form(Status::Requested),
    Change::Form(Status::Ready),
    Change::Form(Status::Failed),
    Change::Upload(Status::Requested),
    Change::Upload(Status::Ready),
    Change::Upload(Status::Failed),
    Change::Retry,
    Change::LateSuccess,
];

impl Change {
    /// Returns the status before the change.
    fn before(self) -> Status {
        match self {
            Self::None(status) | Self::Form(status) | Self::Upload(status) => status,
            Self::Retry | Self::LateSuccess => Status::Failed,
        }
    }

    /// Returns the status after the sweep.
    fn after(self) -> Status {
        match self {
            Self::None(_) => Status::Deleting,
            Self::Form(status) => status,
            Self::Upload(_) => Status::Transcoding,
            Self::Retry => Status::Uploaded,
            Self::LateSuccess => Status::Ready,
        }
    }
}

/// At which call of the sweep a record changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Point {
    /// Between the list and the reading of the record.
    BeforeTheRead,
    /// Between the reading of the record and its mark.
    BeforeTheMark,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changes_while_the_sweep_looks_for_old_records_is_not_marked() {
    on_both(async |kind| {
        let (system, _) = idle_system(kind).await;
        let variables = system.variables().with("RETENTION_DAYS", "10").with("UNUSED_FORM_DAYS", "10");
        let functions = Functions::with(variables, kind).await;
        let points = [Point::BeforeTheRead, Point::BeforeTheMark];
        let cases: Vec<_> = points.into_iter().flat_map(|point| CHANGES.map(|change| (point, change))).collect();
        let old = each(cases, async |number, (point, change)| {
            let case = Case { upload: old_record(&system, &functions, number, change.before()).await, point, change };
            (case, Gate::default())
        })
        .await;

        let gates = old.iter().map(|(case, gate)| ((case.upload.video.id.mail.clone(), case.point), gate.clone()));
        // Each gate holds one call: the handlers that change the record must not be held.
        let gates: Arc<Mutex<HashMap<_, _>>> = Arc::new(Mutex::new(gates.collect()));
        let network = Network::to(&system, move |call: &Call| {
            let point = match call.operation.as_str() {
                "GetItem" => Point::BeforeTheRead,
                "UpdateItem" if call.sets("status") == Some("deleting") => Point::BeforeTheMark,
                _ => return Fate::Pass,
            };
            let gate = call.mail().and_then(|mail| gates.lock().unwrap().remove(&(mail.to_owned(), point)));
            gate.map_or(Fate::Pass, Fate::Hold)
        })
        .await;
        let function = functions.behind(&network, LONG_LEASE);
        let sweeping = tokio::spawn(async move { video_events::handle(&function, sweep()).await });
        let changed = old.iter().map(async |(case, gate)| {
            gate.reached().await;
            case.change(&system, &functions).await;
            gate.open();
        });
        futures_util::future::join_all(changed).await;
        sweeping.await.unwrap().unwrap();

        for (case, _) in &old {
            let record = case.upload.video.record(&system).await;
            assert_eq!(record.status, Some(case.change.after()), "{:?} {:?}", case.point, case.change);
        }
        println!("retention: {kind:?}: {} old records, only the unchanged ones marked", old.len());
    })
    .await;
}

/// Makes a record in this status that is older than the retention.
async fn old_record(system: &TestSystem, functions: &Functions, number: usize, status: Status) -> Upload {
    let video = Video::of("retention", number).requested(system).await;
    let upload = video.upload("0A");
    let end = match status {
        Status::Ready => Some(JobState::Complete),
        Status::Failed => Some(JobState::Error),
        _ => None,
    };
    if let Some(end) = end {
        let function = functions.direct(LONG_LEASE);
        deliver_until_handled(&function, &upload.event(system)).await;
        let job_id = video.record(system).await.job_id.unwrap();
        deliver_until_handled(&function, &job_event(functions, &upload, system, &job_id, end)).await;
    }
    system.make_expired(&video.id).await;
    upload
}

struct Case {
    upload: Upload,
    point: Point,
    change: Change,
}

impl Case {
    async fn change(&self, system: &TestSystem, functions: &Functions) {
        let Upload { video, .. } = &self.upload;
        let function = functions.direct(LONG_LEASE);
        match self.change {
            Change::None(_) => {}
            Change::Form(_) => drop(video.clone().requested(system).await),
            Change::Upload(_) => drop(deliver_until_handled(&function, &video.upload("0B").event(system)).await),
            Change::Retry => {
                let (seen, next) = video.record(system).await.next_retry(SystemTime::now()).unwrap();
                assert!(system.table().retry(&video.id, (&seen, &next), SystemTime::now()).await.unwrap());
            }
            Change::LateSuccess => {
                let done = job_event(functions, &self.upload, system, "another-job", JobState::Complete);
                deliver_until_handled(&function, &done).await;
            }
        }
    }
}
