//! Upload links: who may upload whose video until when, sealed in a token that nobody can read or make.

mod keys;
mod token;

pub use keys::LinkKeys;
pub use token::UploadLink;

use crate::error::Error;

/// The video of a link was erased, or is being erased.
pub const VIDEO_DELETED: Error = Error::Gone("the video of this upload link was deleted");
