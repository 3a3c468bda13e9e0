//! The percent-encoding sets: which characters stay as they are in which place.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC};

/// A query's names and values in a SigV4 signature: everything but the unreserved characters of RFC 3986 is encoded.
pub(crate) const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An object key in a URL's path: as [`QUERY`], but `/` stays.
pub(crate) const PATH: &AsciiSet = &QUERY.remove(b'/');

/// A job's user metadata. Elastic Transcoder takes letters, digits, spaces and `_.:/=+-%@`; see
/// <https://docs.aws.amazon.com/elastictranscoder/latest/developerguide/create-job.html>.
pub(crate) const METADATA: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b':').remove(b'/').remove(b'=').remove(b'-').remove(b'@');
