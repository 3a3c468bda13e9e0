//! What every AWS client shares, and what is signed without one: settings, the HTTPS connector, buckets, forms and
//! links.

mod bucket;
mod client;
mod config;
mod presigned_post;
mod presigned_url;
mod signer;

pub use bucket::Bucket;
pub(crate) use client::never_connected;
pub use config::{AwsConfig, Endpoints};
pub use presigned_post::{PostPolicy, PresignedPost};
pub use presigned_url::PresignedRequest;
pub use signer::Signer;
