//! Receiving a request's body into a file, with the digests that the request declares checked on the way.

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt as _;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{Checksum, StreamingBlob};
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};
use tokio::io::AsyncWriteExt as _;

use super::store::{Sealed, Staged, hex};

/// The largest object of one request, and the largest part.
const MAX_SIZE: u64 = 5 * 1024 * 1024 * 1024;

/// What a request says of its body, in headers (or a form's fields) or in trailers behind it.
pub(super) struct Declared {
    /// `Content-MD5`.
    pub md5: Option<String>,
    /// `x-amz-checksum-*` that came before the body.
    pub checksum: Checksum,
    /// `x-amz-trailer`: which `x-amz-checksum-*` will come behind it.
    pub trailer: Option<HeaderValue>,
    /// Filled once the body is read.
    pub trailing_headers: Option<TrailingHeaders>,
}

/// Takes what is [`Declared`] out of any S3 input that has a body.
macro_rules! declared {
    ($input:ident, $headers:expr, $trailing_headers:expr) => {
        crate::s3::body::Declared {
            md5: $input.content_md5.take(),
            checksum: s3s::dto::Checksum {
                checksum_crc32: $input.checksum_crc32.take(),
                checksum_crc32c: $input.checksum_crc32c.take(),
                checksum_crc64nvme: $input.checksum_crc64nvme.take(),
                checksum_sha1: $input.checksum_sha1.take(),
                checksum_sha256: $input.checksum_sha256.take(),
                checksum_type: None,
            },
            trailer: $headers.get("x-amz-trailer").cloned(),
            trailing_headers: $trailing_headers,
        }
    };
}
pub(super) use declared;

/// Writes the body to the staged file as it arrives.
///
/// # Errors
/// `BadDigest` and `InvalidDigest`, `EntityTooLarge`, `IncompleteBody` when the client breaks off or the body is not
/// the signed one; `InternalError` when the disk fails.
pub(super) async fn receive(staged: Staged, body: Option<StreamingBlob>, declared: Declared) -> S3Result<Sealed> {
    let mut file = tokio::fs::File::create(staged.path()).await.map_err(S3Error::internal_error)?;
    let mut md5 = Md5::new();
    let mut hasher = declared.hasher();
    let mut size = 0;
    let mut chunks = body.into_iter();
    while let Some(body) = chunks.next().as_mut() {
        while let Some(chunk) = body.next().await {
            let chunk =
                chunk.map_err(|error| s3_error!(IncompleteBody, "the body did not arrive as announced: {error}"))?;
            size += chunk.len() as u64;
            if size > MAX_SIZE {
                return Err(s3_error!(EntityTooLarge));
            }
            md5.update(&chunk);
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(S3Error::internal_error)?;
        }
    }
    file.flush().await.map_err(S3Error::internal_error)?;
    let md5 = md5.finalize();
    declared.check(md5, &hasher.finalize())?;
    Ok(staged.seal_as(size, hex(md5)))
}

impl Declared {
    fn hasher(&self) -> ChecksumHasher {
        let trailer = self.trailer.as_ref().and_then(|names| names.to_str().ok());
        let follows = |name: &str| {
            trailer.is_some_and(|names| names.split(',').any(|given| given.trim().eq_ignore_ascii_case(name)))
        };
        let before = &self.checksum;
        ChecksumHasher {
            crc32: (before.checksum_crc32.is_some() || follows("x-amz-checksum-crc32")).then(Crc32::new),
            crc32c: (before.checksum_crc32c.is_some() || follows("x-amz-checksum-crc32c")).then(Crc32c::new),
            crc64nvme: (before.checksum_crc64nvme.is_some() || follows("x-amz-checksum-crc64nvme"))
                .then(Crc64Nvme::new),
            sha1: (before.checksum_sha1.is_some() || follows("x-amz-checksum-sha1")).then(Sha1::new),
            sha256: (before.checksum_sha256.is_some() || follows("x-amz-checksum-sha256")).then(Sha256::new),
        }
    }

    fn check(self, md5: [u8; 16], computed: &Checksum) -> S3Result<()> {
        if let Some(given) = &self.md5 {
            let given = STANDARD.decode(given).map_err(|_| s3_error!(InvalidDigest, "Content-MD5 is not base64"))?;
            if given != md5 {
                return Err(s3_error!(BadDigest, "Content-MD5 is not that of the body"));
            }
        }
        if self.all_checksums() != *computed {
            return Err(s3_error!(BadDigest, "an x-amz-checksum is not that of the body"));
        }
        Ok(())
    }

    fn all_checksums(self) -> Checksum {
        let trailers = self.trailing_headers.and_then(|trailers| trailers.take()).unwrap_or_default();
        let or_trailer =
            |before: Option<String>, name: &str| before.or_else(|| Some(trailers.get(name)?.to_str().ok()?.to_owned()));
        let before = self.checksum;
        Checksum {
            checksum_crc32: or_trailer(before.checksum_crc32, "x-amz-checksum-crc32"),
            checksum_crc32c: or_trailer(before.checksum_crc32c, "x-amz-checksum-crc32c"),
            checksum_crc64nvme: or_trailer(before.checksum_crc64nvme, "x-amz-checksum-crc64nvme"),
            checksum_sha1: or_trailer(before.checksum_sha1, "x-amz-checksum-sha1"),
            checksum_sha256: or_trailer(before.checksum_sha256, "x-amz-checksum-sha256"),
            checksum_type: None,
        }
    }
}
