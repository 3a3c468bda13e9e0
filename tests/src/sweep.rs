//! The sweep without the wait until an upload, or a record, is old enough for it.

use aws_sdk_dynamodb::types::AttributeValue;
use video_core::records::RecordId;

use crate::TestSystem;

/// Long before any test.
const OLD: &str = "2026-01-01T00:00:00Z";

impl TestSystem {
    /// Makes the upload of a record, and what it is owed, old enough for the sweep.
    pub async fn make_old(&self, id: &RecordId) {
        self.set(id, "SET uploadedAt = :value, openSince = :value", OLD).await;
    }

    /// Makes a record as old as the retention wants it: its form and its place in the list.
    pub async fn make_expired(&self, id: &RecordId) {
        self.set(id, "SET requestedAt = :value", OLD).await;
        self.set(id, "SET listedAt = :value", "1767225600000~00000000000000000000000000000000").await;
    }

    async fn set(&self, id: &RecordId, expression: &str, value: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let update = self.dynamodb().update_item().table_name(self.at.table);
        let update = update.key("ProjectStep", text(&id.project_step)).key("Mail", text(&id.mail));
        let update = update.update_expression(expression).expression_attribute_values(":value", text(value));
        update.send().await.unwrap();
    }
}
