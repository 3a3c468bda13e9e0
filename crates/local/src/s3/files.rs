//! Files that are being written and that no object owns yet.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use s3s::crypto::{Checksum, Md5};
use tempfile::TempPath;

use super::disk;
use super::object::Object;

/// A file in the store's directory that no object owns yet; deleted when dropped, or at the next start.
#[derive(Debug)]
pub struct StagedFile {
    path: TempPath,
    /// Only the file's size is kept, and every byte of it reads as zero.
    pub(super) is_sparse: bool,
}

impl StagedFile {
    /// Creates an empty file.
    pub(super) fn create(dir: &Path) -> io::Result<Self> {
        Ok(Self { path: random_name().tempfile_in(dir)?.into_temp_path(), is_sparse: false })
    }

    /// Returns the path to write to. The file exists, is empty and belongs to this caller alone.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the finished file for its size and MD5; nothing may write to it afterwards.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn seal(self) -> io::Result<SealedFile> {
        tokio::task::spawn_blocking(move || {
            let mut file = File::open(&self.path)?;
            let mut md5 = Md5::new();
            let mut size = 0;
            let mut buffer = vec![0; 256 * 1024];
            loop {
                let read = file.read(&mut buffer)?;
                let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                    break;
                };
                md5.update(bytes);
                size += bytes.len() as u64;
            }
            self.seal_as(&file, size, hex(md5.finalize()))
        })
        .await?
    }

    /// Seals the file, which is open as `file`, with the size and ETag that its writer computed. Blocks until its bytes
    /// are on the disk.
    pub(super) fn seal_as(self, file: &File, size: u64, etag: String) -> io::Result<SealedFile> {
        disk::sync_file(file, &self.path)?;
        Ok(SealedFile { path: self.path, size, etag })
    }
}

/// A finished file, ready to become an object or a part; deleted when dropped.
#[derive(Debug)]
pub struct SealedFile {
    pub(super) path: TempPath,
    pub(super) size: u64,
    pub(super) etag: String,
}

impl SealedFile {
    /// Hard-links the bytes of `object`: files never change, so a copy costs nothing.
    pub(super) fn link(dir: &Path, object: &Object) -> io::Result<Self> {
        let path = random_name().make_in(dir, |path| std::fs::hard_link(&object.path, path))?.into_temp_path();
        Ok(Self { path, size: object.size, etag: object.etag.clone() })
    }

    /// Returns the file's name in the store's directory, as the index stores it.
    pub(super) fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }
}

/// Formats an MD5 in lower-case hex.
pub(super) fn hex(md5: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(md5))
}

/// File names are random: a key may be longer than a file name, and both `x` and `x/y` may exist.
fn random_name() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("").rand_bytes(20);
    builder
}
