//! The checked values that everything else is named by: one type a file, each parsed once at the edge and trusted
//! afterwards.

mod fingerprint;
mod mail;
mod media_type;
mod object_key;
mod project;
mod sequencer;
mod step;
mod validation_error;

pub(crate) use fingerprint::fingerprint;
pub use mail::Mail;
pub(crate) use mail::{PLACEHOLDER_PREFIX, TOMBSTONE_PREFIX};
pub use media_type::MediaType;
pub use object_key::{KeyError, ObjectKey};
pub use project::Project;
pub use sequencer::Sequencer;
pub use step::{Step, project_step};
pub use validation_error::ValidationError;
