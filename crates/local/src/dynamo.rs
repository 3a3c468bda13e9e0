//! DynamoDB on one machine: dynoxide over one SQLite file.

use std::io;
use std::path::{Path, PathBuf};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Why DynamoDB could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum DynamoError {
    /// dynoxide takes the path as text.
    #[error("the path of the DynamoDB file is not valid UTF-8: {0}")]
    Path(String),
    /// The file cannot be opened or is not a database.
    #[error("the DynamoDB file cannot be opened: {0}")]
    Open(#[from] dynoxide::DynoxideError),
    /// The directory of the file cannot be made.
    #[error("the directory of the DynamoDB file cannot be made: {0}")]
    Dir(#[from] io::Error),
    /// The listener failed.
    #[error("DynamoDB stopped: {0}")]
    Serve(String),
    /// The tables cannot be created.
    #[error(transparent)]
    Create(#[from] video_core::Error),
}

/// Makes the directory with the tables that `creating` creates at the listener, unless there is one already.
///
/// dynoxide creates a table in several commits, and a process that is killed between them leaves one that can neither be
/// read nor be created again. So the directory is built aside and appears by a rename: whole, or not at all.
///
/// # Errors
/// When the directory cannot be made, and those of `creating`.
pub async fn create(
    listener: TcpListener,
    dir: &Path,
    creating: impl Future<Output = Result<(), video_core::Error>>,
) -> Result<(), DynamoError> {
    if dir.try_exists()? {
        return Ok(());
    }
    let aside = dir.with_extension("new");
    if aside.try_exists()? {
        std::fs::remove_dir_all(&aside)?;
    }
    std::fs::create_dir_all(&aside)?;
    while_serving(listener, &aside, creating).await??;
    Ok(std::fs::rename(&aside, dir)?)
}

/// Serves the directory until `work` is done, and answers what that answered.
async fn while_serving<T>(listener: TcpListener, dir: &Path, work: impl Future<Output = T>) -> Result<T, DynamoError> {
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

/// Serves the DynamoDB wire protocol over the directory's file until `shutdown`, then lets running requests finish.
/// Requests must carry a signature, but dynoxide does not verify it.
///
/// # Errors
/// When the file cannot be opened or the listener fails.
pub async fn serve(
    listener: TcpListener,
    dir: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), DynamoError> {
    let file = file(dir);
    let path = file.to_str().ok_or_else(|| DynamoError::Path(file.display().to_string()))?;
    let database = dynoxide::Database::new(path)?;
    dynoxide::server::serve_with_shutdown(listener, database, shutdown).await.map_err(DynamoError::Serve)
}

fn file(dir: &Path) -> PathBuf {
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

    /// A listener, and the table as the functions reach it there.
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

    /// Whether the directory's table holds the record.
    async fn is_recorded(dir: &Path) -> bool {
        let (listener, table) = listener_and_table().await;
        let getting = Box::pin(async { table.get(&id()).await });
        while_serving(listener, dir, getting).await.unwrap().unwrap().is_some()
    }

    #[tokio::test]
    async fn records_are_still_there_after_a_restart() {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("dynamodb");
        let (listener, table) = listener_and_table().await;
        create(listener, &dir, Box::pin(table.create())).await.unwrap();
        let key = ObjectKey::from_decoded("project/1/video.webm").unwrap();
        let (listener, table) = listener_and_table().await;
        let asking = Box::pin(async { table.record_form(&id(), &key, SystemTime::now()).await });
        while_serving(listener, &dir, asking).await.unwrap().unwrap();
        let (listener, _) = listener_and_table().await;
        create(listener, &dir, async { panic!("there is a table") }).await.unwrap();
        assert!(is_recorded(&dir).await);
    }

    #[tokio::test]
    async fn tables_whose_creation_was_cut_short_are_created_at_the_next_start() {
        let parent = TempDir::new().unwrap();
        let dir = parent.path().join("dynamodb");
        let (listener, table) = listener_and_table().await;
        let cut_short = Box::pin(async {
            table.create().await?;
            Err(Error::Malformed("cut short".to_owned()))
        });
        assert!(matches!(create(listener, &dir, cut_short).await, Err(DynamoError::Create(_))));
        let (listener, table) = listener_and_table().await;
        let whole = Box::pin(async {
            assert!(table.get(&id()).await.is_err(), "something is left of the first try");
            table.create().await
        });
        create(listener, &dir, whole).await.unwrap();
        assert!(!is_recorded(&dir).await);
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_refused() {
        let dir = TempDir::new().unwrap();
        std::fs::write(file(dir.path()), "this is no database, however long it may be").unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let refused = serve(listener, dir.path(), std::future::pending()).await;
        assert!(matches!(refused, Err(DynamoError::Open(_))));
    }
}
