//! A connection between browser and S3 that a test can slow down, hold, cut and restore.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How bytes are forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Open,
    /// At about 1 MB a second.
    Slow,
    /// Not at all, while connections stay open.
    Held,
    /// Not at all: connections are closed and new ones refused.
    Cut,
}

/// Forwards connections to one address.
pub struct Proxy {
    /// Where to connect instead of the target.
    pub url: String,
    target: Arc<OnceLock<String>>,
    wire: watch::Sender<Wire>,
    /// Whether the port is open.
    listening: watch::Receiver<bool>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port; nothing is forwarded before [`Self::forward_to`].
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let target = Arc::new(OnceLock::new());
        let (wire, changes) = watch::channel(Wire::Open);
        let (tell, listening) = watch::channel(true);
        let mut running = JoinSet::new();
        running.spawn(run(listener, target.clone(), changes, tell));
        Self { url, target, wire, listening, _running: running }
    }

    /// Forwards every connection to this URL's host and port.
    pub fn forward_to(&self, url: &str) {
        self.target.set(url.trim_start_matches("http://").to_owned()).unwrap();
    }

    pub async fn cut(&self) {
        self.turn(Wire::Cut).await;
    }

    pub async fn slow(&self) {
        self.turn(Wire::Slow).await;
    }

    pub async fn hold(&self) {
        self.turn(Wire::Held).await;
    }

    pub async fn restore(&self) {
        self.turn(Wire::Open).await;
    }

    async fn turn(&self, wire: Wire) {
        self.wire.send(wire).unwrap();
        self.listening.clone().wait_for(|is_listening| *is_listening == (wire != Wire::Cut)).await.unwrap();
    }
}

async fn run(
    listener: TcpListener,
    target: Arc<OnceLock<String>>,
    mut wire: watch::Receiver<Wire>,
    tell: watch::Sender<bool>,
) {
    let address = listener.local_addr().unwrap();
    let mut listener = Some(listener);
    loop {
        // Connections close when their set is dropped.
        let mut connections = JoinSet::new();
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(address).await.unwrap(),
        };
        tell.send_replace(true);
        let for_connections = wire.clone();
        loop {
            tokio::select! {
                accepted = open.accept() => {
                    let target = target.get().expect("forward_to comes before the first connection").clone();
                    connections.spawn(forward(accepted.unwrap().0, target, for_connections.clone()));
                }
                changed = wire.wait_for(|wire| *wire == Wire::Cut) => match changed {
                    Ok(_) => break,
                    Err(_) => return,
                }
            }
        }
        drop(open);
        connections.shutdown().await;
        tell.send_replace(false);
        if wire.wait_for(|wire| *wire != Wire::Cut).await.is_err() {
            return;
        }
    }
}

async fn forward(client: TcpStream, target: String, wire: watch::Receiver<Wire>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(pump(from_client, to_server, wire.clone()), pump(from_server, to_client, wire));
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut wire: watch::Receiver<Wire>,
) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(state) = wire.wait_for(|wire| *wire != Wire::Held).await.map(|state| *state) else { return };
        if state == Wire::Slow {
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        match from.read(&mut buffer).await {
            Ok(read @ 1..) if to.write_all(&buffer[..read]).await.is_ok() => {}
            _ => break,
        }
    }
    let _ = to.shutdown().await;
}
