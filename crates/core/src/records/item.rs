//! Items and attribute values as DynamoDB takes them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde::de::DeserializeOwned;

use crate::Error;

/// The attributes of an item, or of its key.
pub(super) type Item = HashMap<String, AttributeValue>;

/// Reads an item into a type.
///
/// # Errors
/// [`Error::Malformed`] when it has another shape.
pub(super) fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, Error> {
    serde_dynamo::aws_sdk_dynamodb_1::from_item(item).map_err(|error| Error::Malformed(error.to_string()))
}

/// Reads many items, as [`from_item`] does.
pub(super) fn from_items<T: DeserializeOwned>(items: Option<Vec<Item>>) -> Result<Vec<T>, Error> {
    items.unwrap_or_default().into_iter().map(from_item).collect()
}

/// Returns a text as DynamoDB stores it.
pub(super) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// Returns a number as DynamoDB stores it.
pub(super) fn n(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}
