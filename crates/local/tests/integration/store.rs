//! An object store with two buckets, and the database that it shares with the queue and the transcoders.

use std::path::Path;

use video_local::s3::{NotificationConfig, Store};
use video_local::sqlite::Database;
use video_local::{event_queue, s3, transcoder};

pub const REGION: &str = "eu-west-1";
pub const MEDIA: &str = "media";
pub const OUTPUT: &str = "output";

/// Opens or creates both in the directory; new objects in `notified_bucket` cause events.
pub fn open_store(dir: &Path, notified_bucket: &str) -> (Database, Store) {
    let [jobs, pipelines] = transcoder::SCHEMAS;
    let schemas = [s3::SCHEMA, event_queue::SCHEMA, jobs, pipelines];
    let database = Database::open(&dir.join("local.sqlite"), &schemas).unwrap();
    let notifications = NotificationConfig { bucket: notified_bucket.to_owned(), region: REGION.to_owned() };
    let store = Store::open(&dir.join("objects"), database.clone(), notifications).unwrap();
    store.create_bucket(MEDIA).unwrap();
    store.create_bucket(OUTPUT).unwrap();
    (database, store)
}

/// Returns the number of the store's files.
pub fn object_files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("objects")).unwrap().count()
}
