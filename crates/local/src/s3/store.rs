//! Objects as plain files beside an index in SQLite: one commit makes an object's bytes and its row visible together.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use s3s::crypto::{Checksum, Md5};
use serde::{Deserialize, Serialize};
use tempfile::TempPath;

use super::notification::{Cause, Notify};
use crate::database::Database;
use crate::events;

/// The index. Times are Unix milliseconds; `file` is a name in the store's directory, never made from the key.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS buckets (
        name TEXT PRIMARY KEY,
        created_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS objects (
        bucket TEXT NOT NULL REFERENCES buckets (name),
        key TEXT NOT NULL,
        file TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        last_modified INTEGER NOT NULL,
        sequencer TEXT NOT NULL,
        attributes TEXT NOT NULL,
        PRIMARY KEY (bucket, key)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS uploads (
        id TEXT PRIMARY KEY,
        bucket TEXT NOT NULL REFERENCES buckets (name),
        key TEXT NOT NULL,
        attributes TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS parts (
        upload TEXT NOT NULL REFERENCES uploads (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        file TEXT NOT NULL UNIQUE,
        size INTEGER NOT NULL,
        etag TEXT NOT NULL,
        last_modified INTEGER NOT NULL,
        PRIMARY KEY (upload, number)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sequencer (
        id INTEGER PRIMARY KEY CHECK (id = 1),
        last INTEGER NOT NULL
    ) STRICT;
";

/// Why the store refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket was never created.
    #[error("the bucket `{0}` does not exist")]
    NoSuchBucket(String),
    /// The bucket has no object of that key.
    #[error("the key `{0}` does not exist")]
    NoSuchKey(String),
    /// The upload was completed, aborted, or belongs to another key.
    #[error("the upload `{0}` does not exist")]
    NoSuchUpload(String),
    /// A part was never uploaded, or the ETag is another one's.
    #[error("part {0} was not uploaded or has another ETag")]
    InvalidPart(i32),
    /// The parts of a completion must have rising numbers.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part other than the last is below AWS's minimum.
    #[error("part {0} is smaller than 5 MiB and not the last one")]
    PartTooSmall(i32),
    /// `If-Match` or `If-None-Match` does not hold.
    #[error("the object's present state is not the one that the request asks for")]
    PreconditionFailed,
    /// The index cannot be read or written.
    #[error("the object index failed: {0}")]
    Index(#[from] rusqlite::Error),
    /// The object files cannot be read or written.
    #[error("the object files failed: {0}")]
    Files(#[from] io::Error),
}

/// What the store answers.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The headers and user metadata that S3 keeps with an object and answers with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Attributes {
    /// `Content-Type`; S3 answers `binary/octet-stream` for an object without one.
    pub content_type: Option<String>,
    /// `Cache-Control`.
    pub cache_control: Option<String>,
    /// `Content-Disposition`.
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Language`.
    pub content_language: Option<String>,
    /// `x-amz-meta-*`, the names without that prefix and in lower case.
    pub metadata: BTreeMap<String, String>,
}

/// An object as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its bytes. The file never changes; it is unlinked when the object is replaced or deleted, and who has it open
    /// goes on reading the old bytes.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Lower-case hex MD5 of the bytes without quotes; of the parts' MD5s, with `-N`, after a multipart upload.
    pub etag: String,
    /// When it was committed, to the millisecond.
    pub last_modified: SystemTime,
    /// 18 upper-case hex digits that grow with every commit.
    pub sequencer: String,
    /// Headers and user metadata.
    pub attributes: Attributes,
}

/// A file in the store's directory that no object owns yet; deleted when dropped, also by the next start.
#[derive(Debug)]
pub struct Staged {
    path: TempPath,
}

impl Staged {
    /// Where to write. The file exists, is empty and is this caller's own.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the finished file once for its size and MD5; nothing may write to it afterwards.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn seal(self) -> io::Result<Sealed> {
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
            Ok(self.seal_as(size, hex(md5.finalize())))
        })
        .await?
    }

    /// Seals with what the writer counted on the way.
    pub(super) fn seal_as(self, size: u64, etag: String) -> Sealed {
        Sealed { path: self.path, size, etag }
    }
}

/// A finished file, ready for [`Change::put`]; deleted when dropped.
#[derive(Debug)]
pub struct Sealed {
    pub(super) path: TempPath,
    pub(super) size: u64,
    pub(super) etag: String,
}

/// The state of the present object that a write asks for (`If-Match`, `If-None-Match`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Expected {
    /// Any, also none.
    #[default]
    Anything,
    /// There is no object.
    Absent,
    /// There is an object.
    Present,
    /// There is an object with this ETag.
    Etag(String),
}

/// The store: buckets, objects and unfinished uploads in one directory and one database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) dir: Arc<Path>,
    pub(super) database: Database,
    notify: Arc<Notify>,
}

impl Store {
    /// Opens the store whose files are in `dir`, which is created when missing and belongs to the store alone: files
    /// that the index does not know (a crash leaves them) are removed.
    ///
    /// # Errors
    /// When the directory or the index cannot be read or written.
    pub fn open(dir: &Path, database: Database, notify: Notify) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        let known = database.read(known_files)?;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let is_known = entry.file_name().to_str().is_some_and(|name| known.contains(name));
            if !is_known && entry.file_type()?.is_file() {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self { dir: dir.into(), database, notify: Arc::new(notify) })
    }

    /// The region that every bucket is in.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.notify.region
    }

    /// Creates a bucket; one that exists stays as it is.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn create_bucket(&self, name: &str) -> Result<()> {
        self.database.transaction(|tx| {
            tx.execute(
                "INSERT INTO buckets (name, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                (name, millis(SystemTime::now())),
            )?;
            Ok(())
        })
    }

    /// Every bucket with its creation time, by name.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn buckets(&self) -> Result<Vec<(String, SystemTime)>> {
        self.database.read(|index| {
            let mut statement = index.prepare_cached("SELECT name, created_at FROM buckets ORDER BY name")?;
            let buckets = statement.query_map([], |row| Ok((row.get(0)?, time(row, 1)?)))?;
            Ok(buckets.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Answers `Ok` when the bucket exists.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`].
    pub fn require_bucket(&self, bucket: &str) -> Result<()> {
        self.database.read(|index| require_bucket(index, bucket))
    }

    /// Looks an object up.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be read.
    pub fn find(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        self.database.read(|index| {
            require_bucket(index, bucket)?;
            self.object(index, bucket, key)
        })
    }

    /// Looks an object up and opens its file, so that replacing it at the same time cannot come in between.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index or the file cannot be read.
    pub fn read(&self, bucket: &str, key: &str) -> Result<Option<(Object, File)>> {
        // Files are unlinked after the commit that drops their row: under the lock a row's file is still there.
        self.database.read(|index| {
            require_bucket(index, bucket)?;
            let Some(object) = self.object(index, bucket, key)? else {
                return Ok(None);
            };
            let file = File::open(&object.path)?;
            Ok(Some((object, file)))
        })
    }

    /// A new, empty file to write an object's bytes to.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn stage(&self) -> Result<Staged> {
        let path = file_name().tempfile_in(&self.dir)?.into_temp_path();
        Ok(Staged { path })
    }

    /// A second name for the bytes of `object`: files never change, so a copy costs nothing.
    pub(super) fn link(&self, object: &Object) -> io::Result<Sealed> {
        let path = file_name().make_in(&self.dir, |path| std::fs::hard_link(&object.path, path))?.into_temp_path();
        Ok(Sealed { path, size: object.size, etag: object.etag.clone() })
    }

    /// Runs `work` in one transaction of the database: what it puts, deletes and writes becomes visible together, and
    /// files come and go with it.
    ///
    /// # Errors
    /// The error of `work`, or SQLite's own; then nothing has changed.
    pub fn change<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&Change<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let (outcome, added, removed) = self.database.transaction(|tx| {
            let change = Change { store: self, tx, added: RefCell::default(), removed: RefCell::default() };
            let outcome = work(&change)?;
            Ok::<_, E>((outcome, change.added.take(), change.removed.take()))
        })?;
        for path in added {
            // On Unix this only disarms the deletion.
            if let Err(error) = path.keep() {
                tracing::error!(%error, "a committed object file could not be kept");
            }
        }
        for path in removed {
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::warn!(%error, file.path = %path.display(), "a replaced object file stays until the next start");
            }
        }
        Ok(outcome)
    }

    fn object(&self, index: &Connection, bucket: &str, key: &str) -> Result<Option<Object>> {
        let mut statement = index.prepare_cached(
            "SELECT file, size, etag, last_modified, sequencer, attributes FROM objects WHERE bucket = ?1 AND key = ?2",
        )?;
        Ok(statement.query_row((bucket, key), |row| self.object_of(row)).optional()?)
    }

    pub(super) fn object_of(&self, row: &Row<'_>) -> rusqlite::Result<Object> {
        Ok(Object {
            path: self.dir.join(row.get::<_, String>(0)?),
            size: row.get(1)?,
            etag: row.get(2)?,
            last_modified: time(row, 3)?,
            sequencer: row.get(4)?,
            attributes: attributes(row, 5)?,
        })
    }
}

/// A change of the store in progress; it is also the SQLite transaction, for what must be committed with it.
pub struct Change<'a> {
    store: &'a Store,
    tx: &'a Transaction<'a>,
    added: RefCell<Vec<TempPath>>,
    removed: RefCell<Vec<PathBuf>>,
}

impl<'a> Deref for Change<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Self::Target {
        self.tx
    }
}

impl Change<'_> {
    /// Makes `content` the object `key`, in place of any other, and enqueues the event that S3 would send.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be written.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        content: Sealed,
        attributes: &Attributes,
        cause: Cause,
    ) -> Result<Object> {
        require_bucket(self.tx, bucket)?;
        let object = Object {
            path: content.path.to_path_buf(),
            size: content.size,
            etag: content.etag,
            last_modified: SystemTime::now(),
            sequencer: self.next_sequencer()?,
            attributes: attributes.clone(),
        };
        self.forget(bucket, key)?;
        self.tx.execute(
            "INSERT INTO objects (bucket, key, file, size, etag, last_modified, sequencer, attributes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                bucket,
                key,
                name_of(&object.path),
                object.size,
                &object.etag,
                millis(object.last_modified),
                &object.sequencer,
                json(attributes)?,
            ),
        )?;
        self.keep_file(content.path);
        if let Some(event) = self.store.notify.event(bucket, key, &object, cause) {
            events::enqueue(self.tx, &event)?;
        }
        Ok(object)
    }

    /// Looks an object up.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be read.
    pub fn find(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        require_bucket(self.tx, bucket)?;
        self.store.object(self.tx, bucket, key)
    }

    /// Refuses the change unless the object is in the state that the caller expects.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`]; [`StoreError::NoSuchKey`] for an ETag of an object that is not there, as on
    /// AWS.
    pub fn expect(&self, bucket: &str, key: &str, expected: &Expected) -> Result<()> {
        if *expected == Expected::Anything {
            return Ok(());
        }
        let present = self.store.object(self.tx, bucket, key)?;
        match (expected, present) {
            (Expected::Anything, _) | (Expected::Absent, None) | (Expected::Present, Some(_)) => Ok(()),
            (Expected::Etag(etag), Some(object)) if *etag == object.etag => Ok(()),
            (Expected::Etag(_), None) => Err(StoreError::NoSuchKey(key.to_owned())),
            _ => Err(StoreError::PreconditionFailed),
        }
    }

    /// Deletes an object; one that is not there is as good as deleted.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be written.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        require_bucket(self.tx, bucket)?;
        self.forget(bucket, key)
    }

    fn forget(&self, bucket: &str, key: &str) -> Result<()> {
        let file: Option<String> = self
            .tx
            .query_row("DELETE FROM objects WHERE bucket = ?1 AND key = ?2 RETURNING file", (bucket, key), |row| {
                row.get(0)
            })
            .optional()?;
        self.remove_files(file);
        Ok(())
    }

    /// Keeps a file once the change is committed.
    pub(super) fn keep_file(&self, path: TempPath) {
        self.added.borrow_mut().push(path);
    }

    /// Unlinks files of the store once the change is committed.
    pub(super) fn remove_files(&self, names: impl IntoIterator<Item = String>) {
        let paths = names.into_iter().map(|name| self.store.dir.join(name));
        self.removed.borrow_mut().extend(paths);
    }

    /// The clock keeps the numbers growing when the database was deleted, the table when the clock was set back.
    fn next_sequencer(&self) -> rusqlite::Result<String> {
        let next: i64 = self.tx.query_row(
            "INSERT INTO sequencer (id, last) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET last = max(last + 1, excluded.last) RETURNING last",
            [nanos(SystemTime::now())],
            |row| row.get(0),
        )?;
        Ok(format!("{next:018X}"))
    }
}

/// The lower-case hex form of an MD5.
pub(super) fn hex(md5: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(md5))
}

/// Unix milliseconds.
pub(super) fn millis(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
}

fn nanos(time: SystemTime) -> i64 {
    let elapsed = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX)
}

/// A column of Unix milliseconds.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<SystemTime> {
    Ok(UNIX_EPOCH + Duration::from_millis(row.get(column)?))
}

/// A column of JSON.
pub(super) fn attributes(row: &Row<'_>, column: usize) -> rusqlite::Result<Attributes> {
    let text: String = row.get(column)?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into()))
}

/// The other way round.
pub(super) fn json(attributes: &Attributes) -> rusqlite::Result<String> {
    serde_json::to_string(attributes).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

pub(super) fn require_bucket(index: &Connection, bucket: &str) -> Result<()> {
    let exists: bool = index
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM buckets WHERE name = ?1)")?
        .query_row([bucket], |row| row.get(0))?;
    if exists { Ok(()) } else { Err(StoreError::NoSuchBucket(bucket.to_owned())) }
}

/// How files are named: at random, since a key may be longer than a file name and `x` may stand beside `x/y`.
fn file_name() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("").rand_bytes(20);
    builder
}

/// The name of a file of the store, as the index keeps it.
pub(super) fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn known_files(index: &Connection) -> Result<HashSet<String>> {
    let mut statement = index.prepare("SELECT file FROM objects UNION ALL SELECT file FROM parts")?;
    let files = statement.query_map([], |row| row.get(0))?;
    Ok(files.collect::<rusqlite::Result<_>>()?)
}
