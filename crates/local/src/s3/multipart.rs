//! Multipart uploads: parts are files of the store until a completion concatenates them into an object.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::{Connection, OptionalExtension};
use s3s::crypto::{Checksum, Md5};

use super::error::{Result, StoreError};
use super::files::{SealedFile, StagedFile, hex};
use super::index::{attributes, attributes_json, require_bucket, time};
use super::notification::EventName;
use super::object::{Attributes, Object};
use super::store::Store;
use super::transaction::{Precondition, StoreTransaction};
use crate::timestamps::unix_millis;

/// The minimum size of every part but the last, as on AWS.
const MIN_PART_SIZE: u64 = 5 * 1024 * 1024;

/// The hex digits at the start of an upload's ID that are its time in Unix milliseconds.
const ID_TIME_DIGITS: usize = 12;

/// The upload that a request names: its ID is valid only together with the bucket and key it was created for.
#[derive(Clone, Copy, Debug)]
pub struct Upload<'a> {
    /// The object's bucket.
    pub bucket: &'a str,
    /// The object's key.
    pub key: &'a str,
    /// The ID that [`Store::create_upload`] returned.
    pub id: &'a str,
}

/// The parameters of a listing of uploads; see
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>.
#[derive(Clone, Copy, Debug)]
pub struct UploadsQuery<'a> {
    /// The bucket.
    pub bucket: &'a str,
    /// Only uploads of keys that start with it.
    pub prefix: &'a str,
    /// Only uploads that sort after this key and ID.
    pub after: (&'a str, &'a str),
    /// The maximum number of uploads.
    pub limit: usize,
}

/// An unfinished upload in a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadEntry {
    /// The object's key.
    pub key: String,
    /// The ID that [`Store::create_upload`] returned.
    pub id: String,
}

impl UploadEntry {
    /// Returns when the upload was started, which its ID begins with.
    #[must_use]
    pub fn initiated(&self) -> Option<SystemTime> {
        let millis = u64::from_str_radix(self.id.get(..ID_TIME_DIGITS)?, 16).ok()?;
        let time = UNIX_EPOCH.checked_add(Duration::from_millis(millis))?;
        // Earlier versions of this program created random IDs.
        (time <= SystemTime::now()).then_some(time)
    }
}

/// A part of an unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// 1 to 10,000.
    pub number: i32,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex MD5 of the bytes, without quotes.
    pub etag: String,
    /// When it was uploaded.
    pub last_modified: SystemTime,
    path: PathBuf,
}

impl Store {
    /// Starts an upload and returns its ID.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be written.
    pub fn create_upload(&self, bucket: &str, key: &str, attributes: &Attributes) -> Result<String> {
        let id = new_upload_id(SystemTime::now());
        self.transaction(|tx| {
            require_bucket(tx, bucket)?;
            tx.execute(
                "INSERT INTO uploads (id, bucket, key, attributes) VALUES (?1, ?2, ?3, ?4)",
                (&id, bucket, key, attributes_json(attributes)?),
            )?;
            Ok(id.clone())
        })
    }

    /// Lists a page of the bucket's unfinished uploads, by key and then in the order in which they were started.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be read.
    pub fn uploads(&self, query: UploadsQuery<'_>) -> Result<Vec<UploadEntry>> {
        self.database.read(|index| {
            require_bucket(index, query.bucket)?;
            let mut statement = index.prepare_cached(
                "SELECT key, id FROM uploads
                 WHERE bucket = ?1 AND substr(key, 1, length(?2)) = ?2 AND (key, id) > (?3, ?4)
                 ORDER BY key, id LIMIT ?5",
            )?;
            let (key, id) = query.after;
            let uploads = statement.query_map((query.bucket, query.prefix, key, id, query.limit), |row| {
                Ok(UploadEntry { key: row.get(0)?, id: row.get(1)? })
            })?;
            Ok(uploads.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Adds a part, replacing an earlier one with the same number.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], or when the index cannot be written.
    pub fn put_part(&self, upload: Upload<'_>, number: i32, content: SealedFile) -> Result<()> {
        self.transaction(|tx| {
            upload_attributes(tx, upload)?;
            let replaced: Option<String> = tx
                .query_row(
                    "DELETE FROM parts WHERE upload = ?1 AND number = ?2 RETURNING file",
                    (upload.id, number),
                    |row| row.get(0),
                )
                .optional()?;
            tx.remove_files(replaced);
            tx.execute(
                "INSERT INTO parts (upload, number, file, size, etag, last_modified) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (upload.id, number, content.name(), content.size, &content.etag, unix_millis(SystemTime::now())),
            )?;
            tx.keep_file(content);
            Ok(())
        })
    }

    /// Returns the parts that were uploaded so far, by number.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], or when the index cannot be read.
    pub fn parts(&self, upload: Upload<'_>) -> Result<Vec<Part>> {
        self.database.read(|index| {
            upload_attributes(index, upload)?;
            let mut statement = index.prepare_cached(
                "SELECT number, size, etag, last_modified, file FROM parts WHERE upload = ?1 ORDER BY number",
            )?;
            let parts = statement.query_map([upload.id], |row| {
                Ok(Part {
                    number: row.get(0)?,
                    size: row.get(1)?,
                    etag: row.get(2)?,
                    last_modified: time(row, 3)?,
                    path: self.dir.join(row.get::<_, String>(4)?),
                })
            })?;
            Ok(parts.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Deletes an upload and its parts.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], or when the index cannot be written.
    pub fn abort_upload(&self, upload: Upload<'_>) -> Result<()> {
        self.transaction(|tx| {
            upload_attributes(tx, upload)?;
            delete_upload(tx, upload)
        })
    }

    /// Creates the object from the parts that the client lists by number and ETag, in that order. As on AWS, this goes
    /// on if the caller gives up, and a second completion of the upload waits for the first.
    ///
    /// # Errors
    /// [`StoreError::NoSuchUpload`], [`StoreError::InvalidPart`], [`StoreError::InvalidPartOrder`],
    /// [`StoreError::PartTooSmall`], [`StoreError::PreconditionFailed`], or when index or files fail.
    pub async fn complete_upload(
        &self,
        upload: Upload<'_>,
        listed: &[(i32, String)],
        precondition: &Precondition,
    ) -> Result<Object> {
        let (store, listed, precondition) = (self.clone(), listed.to_owned(), precondition.clone());
        let (bucket, key, id) = (upload.bucket.to_owned(), upload.key.to_owned(), upload.id.to_owned());
        let completing = tokio::spawn(async move {
            let upload = Upload { bucket: &bucket, key: &key, id: &id };
            let lock = store.completions.lock_of(upload.id);
            let _only = lock.lock().await;
            store.concatenate_parts(upload, &listed, &precondition).await
        });
        completing.await.map_err(io::Error::from)?
    }

    async fn concatenate_parts(
        &self,
        upload: Upload<'_>,
        listed: &[(i32, String)],
        precondition: &Precondition,
    ) -> Result<Object> {
        let parts = select_parts(&self.parts(upload)?, listed)?;
        let etag = etag(&parts);
        let staged = self.stage_part()?;
        let content =
            tokio::task::spawn_blocking(move || concatenate(staged, &parts, etag)).await.map_err(io::Error::from)??;
        self.transaction(|tx| {
            let attributes = upload_attributes(tx, upload)?;
            tx.check(upload.bucket, upload.key, precondition)?;
            delete_upload(tx, upload)?;
            tx.put(upload.bucket, upload.key, content, &attributes, EventName::CompleteMultipartUpload)
        })
    }
}

/// The completions that are running.
#[derive(Clone, Default)]
pub(super) struct Completions(Arc<Mutex<HashMap<String, Weak<tokio::sync::Mutex<()>>>>>);

impl Completions {
    fn lock_of(&self, upload_id: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(upload_id).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::default();
        locks.insert(upload_id.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

/// Returns an ID that sorts by time: the milliseconds and random digits.
fn new_upload_id(now: SystemTime) -> String {
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("{:0width$x}{random}", unix_millis(now), width = ID_TIME_DIGITS)
}

fn upload_attributes(index: &Connection, upload: Upload<'_>) -> Result<Attributes> {
    require_bucket(index, upload.bucket)?;
    index
        .query_row(
            "SELECT attributes FROM uploads WHERE id = ?1 AND bucket = ?2 AND key = ?3",
            (upload.id, upload.bucket, upload.key),
            |row| attributes(row, 0),
        )
        .optional()?
        .ok_or_else(|| StoreError::NoSuchUpload(upload.id.to_owned()))
}

fn delete_upload(tx: &StoreTransaction<'_>, upload: Upload<'_>) -> Result<()> {
    let mut statement = tx.prepare_cached("DELETE FROM parts WHERE upload = ?1 RETURNING file")?;
    let files = statement.query_map([upload.id], |row| row.get(0))?;
    tx.remove_files(files.collect::<rusqlite::Result<Vec<_>>>()?);
    tx.execute("DELETE FROM uploads WHERE id = ?1", [upload.id])?;
    Ok(())
}

/// Finds the listed parts among those uploaded, under the rules of
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>.
fn select_parts(uploaded: &[Part], listed: &[(i32, String)]) -> Result<Vec<Part>> {
    if !listed.is_sorted_by(|(one, _), (next, _)| one < next) {
        return Err(StoreError::InvalidPartOrder);
    }
    let selected: Vec<Part> = listed
        .iter()
        .map(|(number, etag)| {
            uploaded
                .iter()
                .find(|part| part.number == *number && part.etag == *etag)
                .cloned()
                .ok_or(StoreError::InvalidPart(*number))
        })
        .collect::<Result<_>>()?;
    let all_but_last = selected.iter().rev().skip(1);
    match all_but_last.rev().find(|part| part.size < MIN_PART_SIZE) {
        Some(part) => Err(StoreError::PartTooSmall(part.number)),
        None => Ok(selected),
    }
}

/// Returns the MD5 of the parts' MD5s and their number, as AWS does.
fn etag(parts: &[Part]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        // The store wrote these 32 hex digits itself.
        let digest = u128::from_str_radix(&part.etag, 16).unwrap_or_default();
        md5.update(&digest.to_be_bytes());
    }
    format!("{}-{}", hex(md5.finalize()), parts.len())
}

fn concatenate(staged: StagedFile, parts: &[Part], etag: String) -> io::Result<SealedFile> {
    let mut target = File::create(staged.path())?;
    let mut size = 0;
    for part in parts {
        size += if staged.is_sparse { part.size } else { io::copy(&mut File::open(&part.path)?, &mut target)? };
    }
    if staged.is_sparse {
        target.set_len(size)?;
    }
    staged.seal_as(&target, size, etag)
}
