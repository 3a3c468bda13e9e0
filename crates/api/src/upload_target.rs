//! Whose video an upload is.

use video_core::ids::{Mail, MediaType, ObjectKey, Project, Step, project_step};
use video_core::records::RecordId;

/// Whose video an upload is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadTarget {
    pub project: Project,
    pub step: Step,
    pub mail: Mail,
}

impl UploadTarget {
    /// Returns the record of the video.
    pub fn record_id(&self) -> RecordId {
        RecordId { project_step: project_step(&self.project, self.step), mail: self.mail.as_str().to_owned() }
    }

    /// Returns the key that an upload of this media type gets.
    pub fn key(&self, media_type: MediaType) -> ObjectKey {
        ObjectKey::of_upload(&self.project, self.step, &self.mail, media_type)
    }
}
