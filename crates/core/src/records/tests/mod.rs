//! Every condition of every write, against a real DynamoDB wire protocol: each test fails when its clause is removed.

mod backfill;
mod claim;
mod erase;
mod find;
mod job;
mod list;
mod outbox;
mod retry;
mod table;

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use tokio::net::TcpListener;

use super::item::s;
use super::update::Update;
use super::*;
use crate::TranscoderKind;
use crate::ids::{ObjectKey, Sequencer};
use crate::job::{Facts, JobEvent, JobOutput, JobResult};
use crate::upload::Upload;

const LEASE: Duration = Duration::from_mins(1);
const TERMS: ClaimTerms = ClaimTerms { lease: LEASE, max_uploads_per_day: 3 };
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
    JobResult::Ready(JobOutput {
        key: "output/web/x.mp4".to_owned(),
        poster: Some("output/web/x/0A-poster.0000001.jpg".to_owned()),
        facts: Facts { duration: Some(3), width: Some(1280), height: Some(720), truncated: true },
    })
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
        self.claim(&id(), &upload(order), SystemTime::now(), TERMS).await.unwrap()
    }

    /// Claims as if the lease of whoever had it were over.
    async fn claim_after_the_lease(&self, order: &str) -> Claim {
        let later = SystemTime::now() + LEASE + Duration::from_secs(2);
        self.claim(&id(), &upload(order), later, TERMS).await.unwrap()
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
        self.job_changed(&id(), event, SystemTime::now()).await.unwrap().changed
    }
}

/// A table whose record has been claimed for this upload.
async fn claimed(order: &str) -> Table {
    let table = table().await;
    table.requested().await;
    assert_eq!(table.claim_now(order).await, Claim::Acquired { first: true });
    table
}
