//! The four ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;

use super::error::StartError;
use crate::origins::{Origin, refuse_foreign};

/// The listeners of the four services, bound before anything starts: a port that is taken fails the start.
pub(super) struct Listeners {
    pub(super) api: TcpListener,
    pub(super) s3: TcpListener,
    pub(super) dynamodb: TcpListener,
    /// Both transcoders and EventBridge.
    pub(super) transcoder: TcpListener,
}

impl Listeners {
    /// Binds four consecutive ports, or four free ones when the first is 0.
    ///
    /// # Errors
    /// [`StartError::PortTooHigh`], or [`StartError::Port`] for a port that cannot be bound.
    pub(super) async fn bind(first: u16) -> Result<Self, StartError> {
        let port =
            |offset: u16| if first == 0 { Ok(0) } else { first.checked_add(offset).ok_or(StartError::PortTooHigh) };
        let last = port(3)?;
        Ok(Self {
            api: listen(port(0)?, "the API").await?,
            s3: listen(port(1)?, "S3").await?,
            dynamodb: listen(port(2)?, "DynamoDB").await?,
            transcoder: listen(last, "the transcoders").await?,
        })
    }
}

/// Binds a port on loopback: nothing here is made for a network.
///
/// # Errors
/// [`StartError::Port`].
pub(super) async fn listen(port: u16, service: &'static str) -> Result<TcpListener, StartError> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(address).await.map_err(|source| StartError::Port { port, service, source })
}

/// Serves a port's routes until `shutdown`, then lets running requests finish. Foreign web pages may not send any.
///
/// # Errors
/// When the listener fails.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    allowed_origins: Arc<[Origin]>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, refuse_foreign(router, allowed_origins)).with_graceful_shutdown(shutdown).await
}

/// Returns the URL that a listener serves.
pub(super) fn url(listener: &TcpListener) -> String {
    listener.local_addr().map(|address| format!("http://{address}")).unwrap_or_default()
}
