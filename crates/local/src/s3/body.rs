//! Writing a request's body to a file and verifying the digests that the request declares.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::pin::pin;

use axum::body::Bytes;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt as _};
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::Checksum;
use s3s::{S3Result, TrailingHeaders, s3_error};
use tokio::io::AsyncWriteExt as _;

use super::error::internal_error;
use super::files::{SealedFile, StagedFile, hex};

/// The maximum size of an object in one request, and of a part.
pub(super) const MAX_SIZE: u64 = 5 * 1024 * 1024 * 1024;

/// The digests of a body that its request declares, in headers (or a form's fields) or in trailers after the body.
pub(super) struct DeclaredDigests {
    /// `Content-MD5`.
    pub md5: Option<String>,
    /// `x-amz-checksum-*` from before the body.
    pub checksum: Checksum,
    /// `x-amz-trailer`: the names of the `x-amz-checksum-*` that follow the body.
    pub trailer: Option<HeaderValue>,
    /// Available once the body is read.
    pub trailing_headers: Option<TrailingHeaders>,
}

/// Takes the [`DeclaredDigests`] out of any S3 input that has a body.
macro_rules! declared_digests {
    ($input:ident, $headers:expr, $trailing_headers:expr) => {
        crate::s3::body::DeclaredDigests {
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
pub(super) use declared_digests;

/// Streams the body to the staged file.
///
/// # Errors
/// `BadDigest` and `InvalidDigest`; `EntityTooLarge` and `EntityTooSmall` for a size that is not in `sizes`;
/// `IncompleteBody` when the client disconnects or the body is not the signed one; `InternalError` when the disk fails.
pub(super) async fn receive<E: Display>(
    staged: StagedFile,
    body: impl Stream<Item = Result<Bytes, E>>,
    declared: DeclaredDigests,
    sizes: RangeInclusive<u64>,
) -> S3Result<SealedFile> {
    let mut file = tokio::fs::File::create(staged.path()).await.map_err(internal_error)?;
    let mut md5 = Md5::new();
    let mut hasher = declared.hasher();
    let mut size = 0;
    let mut body = pin!(body);
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| s3_error!(IncompleteBody, "the body is incomplete: {error}"))?;
        size += chunk.len() as u64;
        if size > *sizes.end() {
            return Err(s3_error!(EntityTooLarge, "Your proposed upload exceeds the maximum allowed size"));
        }
        md5.update(&chunk);
        hasher.update(&chunk);
        if !staged.is_sparse {
            file.write_all(&chunk).await.map_err(internal_error)?;
        }
    }
    if size < *sizes.start() {
        return Err(s3_error!(EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size"));
    }
    file.flush().await.map_err(internal_error)?;
    if staged.is_sparse {
        file.set_len(size).await.map_err(internal_error)?;
    }
    let md5 = md5.finalize();
    declared.verify(md5, &hasher.finalize())?;
    let file = file.into_std().await;
    let sealing = tokio::task::spawn_blocking(move || staged.seal_as(&file, size, hex(md5)));
    sealing.await.map_err(internal_error)?.map_err(internal_error)
}

impl DeclaredDigests {
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

    fn verify(self, md5: [u8; 16], computed: &Checksum) -> S3Result<()> {
        if let Some(given) = &self.md5 {
            let given = STANDARD.decode(given).map_err(|_| s3_error!(InvalidDigest, "Content-MD5 is not base64"))?;
            if given != md5 {
                return Err(s3_error!(BadDigest, "Content-MD5 does not match the body"));
            }
        }
        if self.all_checksums() != *computed {
            return Err(s3_error!(BadDigest, "an x-amz-checksum does not match the body"));
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
