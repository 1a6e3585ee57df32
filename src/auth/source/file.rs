//! A token in a file: a systemd credential, or what another program keeps up to date.

use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::auth::credential::TokenAnswer;
use crate::auth::source::text;
use crate::model::time::Now;

/// No token is longer.
const LONGEST: u64 = 64 * 1024;

/// The file.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read_as: Mutex<Option<Version>>,
}

/// By what a changed file is known, also when it was replaced by one of the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Version(u64, i64, i64, u64);

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self(metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), metadata.size())
    }
}

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, read_as: Mutex::new(None) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read(&self, now: Now) -> Result<TokenAnswer, String> {
        let path = self.path.display();
        let failed = |error: std::io::Error| format!("cannot read the token file {path}: {error}");
        let file = File::open(&self.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let version = Version::of(&metadata);
        let read_before = self.read_as.lock().unwrap_or_else(PoisonError::into_inner).replace(version);
        // Said once, not at every try.
        if metadata.mode() & 0o007 != 0 && read_before != Some(version) {
            tracing::warn!("the token file {path} can be used by every user (mode {:o})", metadata.mode() & 0o777);
        }
        let mut content = Zeroizing::new(String::new());
        file.take(LONGEST).read_to_string(&mut content).map_err(failed)?;
        text::parse(&content, now).map_err(|why| format!("the token file {path} {why}"))
    }

    pub(super) fn has_changed(&self) -> bool {
        let read_as = *self.read_as.lock().unwrap_or_else(PoisonError::into_inner);
        // A file that is gone for a moment, while it is replaced, is no news.
        std::fs::metadata(&self.path).is_ok_and(|metadata| read_as != Some(Version::of(&metadata)))
    }
}
