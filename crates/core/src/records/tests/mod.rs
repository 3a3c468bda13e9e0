//! Every condition of every write, against a real DynamoDB wire protocol: each test fails when its clause is removed.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use tokio::net::TcpListener;

use super::*;
use crate::TranscoderKind;
use crate::ids::{ObjectKey, Sequencer};
use crate::job::{JobEvent, JobResult};

const LEASE: Duration = Duration::from_mins(1);
const KEY: &str = "Alba/0/c5e866594d810c0c3e1f.webm";

/// A table of its own, in memory.
pub(super) async fn table() -> Table {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let table = table_at(endpoint);
    table.create().await.unwrap();
    table
}

/// The table at this endpoint, which is asked once.
pub(super) fn table_at(endpoint: String) -> Table {
    let aws = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(Credentials::new("a", "b", None, None, "test")))
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Table::new(&aws, "responses")
}

fn id() -> RecordId {
    RecordId { project_step: "Alba-0".to_owned(), mail: "Eduard@orkei.com".to_owned() }
}

fn key(text: &str) -> ObjectKey {
    ObjectKey::from_decoded(text).unwrap()
}

fn sequencer(text: &str) -> Sequencer {
    text.parse().unwrap()
}

fn upload(order: &str) -> Upload {
    Upload { key: key(KEY), sequencer: sequencer(order), size: 7, uploaded_at: SystemTime::now() }
}

fn event(order: &str, job_id: &str, result: JobResult) -> JobEvent {
    JobEvent {
        sequencer: sequencer(order),
        transcoder: TranscoderKind::MediaConvert,
        job_id: job_id.to_owned(),
        result,
    }
}

fn ready() -> JobResult {
    JobResult::Ready { output: "output/web/x.mp4".to_owned() }
}

fn failed() -> JobResult {
    JobResult::Failed { reason: "bad input".to_owned() }
}

impl Table {
    async fn record(&self) -> Record {
        self.get(&id()).await.unwrap().unwrap()
    }

    async fn status(&self) -> Status {
        self.record().await.status.unwrap()
    }

    /// A record for which a form was issued.
    async fn requested(&self) {
        self.record_form(&id(), &key(KEY), SystemTime::now()).await.unwrap();
    }

    async fn claim_now(&self, order: &str) -> Claim {
        self.claim(&id(), &upload(order), SystemTime::now(), LEASE).await.unwrap()
    }

    /// Claims as if the lease of whoever had it were over.
    async fn claim_after_the_lease(&self, order: &str) -> Claim {
        let later = SystemTime::now() + LEASE + Duration::from_secs(2);
        self.claim(&id(), &upload(order), later, LEASE).await.unwrap()
    }

    async fn submit(&self, order: &str, job_id: &str) -> bool {
        self.job_submitted(&id(), &sequencer(order), TranscoderKind::MediaConvert, job_id, SystemTime::now())
            .await
            .unwrap()
    }

    async fn reject(&self, order: &str) -> bool {
        self.job_rejected(&id(), &sequencer(order), TranscoderKind::MediaConvert, "too long", SystemTime::now())
            .await
            .unwrap()
    }

    async fn apply_now(&self, event: &JobEvent) -> bool {
        self.job_changed(&id(), event, SystemTime::now()).await.unwrap()
    }
}

/// A table whose record has been claimed for this upload.
async fn claimed(order: &str) -> Table {
    let table = table().await;
    table.requested().await;
    assert_eq!(table.claim_now(order).await, Claim::Acquired { first: true });
    table
}

#[tokio::test]
async fn a_repeated_form_keeps_the_state_and_takes_the_newer_key() {
    let table = claimed("0A").await;
    let other = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    table.record_form(&id(), &other, SystemTime::now()).await.unwrap();
    let record = table.record().await;
    assert_eq!(record.status, Some(Status::Uploaded));
    assert_eq!(record.video.as_deref(), Some(other.as_str()));
}

#[tokio::test]
async fn a_deleted_record_is_not_brought_back_by_a_claim() {
    let table = table().await;
    assert_eq!(table.claim_now("0A").await, Claim::RecordDeleted);
    assert_eq!(table.get(&id()).await.unwrap(), None);
}

#[tokio::test]
async fn a_claim_writes_down_the_upload_and_forgets_the_last_one() {
    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    assert!(table.apply_now(&event("0A", "job-1", ready())).await);
    assert_eq!(table.claim_now("0B").await, Claim::Acquired { first: false });
    let record = table.record().await;
    assert_eq!(record.status, Some(Status::Uploaded));
    assert_eq!(record.sequencer.as_deref(), Some(sequencer("0B").as_str()));
    assert_eq!((record.size, record.video.as_deref()), (Some(7), Some(KEY)));
    assert!(record.lease_until.is_some() && record.uploaded_at.is_some());
    assert_eq!((record.job_id, record.output, record.error, record.transcoder), (None, None, None, None));
}

#[tokio::test]
async fn a_failure_is_forgotten_by_the_next_upload() {
    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", failed())).await);
    assert_eq!(table.claim_now("0B").await, Claim::Acquired { first: false });
    assert_eq!(table.record().await.error, None);
}

#[tokio::test]
async fn an_older_upload_never_overwrites_a_newer_one() {
    let table = claimed("0B").await;
    assert_eq!(table.claim_now("0A").await, Claim::AlreadyHandled);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);
    assert_eq!(table.record().await.sequencer.as_deref(), Some(sequencer("0B").as_str()));
}

#[tokio::test]
async fn the_same_upload_is_worked_on_once_while_the_lease_lives() {
    let table = claimed("0A").await;
    assert_eq!(table.claim_now("0A").await, Claim::LeaseHeld);
}

#[tokio::test]
async fn a_lease_lives_to_the_end_of_its_last_second() {
    let table = claimed("0A").await;
    let until = SystemTime::UNIX_EPOCH + Duration::from_secs(table.record().await.lease_until.unwrap());
    assert_eq!(table.claim(&id(), &upload("0A"), until, LEASE).await.unwrap(), Claim::LeaseHeld);
    let over = until + Duration::from_secs(1);
    assert_eq!(table.claim(&id(), &upload("0A"), over, LEASE).await.unwrap(), Claim::TakenOver);
}

#[tokio::test]
async fn the_same_upload_with_a_job_or_an_end_is_already_handled() {
    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);

    let table = claimed("0A").await;
    assert!(table.reject("0A").await);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::AlreadyHandled);
}

#[tokio::test]
async fn an_upload_whose_lease_is_over_is_taken_over_by_one_only() {
    let table = claimed("0A").await;
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::TakenOver);
    assert_eq!(table.claim_after_the_lease("0A").await, Claim::LeaseHeld, "the new lease is a whole one");
    assert_eq!(table.status().await, Status::Uploaded);
}

#[tokio::test]
async fn a_take_over_needs_the_same_upload_without_a_job_and_a_lease_that_is_over() {
    let table = claimed("0A").await;
    let (now, later) = (SystemTime::now(), SystemTime::now() + LEASE * 2);
    assert!(!table.take_over(&id(), &sequencer("0A"), now, LEASE).await.unwrap());
    assert!(!table.take_over(&id(), &sequencer("0B"), later, LEASE).await.unwrap());
    assert!(table.take_over(&id(), &sequencer("0A"), later, LEASE).await.unwrap());
    assert!(table.release_lease(&id(), &sequencer("0A")).await.unwrap());
    assert!(table.submit("0A", "job-1").await);
    table.lease_that_is_over().await;
    assert!(!table.take_over(&id(), &sequencer("0A"), later, LEASE).await.unwrap());
}

impl Table {
    /// Puts back what a submitted record no longer has, so that the other clauses of a take-over hold.
    async fn lease_that_is_over(&self) {
        assert!(self.apply(&id(), Update::default().set("leaseUntil", 0_u64)).await.unwrap());
    }
}

#[tokio::test]
async fn a_lease_is_released_only_by_its_own_upload_and_only_without_a_job() {
    let table = claimed("0A").await;
    assert!(!table.release_lease(&id(), &sequencer("0B")).await.unwrap());
    assert_eq!(table.claim_now("0A").await, Claim::LeaseHeld);
    assert!(table.release_lease(&id(), &sequencer("0A")).await.unwrap());
    assert_eq!(table.claim_now("0A").await, Claim::TakenOver);
    assert!(table.submit("0A", "job-1").await);
    assert!(!table.release_lease(&id(), &sequencer("0A")).await.unwrap());
}

#[tokio::test]
async fn a_job_is_recorded_for_its_own_upload_and_once() {
    let table = claimed("0B").await;
    assert!(!table.submit("0A", "job-old").await);
    assert!(table.submit("0B", "job-1").await);
    assert!(!table.submit("0B", "job-2").await);
    let record = table.record().await;
    assert_eq!((record.status, record.job_id.as_deref()), (Some(Status::Transcoding), Some("job-1")));
    assert_eq!((record.transcoder, record.lease_until), (Some(TranscoderKind::MediaConvert), None));
}

#[tokio::test]
async fn a_jobs_own_event_before_the_submit_is_recorded_stands() {
    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", ready())).await);
    assert!(!table.submit("0A", "job-1").await);
    assert_eq!(table.status().await, Status::Ready);
}

#[tokio::test]
async fn a_rejection_counts_for_its_own_upload_without_a_job() {
    let table = claimed("0B").await;
    assert!(!table.reject("0A").await);
    assert!(table.reject("0B").await);
    let record = table.record().await;
    assert_eq!((record.status, record.error.as_deref()), (Some(Status::Failed), Some("too long")));

    let table = claimed("0A").await;
    assert!(table.submit("0A", "job-1").await);
    assert!(!table.reject("0A").await);
    assert_eq!(table.status().await, Status::Transcoding);
}

#[tokio::test]
async fn progress_counts_for_the_newest_upload_that_has_no_job_yet() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", JobResult::Progressing)).await);
    assert!(table.apply_now(&event("0B", "job-1", JobResult::Progressing)).await);
    let record = table.record().await;
    assert_eq!((record.status, record.job_id.as_deref()), (Some(Status::Transcoding), Some("job-1")));
    assert!(!table.apply_now(&event("0B", "job-2", JobResult::Progressing)).await);
}

#[tokio::test]
async fn progress_never_takes_back_an_end() {
    let table = claimed("0A").await;
    assert!(table.reject("0A").await);
    assert!(!table.apply_now(&event("0A", "job-1", JobResult::Progressing)).await);
    assert_eq!(table.status().await, Status::Failed);
}

#[tokio::test]
async fn progress_is_refused_where_a_job_is_known_although_the_state_is_uploaded() {
    let table = claimed("0A").await;
    assert!(table.apply(&id(), Update::default().set("jobId", "job-1")).await.unwrap());
    assert!(!table.apply_now(&event("0A", "job-2", JobResult::Progressing)).await);
}

#[tokio::test]
async fn ready_counts_for_the_newest_upload_and_absorbs_everything_else() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", ready())).await);
    assert!(table.apply_now(&event("0B", "job-1", failed())).await);
    assert!(table.apply_now(&event("0B", "job-1", ready())).await);
    let record = table.record().await;
    assert_eq!((record.status, record.output.as_deref()), (Some(Status::Ready), Some("output/web/x.mp4")));
    assert_eq!((record.error, record.lease_until), (None, None));
    for result in [JobResult::Progressing, failed(), ready()] {
        assert!(!table.apply_now(&event("0B", "job-1", result)).await);
    }
    assert_eq!(table.status().await, Status::Ready);
}

#[tokio::test]
async fn a_failure_counts_for_the_newest_upload_and_its_own_job() {
    let table = claimed("0B").await;
    assert!(!table.apply_now(&event("0A", "job-old", failed())).await);
    assert!(table.submit("0B", "job-1").await);
    assert!(!table.apply_now(&event("0B", "job-2", failed())).await);
    assert!(table.apply_now(&event("0B", "job-1", failed())).await);
    let record = table.record().await;
    assert_eq!((record.status, record.error.as_deref()), (Some(Status::Failed), Some("bad input")));
    assert!(!table.apply_now(&event("0B", "job-1", failed())).await);
}

#[tokio::test]
async fn a_failure_before_the_submit_is_recorded_counts() {
    let table = claimed("0A").await;
    assert!(table.apply_now(&event("0A", "job-1", failed())).await);
    assert_eq!(table.status().await, Status::Failed);
}

impl Table {
    async fn records_in_progress(&self) -> usize {
        let mut all = 0;
        for shard in SHARDS {
            all += self.in_progress_before(shard, SystemTime::now() + LEASE, 100).await.unwrap().len();
        }
        all
    }
}

#[tokio::test]
async fn a_record_is_in_progress_from_its_upload_to_its_end() {
    for end in [ready(), failed()] {
        let table = table().await;
        table.requested().await;
        assert_eq!(table.records_in_progress().await, 0);
        table.claim_now("0A").await;
        assert_eq!(table.records_in_progress().await, 1);
        table.submit("0A", "job-1").await;
        assert_eq!(table.records_in_progress().await, 1);
        table.apply_now(&event("0A", "job-1", end)).await;
        assert_eq!(table.records_in_progress().await, 0);
    }
    let table = claimed("0A").await;
    table.reject("0A").await;
    assert_eq!(table.records_in_progress().await, 0);
}

#[tokio::test]
async fn records_in_progress_are_given_by_age() {
    let table = claimed("0A").await;
    let shard = in_progress::shard(&key(KEY));
    assert_eq!(table.in_progress_before(&shard, SystemTime::now() + LEASE, 100).await.unwrap(), [id()]);
    assert_eq!(table.in_progress_before(&shard, SystemTime::now() - LEASE, 100).await.unwrap(), []);
}

#[tokio::test]
async fn the_uploaded_key_stays_when_a_form_of_another_type_is_asked_for() {
    let table = claimed("0A").await;
    let other = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    table.record_form(&id(), &other, SystemTime::now()).await.unwrap();
    assert_eq!(table.record().await.uploaded_key.as_deref(), Some(KEY));
}

#[tokio::test]
async fn a_requested_record_is_found_by_its_key_and_by_its_other_types() {
    let table = table().await;
    table.requested().await;
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(id()));
    let mp4 = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    assert_eq!(table.find(&mp4).await.unwrap(), Some(id()));
    assert_eq!(table.find_or_adopt(&mp4, SystemTime::now()).await.unwrap(), id());
    assert_eq!(table.find(&key("Alba/0/c5e866594d810c0c3e1e.webm")).await.unwrap(), None);
}

#[tokio::test]
async fn an_unsolicited_upload_gets_a_record_once() {
    let table = table().await;
    for name in ["Alba/0/clip.mp4", KEY, "clip.mp4"] {
        let key = key(name);
        assert_eq!(table.find(&key).await.unwrap(), None);
        let id = table.find_or_adopt(&key, SystemTime::now()).await.unwrap();
        assert_eq!(id, RecordId { project_step: key.project_step(), mail: format!("unknown/{}", key.file_name()) });
        assert_eq!(table.find_or_adopt(&key, SystemTime::now()).await.unwrap(), id);
        assert_eq!(table.find(&key).await.unwrap(), Some(id));
    }
}

#[tokio::test]
async fn a_solicited_record_goes_before_a_placeholder() {
    let table = table().await;
    table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap();
    table.requested().await;
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(id()));
}

#[tokio::test]
async fn an_index_that_knows_only_the_placeholder_does_not_hide_the_solicited_record() {
    let table = table().await;
    table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap();
    let other = key("Alba/0/c5e866594d810c0c3e1f.mp4");
    table.record_form(&id(), &other, SystemTime::now()).await.unwrap();
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(id()));
}

#[tokio::test]
async fn a_solicited_record_is_found_behind_a_page_of_others() {
    let table = table().await;
    let adopted = table.find_or_adopt(&key(KEY), SystemTime::now()).await.unwrap();
    for mail in ["v@b", "w@b", "x@b"] {
        // DynamoDB ends a page at 1 MB.
        let other = RecordId { mail: mail.to_owned(), ..id() };
        assert!(table.apply(&other, Update::default().set("padding", "p".repeat(390 << 10))).await.unwrap());
    }
    let (late, other) = (RecordId { mail: "z@b".to_owned(), ..id() }, key("Alba/0/c5e866594d810c0c3e1f.mp4"));
    assert!(adopted.mail < late.mail);
    table.record_form(&late, &other, SystemTime::now()).await.unwrap();
    assert_eq!(table.find(&key(KEY)).await.unwrap(), Some(late));
}

#[tokio::test]
async fn two_keys_with_one_place_get_a_record_each() {
    let table = table().await;
    let (first, second) = (key("a-b/c/x.mp4"), key("a/b-c/x.mp4"));
    let first_id = table.find_or_adopt(&first, SystemTime::now()).await.unwrap();
    let second_id = table.find_or_adopt(&second, SystemTime::now()).await.unwrap();
    assert_ne!(first_id, second_id);
    assert_eq!(table.find(&first).await.unwrap(), Some(first_id));
    assert_eq!(table.find(&second).await.unwrap(), Some(second_id));
}

#[tokio::test]
async fn the_longest_key_of_s3_gets_a_record() {
    let table = table().await;
    let key = key(&format!("{}.mp4", "k".repeat(1020)));
    let id = table.find_or_adopt(&key, SystemTime::now()).await.unwrap();
    assert!(id.mail.starts_with("unknown/") && id.mail.len() <= 1024);
    assert_eq!(table.find(&key).await.unwrap(), Some(id));
}

/// A write that did not arrive is not a write whose condition was not met: taken for one, its event would be lost.
#[tokio::test]
async fn a_write_that_fails_is_an_error_and_no_unmet_condition() {
    // Nothing listens on the discard port of the loopback.
    let (table, now, order) = (table_at("http://127.0.0.1:9".to_owned()), SystemTime::now(), sequencer("0A"));
    let error = table.get(&id()).await.unwrap_err().to_string();
    assert!(error.starts_with("DynamoDB GetItem: ") && error.contains("onnection refused"), "{error}");
    assert!(table.create().await.is_err());
    assert!(table.claim(&id(), &upload("0A"), now, LEASE).await.is_err());
    assert!(table.take_over(&id(), &order, now, LEASE).await.is_err());
    assert!(table.release_lease(&id(), &order).await.is_err());
    assert!(table.job_submitted(&id(), &order, TranscoderKind::MediaConvert, "job-1", now).await.is_err());
    assert!(table.job_rejected(&id(), &order, TranscoderKind::MediaConvert, "too long", now).await.is_err());
    for result in [JobResult::Progressing, ready(), failed()] {
        assert!(table.job_changed(&id(), &event("0A", "job-1", result), now).await.is_err());
    }
}

#[tokio::test]
async fn a_table_that_exists_is_left_as_it_is() {
    let table = claimed("0A").await;
    table.create().await.unwrap();
    assert_eq!(table.status().await, Status::Uploaded);
}

#[tokio::test]
async fn a_refusal_is_told_by_its_code_its_status_and_its_message() {
    let table = Table { name: "nowhere".to_owned(), ..table().await };
    let refused = table.get(&id()).await.unwrap_err().to_string();
    assert!(refused.starts_with("DynamoDB GetItem: ResourceNotFoundException (400): "), "{refused}");
    assert!(!refused.ends_with(": no message"), "{refused}");
}
