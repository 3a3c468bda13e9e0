//! The local S3: objects, listings, multipart uploads, forms, events and restarts.

mod access;
mod durability;
mod events;
mod form;
mod forms;
mod listing;
mod memory;
mod multipart;
mod objects;
mod payloads;
mod versions;

use std::net::SocketAddr;
use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use video_local::event_queue::{self, DeliveryConfig};
use video_local::s3::{self, Credentials, Store};
use video_local::sqlite::Database;

use crate::eventually::TIMEOUT;
use crate::store::{MEDIA, REGION, open_store};

const ACCESS_KEY: &str = "LOCALACCESSKEY";

const SECRET_KEY: &str = "local-secret-key";

/// A store that is served, in a directory that can be served again.
pub struct Server {
    pub client: Client,
    pub address: SocketAddr,
    pub store: Store,
    pub database: Database,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    pub async fn start(dir: &Path) -> Self {
        Self::start_with(dir, |store| store).await
    }

    pub async fn start_with(dir: &Path, configure: impl FnOnce(Store) -> Store) -> Self {
        let (database, store) = open_store(dir, MEDIA);
        let store = configure(store);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let credentials =
            Credentials { access_key_id: ACCESS_KEY.to_owned(), secret_access_key: SECRET_KEY.to_owned() };
        let router = s3::router(store.clone(), credentials);
        let serving = axum::serve(listener, router).with_graceful_shutdown(async {
            let _ = stopped.await;
        });
        let serving = tokio::spawn(serving.into_future());
        Self { client: client(address, SECRET_KEY), address, store, database, stop, serving }
    }

    pub async fn stop(self) {
        drop(self.client);
        self.stop.send(()).unwrap();
        self.serving.await.unwrap().unwrap();
    }

    pub async fn put(&self, key: &str, body: &[u8]) {
        self.client.put_object().bucket(MEDIA).key(key).body(ByteStream::from(body.to_vec())).send().await.unwrap();
    }

    pub async fn get(&self, key: &str) -> Vec<u8> {
        let object = self.client.get_object().bucket(MEDIA).key(key).send().await;
        object.unwrap().body.collect().await.unwrap().to_vec()
    }

    /// Takes the next `count` events from the queue.
    pub async fn events(&self, count: usize) -> Vec<Value> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel::<()>();
        let delivering = tokio::spawn(event_queue::deliver(
            self.database.clone(),
            move |event| {
                let sender = sender.clone();
                async move { sender.send(event).map_err(|error| error.to_string()) }
            },
            DeliveryConfig { concurrency: 1, ..DeliveryConfig::new("arn".to_owned(), "unused".into()) },
            async {
                let _ = stopped.await;
            },
        ));
        let mut events = Vec::new();
        while events.len() < count {
            let event = tokio::time::timeout(TIMEOUT, receiver.recv());
            events.push(event.await.expect("no event in time").unwrap());
        }
        stop.send(()).unwrap();
        delivering.await.unwrap().unwrap();
        events
    }

    pub fn queued(&self) -> u64 {
        let count = self.database.read(|queue| queue.query_row("SELECT count(*) FROM events", [], |row| row.get(0)));
        count.unwrap()
    }
}

fn client(address: SocketAddr, secret: &str) -> Client {
    sdk_client(address, ACCESS_KEY, secret)
}

fn sdk_client(address: SocketAddr, access_key: &str, secret: &str) -> Client {
    let credentials = aws_credential_types::Credentials::new(access_key, secret, None, None, "test");
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(format!("http://{address}"))
        .force_path_style(true)
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    Client::from_conf(config)
}

/// Returns the HTTP status and the code of an error.
fn status_and_code<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    result: Result<T, SdkError<E>>,
) -> (u16, String) {
    let error = result.expect_err("an error");
    let status = error.raw_response().map(|response| response.status().as_u16());
    (status.unwrap_or_default(), error.code().unwrap_or_default().to_owned())
}
