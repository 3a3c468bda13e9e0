//! What the tests of whole flows share: a running system, its clients, and real videos.

pub mod events;
mod eventually;
pub mod faults;
mod form;
mod functions;
pub mod gateway;
pub mod lambda;
mod log;
pub mod media;
pub mod multipart;
pub mod program;
pub mod secrets_manager;
mod sweep;
mod system;
mod variables;

pub use events::sweep;
pub use eventually::eventually;
pub use form::Form;
pub use functions::Functions;
pub use log::Log;
pub use system::TestSystem;
pub use variables::Variables;
