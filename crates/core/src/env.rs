//! Environment variables, read once at the start and checked there.
//!
//! Every reader takes a lookup closure instead of the process environment, so that tests need no global state.

use std::fmt::Display;
use std::str::FromStr;

/// Looks up one variable; `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a start is refused. The message names the variable and the rule, never a secret's value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ConfigError {
    /// A variable that has no default is not set, or is empty.
    #[error("Failed to find required {0} environment variable")]
    Missing(&'static str),
    /// A variable breaks its rule.
    #[error("Failed to read {name} environment variable: it must be {rule}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What it must be.
        rule: String,
    },
}

/// Reads a variable of this process.
#[must_use]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Refuses a start outside Lambda, where no events would ever arrive.
///
/// # Errors
/// [`ConfigError::Missing`] names the variable that Lambda sets.
pub fn require_lambda(lookup: Lookup) -> Result<(), ConfigError> {
    optional(lookup, "AWS_LAMBDA_RUNTIME_API").map(|_| ()).ok_or(ConfigError::Missing(
        "AWS_LAMBDA_RUNTIME_API (this program runs in AWS Lambda; video-local runs on one machine)",
    ))
}

/// Reads a variable; an empty one counts as not set, since a SAM parameter cannot be left out.
pub(crate) fn optional(lookup: Lookup, name: &str) -> Option<String> {
    lookup(name).filter(|value| !value.is_empty())
}

/// Reads a variable that has no default.
pub(crate) fn required(lookup: Lookup, name: &'static str) -> Result<String, ConfigError> {
    optional(lookup, name).ok_or(ConfigError::Missing(name))
}

/// Reads a whole number within `min..=max`.
pub(crate) fn number(
    lookup: Lookup,
    name: &'static str,
    default: u64,
    (min, max): (u64, u64),
) -> Result<u64, ConfigError> {
    let Some(value) = optional(lookup, name) else {
        return Ok(default);
    };
    u64::from_str(&value)
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| invalid(name, format_args!("a whole number from {min} to {max}")))
}

/// Reads a switch, off where it is not set.
pub(crate) fn flag(lookup: Lookup, name: &'static str) -> Result<bool, ConfigError> {
    match optional(lookup, name).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(invalid(name, "true or false")),
    }
}

/// Returns the error of a variable that breaks its rule.
pub(crate) fn invalid(name: &'static str, rule: impl Display) -> ConfigError {
    ConfigError::Invalid { name, rule: rule.to_string() }
}
