//! What the tests of whole flows share: a running system, its clients, and real videos.

mod eventually;
pub mod faults;
pub mod lambda;
mod log;
pub mod media;
pub mod program;
mod sweep;
mod system;
mod variables;

pub use eventually::eventually;
pub use log::Log;
pub use sweep::sweep;
pub use system::{Form, TestSystem};
pub use variables::Variables;
