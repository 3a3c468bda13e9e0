//! A short hash that stands for a list of texts.

use blake2::digest::consts::U16;
use blake2::{Blake2b, Digest};

/// Returns 128 bits in hex that are the same for the same parts. Each part is hashed with its length, so that `["ab",
/// ""]` and `["a", "b"]` differ.
pub(crate) fn fingerprint(parts: &[&str]) -> String {
    let mut hasher = Blake2b::<U16>::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part.as_bytes());
    }
    format!("{:x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_keeps_its_parts_apart() {
        assert_ne!(fingerprint(&["ab", ""]), fingerprint(&["a", "b"]));
    }

    /// Tokens of jobs are fingerprints: a deployment must find those that the one before it created.
    #[test]
    fn a_fingerprint_is_the_same_in_every_version() {
        assert_eq!(fingerprint(&["Alba-0", "é", ""]), "35f7071f0b02a8fe6ac37f0f888ff1d4");
    }
}
