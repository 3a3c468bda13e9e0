//! One entry of a `PutEvents` request: its rules and the event that it becomes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::EventBus;
use crate::timestamps::rfc3339_seconds;

/// What AWS counts for an entry's time, in bytes.
const TIME_BYTES: usize = 14;

/// An entry; everything else that AWS allows in one is ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    /// Unix seconds.
    time: Option<f64>,
    #[serde(default)]
    resources: Vec<String>,
}

/// Why one entry was not put; the others of its request are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EntryError {
    pub code: &'static str,
    pub message: String,
}

impl EntryError {
    fn missing(parameter: &str) -> Self {
        let message = format!("Parameter {parameter} is not valid. Reason: {parameter} is a required argument.");
        Self { code: "InvalidArgument", message }
    }
}

impl Entry {
    /// Returns the size as AWS computes it:
    /// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html#eb-putevents-size>.
    pub(super) fn size(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail].into_iter().flatten().chain(&self.resources);
        let time = if self.time.is_some() { TIME_BYTES } else { 0 };
        texts.map(String::len).sum::<usize>() + time
    }

    /// Returns whether the entry names the default bus, by its name or ARN. There is no other, and AWS accepts and
    /// drops what is put on a bus that does not exist.
    pub(super) fn is_for_default_bus(&self, bus: &EventBus) -> bool {
        let arn = || format!("arn:aws:events:{}:{}:event-bus/default", bus.region, bus.account);
        self.event_bus_name.as_deref().is_none_or(|name| name == "default" || name == arn())
    }

    /// Returns the event with this ID as EventBridge delivers it.
    ///
    /// # Errors
    /// The code and message that AWS answers for this entry.
    pub(super) fn event(&self, bus: &EventBus, id: &str) -> Result<Value, EntryError> {
        let source = required(self.source.as_deref(), "Source")?;
        let detail_type = required(self.detail_type.as_deref(), "DetailType")?;
        let detail = required(self.detail.as_deref(), "Detail")?;
        if source.starts_with("aws.") {
            let message = "Not authorized for the source.".to_owned();
            return Err(EntryError { code: "NotAuthorizedForSourceException", message });
        }
        let detail: Map<String, Value> = serde_json::from_str(detail)
            .map_err(|_| EntryError { code: "MalformedDetail", message: "Detail is malformed.".to_owned() })?;
        Ok(json!({
            "version": "0",
            "id": id,
            "detail-type": detail_type,
            "source": source,
            "account": &*bus.account,
            "time": rfc3339_seconds(self.time()),
            "region": &*bus.region,
            "resources": self.resources,
            "detail": detail,
        }))
    }

    /// Returns the given time, or the current one.
    fn time(&self) -> SystemTime {
        let given = self.time.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        given.and_then(|time| UNIX_EPOCH.checked_add(time)).unwrap_or_else(SystemTime::now)
    }
}

fn required<'a>(value: Option<&'a str>, parameter: &str) -> Result<&'a str, EntryError> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| EntryError::missing(parameter))
}
