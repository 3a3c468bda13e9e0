//! The object store: files beside an index in SQLite. One commit makes an object's bytes and its row visible together.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::disk;
use super::error::Result;
use super::files::StagedFile;
use super::index::{self, find_object, known_files};
use super::multipart::Completions;
use super::notification::NotificationConfig;
use super::object::Object;
use super::transaction::StoreTransaction;
use crate::sqlite::Database;
use crate::timestamps::unix_millis;

/// Buckets, objects and multipart uploads in one directory and one database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pub(super) dir: Arc<Path>,
    pub(super) database: Database,
    notifications: Arc<NotificationConfig>,
    discards_parts: bool,
    pub(super) completions: Completions,
}

impl Store {
    /// Opens the store with its files in `dir`. The directory is created if it does not exist and belongs to the store
    /// alone: files that are not in the index, which a crash leaves behind, are removed.
    ///
    /// # Errors
    /// When the directory or the index cannot be read or written.
    pub fn open(dir: &Path, database: Database, notifications: NotificationConfig) -> Result<Self> {
        std::fs::create_dir_all(dir)?;
        if let Some(parent) = dir.parent() {
            disk::sync_dir(parent)?;
        }
        let known = database.read(known_files)?;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let is_known = entry.file_name().to_str().is_some_and(|name| known.contains(name));
            if !is_known && entry.file_type()?.is_file() {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Self {
            dir: dir.into(),
            database,
            notifications: Arc::new(notifications),
            discards_parts: false,
            completions: Completions::default(),
        })
    }

    /// Returns the store with uploads by parts whose bytes are discarded: sizes and ETags are kept, and every byte
    /// reads as zero. So a test can upload more than its disk holds.
    #[must_use]
    pub fn discarding_parts(mut self, discards: bool) -> Self {
        self.discards_parts = discards;
        self
    }

    /// Creates a bucket if it does not exist.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub fn create_bucket(&self, name: &str) -> Result<()> {
        self.database.transaction(|tx| {
            tx.execute(
                "INSERT INTO buckets (name, created_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
                (name, unix_millis(SystemTime::now())),
            )?;
            Ok(())
        })
    }

    /// Returns every bucket with its creation time, by name.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn buckets(&self) -> Result<Vec<(String, SystemTime)>> {
        self.database.read(|index| {
            let mut statement = index.prepare_cached("SELECT name, created_at FROM buckets ORDER BY name")?;
            let buckets = statement.query_map([], |row| Ok((row.get(0)?, index::time(row, 1)?)))?;
            Ok(buckets.collect::<rusqlite::Result<_>>()?)
        })
    }

    /// Returns an error unless the bucket exists.
    ///
    /// # Errors
    /// [`super::StoreError::NoSuchBucket`].
    pub fn require_bucket(&self, bucket: &str) -> Result<()> {
        self.database.read(|index| index::require_bucket(index, bucket))
    }

    /// Looks up an object.
    ///
    /// # Errors
    /// [`super::StoreError::NoSuchBucket`], or when the index cannot be read.
    pub fn find(&self, bucket: &str, key: &str) -> Result<Option<Object>> {
        self.database.read(|index| {
            index::require_bucket(index, bucket)?;
            find_object(index, &self.dir, bucket, key)
        })
    }

    /// Looks up an object and opens its file in one step, so that the object cannot be replaced in between.
    ///
    /// # Errors
    /// [`super::StoreError::NoSuchBucket`], or when the index or the file cannot be read.
    pub fn read(&self, bucket: &str, key: &str) -> Result<Option<(Object, File)>> {
        // Files are unlinked after the commit that drops their row: under the lock a row's file still exists.
        self.database.read(|index| {
            index::require_bucket(index, bucket)?;
            let Some(object) = find_object(index, &self.dir, bucket, key)? else {
                return Ok(None);
            };
            let file = File::open(&object.path)?;
            Ok(Some((object, file)))
        })
    }

    /// Creates an empty file to write an object's bytes to.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub fn stage(&self) -> Result<StagedFile> {
        Ok(StagedFile::create(&self.dir)?)
    }

    /// Creates an empty file for a part, or for an object that consists of parts.
    pub(super) fn stage_part(&self) -> Result<StagedFile> {
        let mut staged = self.stage()?;
        staged.is_sparse = self.discards_parts;
        Ok(staged)
    }

    /// Runs `work` in one transaction of the database: objects, other rows and files change together, also when the
    /// power fails: new files are on the disk before the commit, and replaced ones go after it.
    ///
    /// # Errors
    /// The error of `work`, or SQLite's own; then nothing has changed.
    pub fn transaction<T, E: From<rusqlite::Error>>(
        &self,
        work: impl FnOnce(&StoreTransaction<'_>) -> std::result::Result<T, E>,
    ) -> std::result::Result<T, E> {
        let (outcome, files) = self.database.transaction(|tx| {
            let transaction = StoreTransaction::new(&self.dir, &self.notifications, tx);
            let outcome = work(&transaction)?;
            let files = transaction.file_changes();
            files.sync(&self.dir).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            Ok::<_, E>((outcome, files))
        })?;
        disk::committed(&self.dir);
        files.apply();
        Ok(outcome)
    }
}
