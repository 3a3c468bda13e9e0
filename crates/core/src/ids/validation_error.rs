//! The one error of all checked values.

/// A part of a request that breaks its rule. The message names the field and the rule, never the value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field} must be {rule}")]
pub struct ValidationError {
    /// The field as the client spells it.
    pub field: &'static str,
    /// What it must be.
    pub rule: &'static str,
}
