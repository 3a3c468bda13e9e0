//! DynamoDB on one machine: dynoxide over one SQLite file.

use std::path::Path;

use tokio::net::TcpListener;

/// Why DynamoDB could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DynamoError {
    /// dynoxide takes the path as text.
    #[error("the path of the DynamoDB file is not valid UTF-8: {0}")]
    Path(String),
    /// The file cannot be opened or is not a database.
    #[error("the DynamoDB file cannot be opened: {0}")]
    Open(#[from] dynoxide::DynoxideError),
    /// The listener failed.
    #[error("DynamoDB stopped: {0}")]
    Serve(String),
}

/// Serves the DynamoDB wire protocol over the file until `shutdown`, then lets running requests finish. Requests
/// must carry a signature, but dynoxide does not verify it.
///
/// # Errors
/// When the file cannot be opened or the listener fails.
pub async fn serve(
    listener: TcpListener,
    file: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DynamoError> {
    let path = file.to_str().ok_or_else(|| DynamoError::Path(file.display().to_string()))?;
    let database = dynoxide::Database::new(path)?;
    dynoxide::server::serve_with_shutdown(listener, database, shutdown).await.map_err(DynamoError::Serve)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
    };
    use aws_sdk_dynamodb::{Client, Config};
    use tempfile::TempDir;
    use tokio::sync::oneshot;

    use super::*;

    /// Serves the file while `work` uses it.
    async fn while_serving<T>(file: &Path, work: impl AsyncFnOnce(Client) -> T) -> T {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(format!("http://{}", listener.local_addr().unwrap()))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = serve(listener, file, async {
            let _ = stopped.await;
        });
        let working = async {
            let outcome = work(Client::from_conf(config)).await;
            stop.send(()).unwrap();
            outcome
        };
        let (served, outcome) = tokio::join!(serving, working);
        served.unwrap();
        outcome
    }

    #[tokio::test]
    async fn items_are_still_there_after_a_restart() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("dynamodb.sqlite");
        while_serving(&file, async |client| {
            let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash);
            let id = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
            let create = client.create_table().table_name("things").billing_mode(BillingMode::PayPerRequest);
            let create = create.key_schema(key.build().unwrap()).attribute_definitions(id.build().unwrap());
            create.send().await.unwrap();
            let put = client.put_item().table_name("things");
            put.item("id", AttributeValue::S("x".to_owned())).send().await.unwrap();
        })
        .await;
        let found = while_serving(&file, async |client| {
            let get = client.get_item().table_name("things");
            get.key("id", AttributeValue::S("x".to_owned())).send().await.unwrap()
        })
        .await;
        assert!(found.item().is_some());
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let dir = TempDir::new().unwrap();
        let file = dir.path().join("dynamodb.sqlite");
        std::fs::write(&file, "this is no database, however long it may be").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = serve(listener, &file, std::future::pending()).await;
        assert!(matches!(refused, Err(DynamoError::Open(_))));
    }
}
