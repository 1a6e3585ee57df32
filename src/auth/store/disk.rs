//! The file operations of a save. Each is a step that an observer is told of before it is done, so that a test can
//! end the process at every one of them.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

/// A step of a save, about to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A new file is created beside the old one.
    Create,
    /// The first half of the text is written.
    Write,
    /// The second half is.
    WriteRest,
    /// The new file is synced.
    SyncFile,
    /// It is renamed over the old one.
    Rename,
    /// The directory is synced.
    SyncDirectory,
    /// A file is removed.
    Remove,
    /// All is done.
    Done,
}

/// Is told of every step.
pub type Observer = Arc<dyn Fn(Step) + Send + Sync>;

/// Does the steps.
#[derive(Clone, Default)]
pub(super) struct Disk {
    observer: Option<Observer>,
}

impl fmt::Debug for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Disk")
    }
}

/// What failed, and the system's answer.
pub(super) type Failure = (&'static str, io::Error);

impl Disk {
    pub(super) fn observed(observer: Observer) -> Self {
        Self { observer: Some(observer) }
    }

    /// Creates a directory that only its owner may enter; one that exists stays as it is.
    pub(super) fn create_directory(directory: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)
    }

    /// Puts `text` into `target`, whole or not at all, and durably: after a crash at any step the old or the new
    /// text is there.
    pub(super) fn replace(&self, target: &Path, text: &[u8]) -> Result<(), Failure> {
        let directory = target.parent().unwrap_or(Path::new("/"));
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let new = directory.join(format!(".{name}.{}.new", std::process::id()));
        let result = self.write_and_rename(&new, target, text);
        if result.is_err() {
            // A half-written file holds part of a secret and is of no use to anybody.
            let _ = std::fs::remove_file(&new);
        }
        result?;
        self.step(Step::SyncDirectory);
        sync_directory(directory).map_err(|error| ("sync the directory", error))?;
        self.step(Step::Done);
        Ok(())
    }

    fn write_and_rename(&self, new: &Path, target: &Path, text: &[u8]) -> Result<(), Failure> {
        // What an earlier process of the same number left half-written.
        match std::fs::remove_file(new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(("remove a leftover", error)),
            _ => {}
        }
        self.step(Step::Create);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = options.open(new).map_err(|error| ("create a new file", error))?;
        let (first, rest) = text.split_at(text.len() / 2);
        self.step(Step::Write);
        file.write_all(first).map_err(|error| ("write", error))?;
        self.step(Step::WriteRest);
        file.write_all(rest).map_err(|error| ("write", error))?;
        self.step(Step::SyncFile);
        file.sync_all().map_err(|error| ("sync", error))?;
        self.step(Step::Rename);
        std::fs::rename(new, target).map_err(|error| ("rename", error))
    }

    /// Removes a file; it need not exist.
    pub(super) fn remove(&self, file: &Path) -> io::Result<()> {
        self.step(Step::Remove);
        match std::fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn step(&self, step: Step) {
        if let Some(observer) = &self.observer {
            observer(step);
        }
    }
}

/// Makes the entries of a directory durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
