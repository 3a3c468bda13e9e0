//! The least program on the packages that the events function is made of: it takes one upload from S3's event to a job
//! of Elastic Transcoder with the same four calls, and connects to DynamoDB before its first event.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lambda_events::s3::{S3Event, S3EventRecord};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_elastictranscoder::types::{CreateJobOutput, JobInput};
use lambda_runtime::{LambdaEvent, service_fn};
use video_bench_contestants::{Failure, Sdk, connect, rfc3339, s, variable};

const LEASE_SECONDS: u64 = 45;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let app = App::from_env()?;
    connect(&app.dynamodb, &app.table).await;
    let app = &app;
    lambda_runtime::run(service_fn(|event: LambdaEvent<S3Event>| async move { app.handle(event.payload).await })).await
}

struct App {
    dynamodb: Client,
    transcoder: aws_sdk_elastictranscoder::Client,
    table: String,
    pipeline: String,
}

/// An upload's object and what S3 says of it.
struct Upload {
    key: String,
    sequencer: String,
    size: i64,
    at: String,
}

/// The key of a record.
struct Id {
    project_step: AttributeValue,
    mail: AttributeValue,
}

impl App {
    fn from_env() -> Result<Self, Failure> {
        let sdk = Sdk::from_env()?;
        Ok(Self {
            dynamodb: Client::new(&sdk.config("AWS_ENDPOINT_URL_DYNAMODB")),
            transcoder: aws_sdk_elastictranscoder::Client::new(&sdk.config("AWS_ENDPOINT_URL_ELASTIC_TRANSCODER")),
            table: variable("RESPONSES_TABLE_NAME")?,
            pipeline: variable("PIPELINE_NAME")?,
        })
    }

    async fn handle(&self, event: S3Event) -> Result<(), Failure> {
        for record in event.records {
            let upload = Upload::of(record)?;
            let id = self.find(&upload).await?;
            self.claim(&id, &upload).await?;
            let job = self.submit(&upload).await?;
            self.record_job(&id, &upload, &job).await?;
        }
        Ok(())
    }

    async fn find(&self, upload: &Upload) -> Result<Id, Failure> {
        let query = self.dynamodb.query().table_name(&self.table).index_name("video-index");
        let query = query
            .key_condition_expression("#v = :v")
            .expression_attribute_names("#v", "video")
            .expression_attribute_values(":v", s(&upload.key));
        let mut item = query.send().await?.items.and_then(|items| items.into_iter().next()).ok_or("no record")?;
        let mut take = |name: &str| item.remove(name).ok_or("no key");
        Ok(Id { project_step: take("ProjectStep")?, mail: take("Mail")? })
    }

    /// Writes about what the function's claim writes, under about its conditions.
    async fn claim(&self, id: &Id, upload: &Upload) -> Result<(), Failure> {
        let now = SystemTime::now();
        let lease = now.duration_since(UNIX_EPOCH)?.as_secs() + LEASE_SECONDS;
        let update = self.dynamodb.update_item().table_name(&self.table);
        let update = update
            .key("ProjectStep", id.project_step.clone())
            .key("Mail", id.mail.clone())
            .update_expression(
                "SET #s = :s, video = :k, uploadedKey = :k, sequencer = :q, leaseUntil = :l, uploadedAt = :a, \
                 listedAt = :a, updatedAt = :t, #z = :z, #o = :o, openSince = :t, uploadsDay = :d, \
                 uploads = if_not_exists(uploads, :0) + :1 \
                 REMOVE jobId, transcoder, #u, poster, #e, progress, retriedAt",
            )
            .condition_expression(
                "attribute_exists(ProjectStep) AND #s <> :x AND (attribute_not_exists(sequencer) OR \
                 (uploadedKey = :k AND sequencer < :q) OR (uploadedKey <> :k AND uploadedAt < :a))",
            )
            .expression_attribute_names("#s", "status")
            .expression_attribute_names("#z", "size")
            .expression_attribute_names("#o", "open")
            .expression_attribute_names("#u", "output")
            .expression_attribute_names("#e", "error")
            .expression_attribute_values(":s", s("uploaded"))
            .expression_attribute_values(":x", s("deleting"))
            .expression_attribute_values(":k", s(&upload.key))
            .expression_attribute_values(":q", s(&upload.sequencer))
            .expression_attribute_values(":l", AttributeValue::N(lease.to_string()))
            .expression_attribute_values(":a", s(&upload.at))
            .expression_attribute_values(":t", s(rfc3339(now)))
            .expression_attribute_values(":z", AttributeValue::N(upload.size.to_string()))
            .expression_attribute_values(":o", s("0"))
            .expression_attribute_values(":d", s(rfc3339(now)))
            .expression_attribute_values(":0", AttributeValue::N("0".to_owned()))
            .expression_attribute_values(":1", AttributeValue::N("1".to_owned()));
        update.send().await?;
        Ok(())
    }

    async fn submit(&self, upload: &Upload) -> Result<String, Failure> {
        let stem = upload.key.rsplit_once('.').map_or(upload.key.as_str(), |(stem, _)| stem);
        let output = CreateJobOutput::builder().key(format!("web/{stem}.webm")).preset_id("1351620000001-100070");
        let create = self.transcoder.create_job().pipeline_id(&self.pipeline).output_key_prefix("output/");
        let create = create
            .input(JobInput::builder().key(&upload.key).build())
            .outputs(output.thumbnail_pattern(format!("web/{stem}-{{count}}")).build())
            .user_metadata("key", &upload.key)
            .user_metadata("sequencer", &upload.sequencer);
        let job = create.send().await?.job.and_then(|job| job.id);
        Ok(job.ok_or("a job without an ID")?)
    }

    async fn record_job(&self, id: &Id, upload: &Upload, job: &str) -> Result<(), Failure> {
        let update = self.dynamodb.update_item().table_name(&self.table);
        let update = update
            .key("ProjectStep", id.project_step.clone())
            .key("Mail", id.mail.clone())
            .update_expression("SET #s = :n, jobId = :j, transcoder = :c, updatedAt = :t REMOVE leaseUntil")
            .condition_expression("sequencer = :q AND #s = :s")
            .expression_attribute_names("#s", "status")
            .expression_attribute_values(":s", s("uploaded"))
            .expression_attribute_values(":n", s("transcoding"))
            .expression_attribute_values(":j", s(job))
            .expression_attribute_values(":c", s("elastictranscoder"))
            .expression_attribute_values(":q", s(&upload.sequencer))
            .expression_attribute_values(":t", s(rfc3339(SystemTime::now())));
        update.send().await?;
        Ok(())
    }
}

impl Upload {
    fn of(record: S3EventRecord) -> Result<Self, Failure> {
        let object = record.s3.object;
        Ok(Self {
            key: object.url_decoded_key.or(object.key).ok_or("an object without a key")?,
            sequencer: object.sequencer.ok_or("an object without a sequencer")?,
            size: object.size.unwrap_or(0),
            at: record.event_time.to_rfc3339(),
        })
    }
}
