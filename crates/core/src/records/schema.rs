//! The table's schema, for the local system and the tests; `cloudformation/dynamodb.yml` is the same for AWS.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
};

use super::table::{MAIL_INDEX, OUTBOX_INDEX, PROJECT_INDEX, SERVICE, STATUS_INDEX, STEP_INDEX, Table, VIDEO_INDEX};
use crate::Error;

/// A key: the attributes of its partition, and the one that it is sorted by.
struct Key {
    partition: &'static [&'static str],
    sort: Option<&'static str>,
}

const fn key(partition: &'static [&'static str], sort: &'static str) -> Key {
    Key { partition, sort: Some(sort) }
}

const TABLE: Key = key(&["ProjectStep"], "Mail");

/// The indexes hold keys only: they are small, and written only when one of their keys changes.
const INDEXES: [(&str, Key); 6] = [
    (VIDEO_INDEX, Key { partition: &["video"], sort: None }),
    (STATUS_INDEX, key(&["status"], "listedAt")),
    (PROJECT_INDEX, key(&["project", "status"], "listedAt")),
    (STEP_INDEX, key(&["ProjectStep", "status"], "listedAt")),
    (MAIL_INDEX, key(&["Mail"], "listedAt")),
    (OUTBOX_INDEX, key(&["open"], "openSince")),
];

impl Table {
    /// Creates the table with its indexes; one that exists gets the indexes that it lacks.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when DynamoDB refuses or does not answer.
    pub async fn create(&self) -> Result<(), Error> {
        let mut request = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes()?))
            .set_key_schema(Some(TABLE.schema()?));
        for (name, key) in INDEXES {
            request = request.global_secondary_indexes(index(name, &key)?);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(CreateTableError::is_resource_in_use_exception) => {
                self.add_missing_indexes().await
            }
            Err(error) => Err(Error::unavailable(SERVICE, "CreateTable", &error)),
        }
    }

    async fn add_missing_indexes(&self) -> Result<(), Error> {
        let described = self.client.describe_table().table_name(&self.name).send().await;
        let described = described.map_err(|error| Error::unavailable(SERVICE, "DescribeTable", &error))?;
        let existing = described.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
        let existing: BTreeSet<_> = existing.into_iter().filter_map(|index| index.index_name).collect();
        for (name, key) in INDEXES {
            if !existing.contains(name) {
                self.add_index(name, &key).await?;
            }
        }
        Ok(())
    }

    /// Adds one index, as DynamoDB allows it: one an update.
    async fn add_index(&self, name: &str, key: &Key) -> Result<(), Error> {
        let create = CreateGlobalSecondaryIndexAction::builder()
            .index_name(name)
            .set_key_schema(Some(key.schema()?))
            .projection(keys_only())
            .build()
            .map_err(|error| incomplete(&error))?;
        let update = self
            .client
            .update_table()
            .table_name(&self.name)
            .set_attribute_definitions(Some(attributes()?))
            .global_secondary_index_updates(GlobalSecondaryIndexUpdate::builder().create(create).build());
        update.send().await.map_err(|error| Error::unavailable(SERVICE, "UpdateTable", &error))?;
        Ok(())
    }
}

impl Key {
    fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.partition.iter().copied().chain(self.sort)
    }

    fn schema(&self) -> Result<Vec<KeySchemaElement>, Error> {
        let element = |name: &str, key_type| {
            let element = KeySchemaElement::builder().attribute_name(name).key_type(key_type).build();
            element.map_err(|error| incomplete(&error))
        };
        let partition = self.partition.iter().map(|name| element(name, KeyType::Hash));
        partition.chain(self.sort.map(|name| element(name, KeyType::Range))).collect()
    }
}

/// Defines every attribute that a key is made of; all are texts.
fn attributes() -> Result<Vec<AttributeDefinition>, Error> {
    let of_indexes = INDEXES.iter().flat_map(|(_, key)| key.attributes());
    let names: BTreeSet<_> = TABLE.attributes().chain(of_indexes).collect();
    let attribute = |name| {
        let definition = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        definition.build().map_err(|error| incomplete(&error))
    };
    names.into_iter().map(attribute).collect()
}

fn index(name: &str, key: &Key) -> Result<GlobalSecondaryIndex, Error> {
    let index = GlobalSecondaryIndex::builder().index_name(name).set_key_schema(Some(key.schema()?));
    index.projection(keys_only()).build().map_err(|error| incomplete(&error))
}

fn keys_only() -> Projection {
    Projection::builder().projection_type(ProjectionType::KeysOnly).build()
}

/// The SDK's builders refuse a request that lacks a part.
fn incomplete(error: &BuildError) -> Error {
    Error::Unavailable { service: SERVICE, operation: "CreateTable", reason: error.to_string() }
}
