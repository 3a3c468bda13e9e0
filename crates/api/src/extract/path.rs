//! The path's parameters.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use serde::Deserialize;
use video_core::ids::{Project, Step};

use crate::error::Error;

/// The parameters of a path, or why they cannot be read.
pub type PathResult<T> = Result<Path<T>, PathRejection>;

/// Project and step as a path names them.
#[derive(Deserialize)]
pub struct ProjectAndStep {
    project: String,
    step: String,
}

/// Returns project and step of a path.
pub fn project_and_step(path: PathResult<ProjectAndStep>) -> Result<(Project, Step), Error> {
    let ProjectAndStep { project, step } = parameters(path)?;
    Ok((project.parse()?, step.parse()?))
}

/// Returns a path's parameters.
pub fn parameters<T>(path: PathResult<T>) -> Result<T, Error> {
    let Path(parameters) = path.map_err(|_| Error::BadRequest("the path must be percent-encoded UTF-8".to_owned()))?;
    Ok(parameters)
}
