//! The steps whose order decides what survives a power cut. Each is traced once it is done, which shows the order.

use std::fs::File;
use std::io;
use std::path::Path;

/// Waits until a file's bytes are on the disk.
pub(super) fn sync_file(file: &File, path: &Path) -> io::Result<()> {
    file.sync_all()?;
    tracing::trace!(path = %path.display(), "file synced");
    Ok(())
}

/// Waits until a directory's names are on the disk.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()?;
    tracing::trace!(path = %dir.display(), "directory synced");
    Ok(())
}

/// Deletes a file.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)?;
    tracing::trace!(path = %path.display(), "file removed");
    Ok(())
}

/// Notes that a transaction was committed, of a database that syncs every commit.
pub(super) fn committed(dir: &Path) {
    tracing::trace!(path = %dir.display(), "committed");
}
