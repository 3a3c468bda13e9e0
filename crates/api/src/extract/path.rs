//! The path's parameters.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use video_core::ids::{Project, Step};

use crate::error::Error;

/// Returns project and step of a path.
pub fn project_and_step(path: Result<Path<(String, String)>, PathRejection>) -> Result<(Project, Step), Error> {
    let Path((project, step)) =
        path.map_err(|_| Error::BadRequest("the path must be percent-encoded UTF-8".to_owned()))?;
    Ok((project.parse()?, step.parse()?))
}
