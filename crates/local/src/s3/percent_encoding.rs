//! The two ways in which S3 percent-encodes keys.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Left as they are in the path of a URL, and in a listing with `encoding-type=url`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Left as they are in an event; a space becomes `+`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'*');

/// Encodes a key for a URL: `a b+c/d.webm` becomes `a%20b%2Bc/d.webm`.
pub(super) fn encode_path(key: &str) -> String {
    utf8_percent_encode(key, PATH).to_string()
}

/// Encodes a key for an event: `a b+c/d.webm` becomes `a+b%2Bc/d.webm`.
pub(super) fn form_urlencode(key: &str) -> String {
    utf8_percent_encode(key, FORM).to_string().replace("%20", "+")
}
