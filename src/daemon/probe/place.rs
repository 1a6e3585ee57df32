//! The directory of the state: is there room, and may it be written to?

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfsMountFlags, accessat, statvfs};
use serde::{Deserialize, Serialize};

/// How it stands with the place where logins are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The directory that was looked at: that of the logins, or the nearest one above it that is there.
    pub directory: PathBuf,
    /// Bytes that may still be written.
    pub free: Option<u64>,
    /// Files that may still be made; `None` where the file system sets no limit.
    pub files: Option<u64>,
    /// True if the file system is mounted for reading only.
    pub read_only: bool,
    /// Why nothing can be written.
    pub trouble: Option<String>,
}

impl Disk {
    pub(super) fn look(state_dir: &Path) -> Self {
        let wanted = state_dir.join("logins");
        let found = wanted.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
        let space = statvfs(found).ok();
        let writable = accessat(CWD, found, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS);
        Self {
            directory: found.to_owned(),
            free: space.as_ref().map(|space| space.f_bavail.saturating_mul(space.f_frsize)),
            files: space.as_ref().filter(|space| space.f_files > 0).map(|space| space.f_favail),
            read_only: space.is_some_and(|space| space.f_flag.contains(StatVfsMountFlags::RDONLY)),
            trouble: writable.err().map(|error| io::Error::from(error).to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_directory_that_is_there_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let disk = Disk::look(&directory.path().join("not/yet"));
        assert_eq!(disk.directory, directory.path());
        assert!(disk.free.is_some_and(|free| free > 0) && !disk.read_only, "{disk:?}");
        assert_eq!(disk.trouble, None);
        // Nobody can make a file there, root neither.
        assert!(Disk::look(Path::new("/proc/self/fd")).directory.starts_with("/proc"));
    }
}
