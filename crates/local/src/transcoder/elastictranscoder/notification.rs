//! Notifications of a job's state, as SNS delivers them to Lambda.

use std::time::SystemTime;

use rusqlite::Transaction;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::timestamps::rfc3339_millis;
use crate::transcoder::jobs::{Job, Outcome, Status};
use crate::transcoder::pipelines::{self, Pipeline};
use crate::transcoder::state::Transcoder;

/// Returns the notification for the job's state if its pipeline has a topic for it.
///
/// # Errors
/// When the database cannot be read.
pub(in crate::transcoder) fn notification(
    transcoder: &Transcoder,
    tx: &Transaction<'_>,
    job: &Job,
) -> rusqlite::Result<Option<Value>> {
    let (state, setting, subject) = match job.status {
        Status::Progressing => (
            "PROGRESSING",
            "Progressing",
            format!("Amazon Elastic Transcoder has scheduled job {} for transcoding.", job.id),
        ),
        Status::Complete => {
            ("COMPLETED", "Completed", format!("Amazon Elastic Transcoder has finished transcoding job {}.", job.id))
        }
        Status::Error => ("ERROR", "Error", format!("The Amazon Elastic Transcoder job {} has failed.", job.id)),
        Status::Submitted | Status::Canceled => return Ok(None),
    };
    let pipeline = pipelines::find(tx, &job.queue)?;
    let topic = pipeline.as_ref().and_then(|pipeline| topic(pipeline, setting));
    Ok(topic.map(|topic| sns_event(&transcoder.settings.region, topic, &subject, &message(job, state))))
}

/// Returns the topic of one of the pipeline's `Notifications`; an empty one means that nobody subscribed.
fn topic<'a>(pipeline: &'a Pipeline, setting: &str) -> Option<&'a str> {
    let topic = pipeline.settings.get("Notifications")?.get(setting)?.as_str()?;
    (!topic.is_empty()).then_some(topic)
}

/// Returns the message, as on AWS's page "Notifications of Job Status".
fn message(job: &Job, state: &str) -> Value {
    let mut message = json!({
        "state": state,
        "version": "2012-09-25",
        "jobId": job.id,
        "pipelineId": job.queue,
        "input": camel_case_keys(job.request.get("Input")),
        "inputCount": 1,
        "outputs": [output(job)],
    });
    if let Some(message) = message.as_object_mut() {
        for (name, field) in [("outputKeyPrefix", "OutputKeyPrefix"), ("userMetadata", "UserMetadata")] {
            let value = job.request.get(field).filter(|value| !value.is_null() && **value != json!({}));
            message.extend(value.map(|value| (name.to_owned(), value.clone())));
        }
        if let Some(Outcome::Failed { code, message: details }) = &job.outcome {
            message.insert("errorCode".to_owned(), (*code).into());
            message.insert("messageDetails".to_owned(), details.as_str().into());
        }
    }
    message
}

fn output(job: &Job) -> Value {
    let mut output = camel_case_keys(job.request.get("Output"));
    output.insert("id".to_owned(), "1".into());
    output.insert("status".to_owned(), job.status.name().into());
    match &job.outcome {
        Some(Outcome::Done { media, .. }) => {
            output.insert("duration".to_owned(), media.seconds().into());
            output.insert("width".to_owned(), media.width.into());
            output.insert("height".to_owned(), media.height.into());
        }
        Some(Outcome::Failed { code, message }) => {
            output.insert("statusDetail".to_owned(), message.as_str().into());
            output.insert("errorCode".to_owned(), (*code).into());
        }
        None => {}
    }
    Value::Object(output)
}

/// Turns `{"PresetId": …}` into `{"presetId": …}`.
fn camel_case_keys(settings: Option<&Value>) -> Map<String, Value> {
    let fields = settings.and_then(Value::as_object).into_iter().flatten();
    fields
        .map(|(name, value)| {
            let mut rest = name.chars();
            let first = rest.next().map(|c| c.to_ascii_lowercase());
            (first.into_iter().chain(rest).collect(), value.clone())
        })
        .collect()
}

/// Wraps a message as in <https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html>. It is not signed: Lambda
/// verifies signatures, functions do not.
fn sns_event(region: &str, topic: &str, subject: &str, message: &Value) -> Value {
    let host = format!("sns.{region}.amazonaws.com");
    let subscription = format!("{topic}:{}", Uuid::nil());
    json!({
        "Records": [{
            "EventVersion": "1.0",
            "EventSource": "aws:sns",
            "EventSubscriptionArn": subscription,
            "Sns": {
                "Type": "Notification",
                "MessageId": Uuid::new_v4().to_string(),
                "TopicArn": topic,
                "Subject": subject,
                "Message": format!("{message:#}"),
                "Timestamp": rfc3339_millis(SystemTime::now()),
                "SignatureVersion": "1",
                "Signature": "",
                "SigningCertUrl": format!("https://{host}/SimpleNotificationService.pem"),
                "UnsubscribeUrl": format!("https://{host}/?Action=Unsubscribe&SubscriptionArn={subscription}"),
                "MessageAttributes": {},
            },
        }]
    })
}
