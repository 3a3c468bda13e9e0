//! Conditional requests: `If-Match` and its relatives, on reads, copies and writes.

use s3s::dto::{ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use super::error::StoreError;
use super::object::Object;
use super::transaction::Precondition;
use crate::timestamps::truncate_to_seconds;

/// The conditions of a read, with the precedence of RFC 9110, section 13.2.2.
pub(super) struct ReadConditions<'a> {
    pub(super) matches: Option<&'a ETagCondition>,
    pub(super) none_matches: Option<&'a ETagCondition>,
    pub(super) modified_since: Option<&'a Timestamp>,
    pub(super) unmodified_since: Option<&'a Timestamp>,
}

/// Takes the [`ReadConditions`] of a `GetObject` or a `HeadObject`.
macro_rules! read_conditions {
    ($input:ident) => {
        crate::s3::conditions::ReadConditions {
            matches: $input.if_match.as_ref(),
            none_matches: $input.if_none_match.as_ref(),
            modified_since: $input.if_modified_since.as_ref(),
            unmodified_since: $input.if_unmodified_since.as_ref(),
        }
    };
}
pub(super) use read_conditions;

/// Takes the [`ReadConditions`] of the source of a `CopyObject` or an `UploadPartCopy`.
macro_rules! copy_source_conditions {
    ($input:ident) => {
        crate::s3::conditions::ReadConditions {
            matches: $input.copy_source_if_match.as_ref(),
            none_matches: $input.copy_source_if_none_match.as_ref(),
            modified_since: $input.copy_source_if_modified_since.as_ref(),
            unmodified_since: $input.copy_source_if_unmodified_since.as_ref(),
        }
    };
}
pub(super) use copy_source_conditions;

impl ReadConditions<'_> {
    /// Returns an error unless the object may be read.
    ///
    /// # Errors
    /// `PreconditionFailed` or `NotModified`.
    pub(super) fn check(&self, object: &Object) -> S3Result<()> {
        let matches = |condition: &ETagCondition| match condition {
            ETagCondition::Any => true,
            ETagCondition::ETag(etag) => etag.value() == object.etag,
        };
        // HTTP dates have no fractions: a date that we sent must not count as older than the object.
        let last_modified = Timestamp::from(truncate_to_seconds(object.last_modified));
        let is_expected = match (self.matches, self.unmodified_since) {
            (Some(condition), _) => matches(condition),
            (None, Some(time)) => last_modified <= *time,
            (None, None) => true,
        };
        if !is_expected {
            return Err(StoreError::PreconditionFailed.into());
        }
        let is_unchanged = match (self.none_matches, self.modified_since) {
            (Some(condition), _) => matches(condition),
            (None, Some(time)) => last_modified <= *time,
            (None, None) => false,
        };
        if is_unchanged { Err(s3_error!(NotModified)) } else { Ok(()) }
    }

    /// Returns an error unless the object may be copied: a copy has no `NotModified`, so every condition that does not
    /// hold is a failed precondition.
    pub(super) fn check_copy_source(&self, source: &Object) -> Result<(), StoreError> {
        self.check(source).map_err(|_| StoreError::PreconditionFailed)
    }
}

/// Returns the precondition of a write. S3 supports only `If-None-Match: *`, not with an ETag.
pub(super) fn write_precondition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> Precondition {
    match (if_match, if_none_match) {
        (Some(ETagCondition::ETag(etag)), _) => Precondition::Etag(etag.value().to_owned()),
        (Some(ETagCondition::Any), _) => Precondition::Exists,
        (None, Some(_)) => Precondition::NotExists,
        (None, None) => Precondition::None,
    }
}
