//! The file operations of a save. Each is a step that an observer is told of before it is done, so that a test can
//! end the process at every one of them.

use std::fmt;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
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
    /// A file that is to be removed is overwritten.
    Overwrite,
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

    /// Creates the directory of the logins, which only its owner may enter. One that is ours already and lets others
    /// in is closed to them, whoever made it so: it holds nothing but logins. The directory above it is the service
    /// manager's or a person's, and stays as it is.
    pub(super) fn create_directory(directory: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let found = std::fs::metadata(directory)?;
        let ours = found.uid() == rustix::process::geteuid().as_raw();
        if ours && found.mode() & 0o077 != 0 {
            // The files in it are private by themselves: without this everything works all the same.
            let _ = std::fs::set_permissions(directory, Permissions::from_mode(0o700));
        }
        Ok(())
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

    /// Removes a file that held a secret: overwritten and synced first, then removed durably. Answers false if it
    /// does not exist.
    pub(super) fn erase(&self, file: &Path) -> Result<bool, Failure> {
        let found = match std::fs::symlink_metadata(file) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(("look at it", error)),
        };
        // What a link leads to is not ours.
        if found.is_file() {
            self.step(Step::Overwrite);
            let mut open = OpenOptions::new().write(true).open(file).map_err(|error| ("overwrite", error))?;
            let blank = vec![b' '; usize::try_from(found.len()).unwrap_or_default()];
            open.write_all(&blank).map_err(|error| ("overwrite", error))?;
            self.step(Step::SyncFile);
            open.sync_all().map_err(|error| ("sync", error))?;
        }
        self.remove(file).map_err(|error| ("remove", error))?;
        self.step(Step::SyncDirectory);
        sync_directory(file.parent().unwrap_or(Path::new("/"))).map_err(|error| ("sync the directory", error))?;
        self.step(Step::Done);
        Ok(true)
    }

    fn step(&self, step: Step) {
        if let Some(observer) = &self.observer {
            observer(step);
        }
    }
}

/// Makes an empty file (or directory, as `found` is one) of this name or, if there is one, of this name and a number;
/// answers its path. Whoever renames what was found over it overwrites nothing else.
pub(super) fn new_name(wanted: &Path, found: &Metadata) -> io::Result<PathBuf> {
    let mut path = wanted.to_owned();
    for number in 2_u32.. {
        let made = match found.is_dir() {
            true => DirBuilder::new().mode(0o700).create(&path),
            false => OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map(drop),
        };
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let mut name = wanted.as_os_str().to_owned();
                name.push(format!("-{number}"));
                path = PathBuf::from(name);
            }
            made => return made.map(|()| path),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Makes the entries of a directory durable.
pub(super) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}
