//! Reading many records at once.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::item::{Item, from_item};
use super::record::{Record, RecordId};
use super::table::{SERVICE, Table};
use crate::Error;

/// What `BatchGetItem` takes at once.
const BATCH_SIZE: usize = 100;
/// How many requests there are for keys that DynamoDB leaves unprocessed.
const MAX_ATTEMPTS: u32 = 5;
/// The longest wait before the second attempt; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(50);

impl Table {
    /// Reads records; those that no longer exist are left out.
    pub(super) async fn get_all(&self, ids: &[RecordId]) -> Result<HashMap<RecordId, Record>, Error> {
        let mut records = HashMap::new();
        for batch in ids.chunks(BATCH_SIZE) {
            let found = self.get_batch(batch.iter().map(RecordId::to_key).collect()).await?;
            records.extend(found.into_iter().map(|record| (record.id.clone(), record)));
        }
        Ok(records)
    }

    /// Reads one batch. DynamoDB may leave keys unprocessed, mostly when it throttles: they are asked for again after a
    /// random wait.
    async fn get_batch(&self, mut keys: Vec<Item>) -> Result<Vec<Record>, Error> {
        let mut records = Vec::with_capacity(keys.len());
        for attempt in 0..MAX_ATTEMPTS {
            if attempt > 0 {
                let longest = FIRST_BACKOFF * 2_u32.pow(attempt - 1);
                tokio::time::sleep(longest.mul_f64(fastrand::f64())).await;
            }
            let (found, unprocessed) = self.request_batch(keys).await?;
            records.extend(found);
            if unprocessed.is_empty() {
                return Ok(records);
            }
            keys = unprocessed;
        }
        Err(unavailable("keys were left unprocessed"))
    }

    async fn request_batch(&self, keys: Vec<Item>) -> Result<(Vec<Record>, Vec<Item>), Error> {
        let request = KeysAndAttributes::builder().set_keys(Some(keys)).build();
        let request = request.map_err(|error| unavailable(error.to_string()))?;
        let answer = self.client.batch_get_item().request_items(&self.name, request).send().await;
        let answer = answer.map_err(|error| Error::unavailable(SERVICE, OPERATION, &error))?;
        let items = answer.responses.and_then(|mut tables| tables.remove(&self.name)).unwrap_or_default();
        let records = items.into_iter().map(from_item).collect::<Result<_, _>>()?;
        let unprocessed = answer.unprocessed_keys.and_then(|mut tables| tables.remove(&self.name));
        Ok((records, unprocessed.map(|left| left.keys).unwrap_or_default()))
    }
}

const OPERATION: &str = "BatchGetItem";

fn unavailable(reason: impl Into<String>) -> Error {
    Error::Unavailable { service: SERVICE, operation: OPERATION, reason: reason.into() }
}
