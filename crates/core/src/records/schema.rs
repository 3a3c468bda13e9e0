//! The table's schema, for the local system and the tests; `cloudformation/dynamodb.yml` is the same for AWS.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};

use super::{MAIL_INDEX, OPEN_INDEX, SERVICE, Table, VIDEO_INDEX};
use crate::Error;

const OPERATION: &str = "CreateTable";

impl Table {
    /// Creates the table with its indexes; one that exists is left as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB refuses or does not answer.
    pub async fn create(&self) -> Result<(), Error> {
        let table = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(
                attributes(&["ProjectStep", "Mail", "video", "open", "uploadedAt"])
                    .map_err(|error| incomplete(&error))?,
            ))
            .set_key_schema(Some(keys(&["ProjectStep", "Mail"]).map_err(|error| incomplete(&error))?))
            .global_secondary_indexes(index(VIDEO_INDEX, &["video"]).map_err(|error| incomplete(&error))?)
            .global_secondary_indexes(index(MAIL_INDEX, &["Mail", "ProjectStep"]).map_err(|error| incomplete(&error))?)
            .global_secondary_indexes(index(OPEN_INDEX, &["open", "uploadedAt"]).map_err(|error| incomplete(&error))?);
        match table.send().await {
            Err(error) if !error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => {
                Err(Error::unavailable(SERVICE, OPERATION, &error))
            }
            _ => Ok(()),
        }
    }
}

/// The SDK's builders refuse a request that lacks a part.
fn incomplete(error: &BuildError) -> Error {
    Error::Unavailable { service: SERVICE, operation: OPERATION, reason: error.to_string() }
}

fn attributes(names: &[&str]) -> Result<Vec<AttributeDefinition>, BuildError> {
    let attribute = |name: &&str| {
        AttributeDefinition::builder().attribute_name(*name).attribute_type(ScalarAttributeType::S).build()
    };
    names.iter().map(attribute).collect()
}

/// The first name is the partition key, the second the sort key.
fn keys(names: &[&str]) -> Result<Vec<KeySchemaElement>, BuildError> {
    let types = [KeyType::Hash, KeyType::Range];
    names
        .iter()
        .zip(types)
        .map(|(name, key_type)| KeySchemaElement::builder().attribute_name(*name).key_type(key_type).build())
        .collect()
}

/// An index of keys only: small, and written only when one of its keys changes.
fn index(name: &str, key_names: &[&str]) -> Result<GlobalSecondaryIndex, BuildError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(keys(key_names)?))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build())
        .build()
}
