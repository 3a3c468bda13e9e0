//! One transaction of the store: objects, their files and their events become visible together, or not at all.

use std::cell::RefCell;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rusqlite::{OptionalExtension, Transaction};
use tempfile::TempPath;

use super::disk;
use super::error::{Result, StoreError};
use super::files::SealedFile;
use super::index::{attributes_json, find_object, require_bucket};
use super::notification::{EventName, NotificationConfig};
use super::object::{Attributes, Object};
use crate::event_queue;
use crate::timestamps::{unix_millis, unix_nanos};

/// The state of the existing object that a write requires (`If-Match`, `If-None-Match`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Precondition {
    /// No requirement.
    #[default]
    None,
    /// There is no object.
    NotExists,
    /// There is an object.
    Exists,
    /// There is an object with this ETag.
    Etag(String),
}

/// A transaction of the store. It dereferences to the SQLite transaction, for rows that must be committed with it.
pub struct StoreTransaction<'a> {
    dir: &'a Path,
    notifications: &'a NotificationConfig,
    tx: &'a Transaction<'a>,
    added: RefCell<Vec<TempPath>>,
    removed: RefCell<Vec<PathBuf>>,
}

impl<'a> Deref for StoreTransaction<'a> {
    type Target = Transaction<'a>;

    fn deref(&self) -> &Self::Target {
        self.tx
    }
}

impl<'a> StoreTransaction<'a> {
    pub(super) fn new(dir: &'a Path, notifications: &'a NotificationConfig, tx: &'a Transaction<'a>) -> Self {
        Self { dir, notifications, tx, added: RefCell::default(), removed: RefCell::default() }
    }

    /// Returns what is left to do with files once the SQLite transaction has committed.
    pub(super) fn file_changes(self) -> FileChanges {
        FileChanges { added: self.added.take(), removed: self.removed.take() }
    }

    /// Makes `content` the object `key`, replacing any other, and enqueues the event that S3 would send.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be written.
    pub fn put(
        &self,
        bucket: &str,
        key: &str,
        content: SealedFile,
        attributes: &Attributes,
        event_name: EventName,
    ) -> Result<Object> {
        require_bucket(self.tx, bucket)?;
        self.delete_row(bucket, key)?;
        let object = Object {
            path: content.path.to_path_buf(),
            size: content.size,
            etag: content.etag.clone(),
            last_modified: SystemTime::now(),
            sequencer: self.next_sequencer()?,
            attributes: attributes.clone(),
        };
        self.tx.execute(
            "INSERT INTO objects (bucket, key, file, size, etag, last_modified, sequencer, attributes)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (
                bucket,
                key,
                content.name(),
                object.size,
                &object.etag,
                unix_millis(object.last_modified),
                &object.sequencer,
                attributes_json(attributes)?,
            ),
        )?;
        self.keep_file(content);
        if let Some(event) = self.notifications.event(bucket, key, &object, event_name) {
            event_queue::enqueue(self.tx, &event)?;
        }
        Ok(object)
    }

    /// Looks up an object.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be read.
    pub fn find(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        require_bucket(self.tx, bucket)?;
        find_object(self.tx, self.dir, bucket, key)
    }

    /// Returns an error unless the precondition holds.
    ///
    /// # Errors
    /// [`StoreError::PreconditionFailed`]; [`StoreError::NoSuchKey`] when an ETag is required of an object that does
    /// not exist, as on AWS.
    pub fn check(&self, bucket: &str, key: &str, precondition: &Precondition) -> Result<()> {
        if *precondition == Precondition::None {
            return Ok(());
        }
        match (precondition, find_object(self.tx, self.dir, bucket, key)?) {
            (Precondition::None, _) | (Precondition::NotExists, None) | (Precondition::Exists, Some(_)) => Ok(()),
            (Precondition::Etag(etag), Some(object)) if *etag == object.etag => Ok(()),
            (Precondition::Etag(_), None) => Err(StoreError::NoSuchKey(key.to_owned())),
            _ => Err(StoreError::PreconditionFailed),
        }
    }

    /// Deletes an object if it exists.
    ///
    /// # Errors
    /// [`StoreError::NoSuchBucket`], or when the index cannot be written.
    pub fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        require_bucket(self.tx, bucket)?;
        self.delete_row(bucket, key)
    }

    fn delete_row(&self, bucket: &str, key: &str) -> Result<()> {
        let file: Option<String> = self
            .tx
            .query_row("DELETE FROM objects WHERE bucket = ?1 AND key = ?2 RETURNING file", (bucket, key), |row| {
                row.get(0)
            })
            .optional()?;
        self.remove_files(file);
        Ok(())
    }

    /// Copies `object` without copying its bytes.
    pub(super) fn link(&self, object: &Object) -> io::Result<SealedFile> {
        SealedFile::link(self.dir, object)
    }

    /// Keeps a file once the transaction is committed.
    pub(super) fn keep_file(&self, file: SealedFile) {
        self.added.borrow_mut().push(file.path);
    }

    /// Unlinks files of the store once the transaction is committed.
    pub(super) fn remove_files(&self, names: impl IntoIterator<Item = String>) {
        let paths = names.into_iter().map(|name| self.dir.join(name));
        self.removed.borrow_mut().extend(paths);
    }

    /// Returns the next sequencer. The clock keeps it growing when the database was deleted, the table when the clock
    /// was set back.
    fn next_sequencer(&self) -> rusqlite::Result<String> {
        let next: i64 = self.tx.query_row(
            "INSERT INTO sequencer (id, last) VALUES (1, ?1)
             ON CONFLICT (id) DO UPDATE SET last = max(last + 1, excluded.last) RETURNING last",
            [unix_nanos(SystemTime::now())],
            |row| row.get(0),
        )?;
        Ok(format!("{next:018X}"))
    }
}

/// The files that come and go with a committed transaction. Dropped without a commit, new files are deleted and
/// replaced ones stay.
pub(super) struct FileChanges {
    added: Vec<TempPath>,
    removed: Vec<PathBuf>,
}

impl FileChanges {
    /// Writes the names of new files to the disk; their bytes are there since they were sealed.
    pub(super) fn sync(&self, dir: &Path) -> io::Result<()> {
        if self.added.is_empty() { Ok(()) } else { disk::sync_dir(dir) }
    }

    /// Keeps the new files and unlinks the replaced ones.
    pub(super) fn apply(self) {
        for path in self.added {
            // On Unix this only disarms the deletion.
            if let Err(error) = path.keep() {
                tracing::error!(%error, "failed to keep a committed object file");
            }
        }
        for path in self.removed {
            if let Err(error) = disk::remove(&path) {
                tracing::warn!(
                    %error,
                    file.path = %path.display(),
                    "failed to delete a replaced object file; the next start deletes it"
                );
            }
        }
    }
}
