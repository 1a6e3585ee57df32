//! A look at the place of a saved login without reading it: is it there, and is it another one than before?

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Tells one version of a file from another: a save always makes a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified: (i64, i64),
    length: u64,
}

/// What a look shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// There is a file.
    There(Stamp),
    /// There is none, and its directory is there and says so.
    Gone,
    /// There is no telling: the directory is not there, or the system gives no answer.
    Unknown,
}

pub(super) fn of(file: &Path) -> Sight {
    match std::fs::symlink_metadata(file) {
        Ok(found) => Sight::There(Stamp {
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            length: found.len(),
        }),
        // A state directory that is not mounted has no files either, and nobody signed out.
        Err(error) if error.kind() == io::ErrorKind::NotFound && file.parent().is_some_and(Path::is_dir) => Sight::Gone,
        Err(_) => Sight::Unknown,
    }
}
