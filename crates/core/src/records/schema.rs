//! The table's schema, for the local system and the tests; `cloudformation/dynamodb.yml` is the same for AWS.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};

use super::{MAIL_INDEX, OPEN_INDEX, SERVICE, Table, VIDEO_INDEX};
use crate::Error;

impl Table {
    /// Creates the table with its indexes; one that exists is left as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB refuses or does not answer.
    pub async fn create(&self) -> Result<(), Error> {
        let malformed = |error: BuildError| Error::Malformed(error.to_string());
        let table = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(
                attributes(&["ProjectStep", "Mail", "video", "open", "uploadedAt"]).map_err(malformed)?,
            ))
            .set_key_schema(Some(keys(&["ProjectStep", "Mail"]).map_err(malformed)?))
            .global_secondary_indexes(index(VIDEO_INDEX, &["video"]).map_err(malformed)?)
            .global_secondary_indexes(index(MAIL_INDEX, &["Mail", "ProjectStep"]).map_err(malformed)?)
            .global_secondary_indexes(index(OPEN_INDEX, &["open", "uploadedAt"]).map_err(malformed)?);
        match table.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error.as_service_error().is_some_and(
                    aws_sdk_dynamodb::operation::create_table::CreateTableError::is_resource_in_use_exception,
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(Error::unavailable(SERVICE, "CreateTable", &error)),
        }
    }
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
