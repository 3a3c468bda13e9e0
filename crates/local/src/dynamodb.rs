//! DynamoDB on one machine: dynoxide over one SQLite file.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::uri::PathAndQuery;
use axum::response::{IntoResponse, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Why DynamoDB could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DynamoDbError {
    /// The path is not UTF-8, which dynoxide requires.
    #[error("the path of the DynamoDB file is not valid UTF-8: {0}")]
    Path(String),
    /// The file cannot be opened or is not a database.
    #[error("the DynamoDB file cannot be opened: {0}")]
    Open(#[from] dynoxide::DynoxideError),
    /// The directory of the file cannot be created.
    #[error("the directory of the DynamoDB file cannot be created: {0}")]
    Dir(#[from] io::Error),
    /// The listener failed.
    #[error("DynamoDB stopped: {0}")]
    Serve(String),
    /// The tables cannot be created.
    #[error(transparent)]
    Create(#[from] video_core::Error),
}

/// Creates the directory, with the tables that `create_tables` creates through the listener; one that exists is brought
/// up to date by `update_tables`.
///
/// dynoxide creates a table in several commits, and a process that is killed between them leaves a table that can
/// neither be read nor be created again. So the directory is filled under another name and then renamed.
///
/// # Errors
/// When the directory cannot be created, and those of `create_tables` and `update_tables`.
pub async fn prepare(
    listener: TcpListener,
    dir: &Path,
    create_tables: impl Future<Output = Result<(), video_core::Error>>,
    update_tables: impl Future<Output = Result<(), video_core::Error>>,
) -> Result<(), DynamoDbError> {
    if dir.try_exists()? {
        return Ok(while_serving(listener, dir, update_tables).await??);
    }
    let new = dir.with_extension("new");
    if new.try_exists()? {
        std::fs::remove_dir_all(&new)?;
    }
    std::fs::create_dir_all(&new)?;
    while_serving(listener, &new, create_tables).await??;
    Ok(std::fs::rename(&new, dir)?)
}

/// Serves the directory while `work` runs, and returns its output.
async fn while_serving<T>(
    listener: TcpListener,
    dir: &Path,
    work: impl Future<Output = T>,
) -> Result<T, DynamoDbError> {
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = serve(listener, dir, async { _ = stopped.await });
    let working = async {
        let outcome = work.await;
        drop(stop);
        outcome
    };
    let (served, outcome) = tokio::join!(serving, working);
    served.map(|()| outcome)
}

/// Serves the DynamoDB API over the directory's file until `shutdown`, then lets running requests finish. dynoxide
/// requires signatures but does not verify them.
///
/// # Errors
/// When the file cannot be opened or the listener fails.
pub async fn serve(
    listener: TcpListener,
    dir: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DynamoDbError> {
    let file = tables_file(dir);
    let path = file.to_str().ok_or_else(|| DynamoDbError::Path(file.display().to_string()))?;
    let database = dynoxide::Database::new(path)?;
    dynoxide::server::serve_with_shutdown(listener, database, shutdown).await.map_err(DynamoDbError::Serve)
}

/// Returns routes that pass every request on to the DynamoDB at `endpoint`: dynoxide's own port answers any web page,
/// so it is a random one that nobody is told.
pub fn relay(endpoint: &str) -> Router {
    let client = Client::builder(TokioExecutor::new()).build_http();
    Router::new().fallback(pass_on).with_state(Relay { client, endpoint: endpoint.into() })
}

#[derive(Clone)]
struct Relay {
    client: Client<HttpConnector, Body>,
    endpoint: Arc<str>,
}

async fn pass_on(State(relay): State<Relay>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let Ok(uri) = format!("{}{path}", relay.endpoint).parse() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    match relay.client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::error!(%error, "DynamoDB did not answer");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

fn tables_file(dir: &Path) -> PathBuf {
    dir.join("tables.sqlite")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::SystemTime;

    use tempfile::TempDir;
    use video_core::Error;
    use video_core::aws::AwsConfig;
    use video_core::ids::ObjectKey;
    use video_core::records::{RecordId, Table};

    use super::*;

    /// Returns a listener and a client of the table behind it.
    async fn listener_and_table() -> (TcpListener, Table) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let lookup = |name: &str| match name {
            "AWS_ENDPOINT_URL_DYNAMODB" => Some(endpoint.clone()),
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY" => Some("local".to_owned()),
            _ => None,
        };
        (listener, Table::new(&AwsConfig::from_env(&lookup).unwrap().sdk_config(), "responses"))
    }

    fn id() -> RecordId {
        RecordId { project_step: "project-1".to_owned(), mail: "a@b".to_owned() }
    }

    /// Returns whether the directory's table has the record.
    async fn has_record(dir: &Path) -> bool {
        let (listener, table) = listener_and_table().await;
        let getting = Box::pin(async { table.get(&id()).await });
        while_serving(listener, dir, getting).await.unwrap().unwrap().is_some()
    }

    /// What must not be asked for.
    fn never() -> impl Future<Output = Result<(), Error>> {
        std::future::poll_fn(|_| panic!("a directory is either created or updated"))
    }

    #[tokio::test]
    async fn records_are_still_there_after_a_restart() {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("dynamodb");
        let (listener, table) = listener_and_table().await;
        prepare(listener, &dir, Box::pin(table.create()), never()).await.unwrap();
        let key = ObjectKey::from_decoded("project/1/video.webm").unwrap();
        let (listener, table) = listener_and_table().await;
        let requesting = Box::pin(async { table.record_form(&id(), &key, SystemTime::now()).await });
        while_serving(listener, &dir, requesting).await.unwrap().unwrap();
        let (listener, table) = listener_and_table().await;
        let updated = Box::pin(async { table.create().await });
        prepare(listener, &dir, never(), updated).await.unwrap();
        assert!(has_record(&dir).await);
    }

    #[tokio::test]
    async fn tables_whose_creation_was_interrupted_are_created_at_the_next_start() {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("dynamodb");
        let (listener, table) = listener_and_table().await;
        let interrupted = Box::pin(async {
            table.create().await?;
            Err(Error::Malformed("interrupted".to_owned()))
        });
        assert!(matches!(prepare(listener, &dir, interrupted, never()).await, Err(DynamoDbError::Create(_))));
        let (listener, table) = listener_and_table().await;
        let complete = Box::pin(async {
            assert!(table.get(&id()).await.is_err(), "the first attempt left something behind");
            table.create().await
        });
        prepare(listener, &dir, complete, never()).await.unwrap();
        assert!(!has_record(&dir).await);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let dir = TempDir::new().unwrap();
        std::fs::write(tables_file(dir.path()), "this is no database, however long it may be").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let refused = serve(listener, dir.path(), std::future::pending()).await;
        assert!(matches!(refused, Err(DynamoDbError::Open(_))));
    }
}
