//! Upload links: who may upload whose video until when, sealed in a token that nobody can read or make.

mod keys;
mod token;

pub use keys::LinkKeys;
pub use token::UploadLink;
