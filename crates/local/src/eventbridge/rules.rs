//! The rules of the default bus: which queue gets an event.

use serde_json::Value;

use crate::event_queue::Queue;

/// The source of the functions' own events.
const SOURCE: &str = "video";

/// What the API asks the events function to do: `RequestRule` in `template.yaml`.
const REQUESTS: [&str; 2] = ["Video Retry Requested", "Video Erase Requested"];

/// Returns the queue of an event, or `None` if no rule matches it: the bus drops it then, as on AWS.
pub(super) fn queue_of(event: &Value) -> Option<Queue> {
    let field = |name: &str| event.get(name).and_then(Value::as_str);
    if field("source") != Some(SOURCE) {
        return None;
    }
    let is_request = field("detail-type").is_some_and(|detail_type| REQUESTS.contains(&detail_type));
    Some(if is_request { Queue::Function } else { Queue::Webhook })
}
