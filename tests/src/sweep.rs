//! The sweep without the wait until an upload is old enough for it.

use aws_sdk_dynamodb::types::AttributeValue;
use video_core::records::RecordId;

use crate::TestSystem;

impl TestSystem {
    /// Makes the upload of a record, and what it is owed, old enough for the sweep.
    pub async fn make_old(&self, id: &RecordId) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let update = self.dynamodb().update_item().table_name(self.at.table);
        let update = update.key("ProjectStep", text(&id.project_step)).key("Mail", text(&id.mail));
        let update = update.update_expression("SET uploadedAt = :old, openSince = :old");
        update.expression_attribute_values(":old", text("2026-01-01T00:00:00Z")).send().await.unwrap();
    }
}
