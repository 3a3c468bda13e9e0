//! Finds a canary however it is encoded.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::{MAIL, PASSWORD, WRONG_PASSWORD};

/// Returns the parts of the canaries that no text encoding changes, and their hex and Base64 at every offset.
fn needles() -> Vec<String> {
    ["canarymail7q3x9v", "privacy-canary", PASSWORD, WRONG_PASSWORD].into_iter().flat_map(encodings).collect()
}

fn encodings(canary: &str) -> Vec<String> {
    let hex: String = canary.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut encodings = vec![canary.to_owned(), hex];
    for offset in 0..3 {
        let bytes = [&vec![0; offset][..], canary.as_bytes()].concat();
        let encoded = BASE64_STANDARD.encode(&bytes);
        // The first and the last character also depend on the text around the canary.
        let (first, last) = ((offset * 8).div_ceil(6), bytes.len() * 8 / 6);
        encodings.push(encoded[first..last].to_owned());
    }
    encodings
}

/// Returns the canaries in a text, also in URL-safe Base64. The caller decodes nested Base64.
fn found_in(text: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(text).replace('-', "+").replace('_', "/");
    let lower = text.to_ascii_lowercase();
    let is_in = |needle: &String| {
        let needle = needle.replace('-', "+").replace('_', "/");
        text.contains(&needle) || lower.contains(&needle)
    };
    needles().into_iter().filter(is_in).collect()
}

/// Asserts that a text contains no canary.
pub fn assert_clean(what: &str, text: impl AsRef<[u8]>) {
    let found = found_in(text.as_ref());
    assert!(found.is_empty(), "{what} contains {found:?}: {}", String::from_utf8_lossy(text.as_ref()));
}

#[test]
fn a_canary_is_found_in_every_encoding() {
    let encoded =
        |text: &str| percent_encoding::percent_encode(text.as_bytes(), percent_encoding::NON_ALPHANUMERIC).to_string();
    assert!(!found_in(MAIL.as_bytes()).is_empty());
    assert!(!found_in(MAIL.to_ascii_uppercase().as_bytes()).is_empty());
    assert!(!found_in(encoded(MAIL).as_bytes()).is_empty());
    for before in ["", "a", "ab", "abc", "{\"m\":\""] {
        for after in ["", "\"", "\"}", "??>"] {
            let text = format!("{before}{MAIL}{after}");
            for engine in [&base64::prelude::BASE64_STANDARD, &base64::prelude::BASE64_URL_SAFE_NO_PAD] {
                assert!(!found_in(engine.encode(&text).as_bytes()).is_empty(), "{text}");
            }
        }
    }
    assert!(found_in(b"c5e866594d810c0c3e1f").is_empty());
}
