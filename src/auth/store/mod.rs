//! Saved logins on disk: one file per upstream, site and application, written whole or not at all.
//!
//! A save writes a new file, syncs it, renames it over the old one and syncs the directory, so that after a
//! crash at any point the old or the new login is there, whole. A renewal leaves a mark while it is under way, so
//! that a crash between the server's answer and the disk is known afterwards. Nothing is deleted but by `logout`:
//! what cannot be read is set aside.

mod disk;
mod format;
mod key_file;
mod patience;
mod privacy;
mod seal;
mod sight;
#[cfg(test)]
mod tests;
mod upgrade;

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

pub use self::disk::{Observer, Step};
pub use self::format::NotReadable;
pub use self::key_file::KeyError;
pub use self::patience::Busy;
pub use self::seal::{CannotOpen, NotAKey, SealKey};
pub use self::sight::{Sight, Stamp};
use crate::auth::credential::Credential;
use crate::auth::store::disk::Disk;
use crate::auth::store::privacy::Privacy;
use crate::model::time::Wall;
use crate::model::upstream::UpstreamName;

/// Where one login is saved.
#[derive(Debug, Clone)]
pub struct Store {
    file: PathBuf,
    lock: PathBuf,
    /// Exists while a renewal is under way; holds the serial of the grant that is being renewed.
    mark: PathBuf,
    name: String,
    key: Option<Arc<SealKey>>,
    disk: Disk,
    privacy: Privacy,
}

/// Why the saved login cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The system does not let us read the file.
    #[error("cannot read the saved login {}: {source}. Make it readable for the user that runs mcp-proxy", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not a saved login of a known format.
    #[error("the saved login {} is not usable: {reason}", path.display())]
    NotUsable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: NotReadable,
    },
}

/// A save that did not work; the file that was there is untouched.
#[derive(Debug, thiserror::Error)]
#[error("cannot save the login to {}: {step}: {source}", path.display())]
pub struct SaveError {
    path: PathBuf,
    step: &'static str,
    source: io::Error,
}

/// How a saved login lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// As plain text, in a private file.
    Plain,
    /// Encrypted with the key of this id.
    Sealed {
        /// The key's id.
        key_id: String,
    },
}

/// A saved login that could not be written anew; it is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ResealError {
    /// It cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It cannot be written.
    #[error(transparent)]
    Save(#[from] SaveError),
}

/// The lock that keeps two processes from renewing one grant; released on drop.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock, released by closing")] File);

impl Store {
    /// The place of the login of `upstream` at `site` with the OAuth application `client_name`, below
    /// `state_dir`. Each has a file of its own, so that two instances never overwrite each other's.
    pub fn new(state_dir: &Path, upstream: &UpstreamName, site: &str, client_name: &str) -> Self {
        let name = format!("{upstream}.{}.{}", file_name_of(site), file_name_of(client_name));
        let directory = state_dir.join("logins");
        let beside = |ending: &str| directory.join(format!("{name}.{ending}"));
        let (file, lock, mark) = (beside("json"), beside("lock"), beside("renewing"));
        Self { file, lock, mark, name, key: None, disk: Disk::default(), privacy: Privacy::default() }
    }

    /// The same place, encrypted with `key` from the next save on. What is not encrypted yet is read all the same.
    #[must_use]
    pub fn sealed_with(self, key: Option<Arc<SealKey>>) -> Self {
        Self { key, ..self }
    }

    /// The same place, with an observer that is told of every step of a save.
    #[must_use]
    pub fn observed_by(self, observer: Observer) -> Self {
        Self { disk: Disk::observed(observer), ..self }
    }

    /// The same place, whose file keeps the mode that it has: for those who look and change nothing.
    #[must_use]
    pub fn looking_only(self) -> Self {
        Self { privacy: Privacy::looking_only(), ..self }
    }

    /// The file itself.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Reads the saved login; `None` if there is none. A file that others can read is made private, as far as the
    /// system lets us.
    ///
    /// # Errors
    /// When there is a file, but no usable login in it.
    pub fn load(&self) -> Result<Option<Credential>, LoadError> {
        let unreadable = |source| LoadError::Unreadable { path: self.file.clone(), source };
        let mut file = match File::open(&self.file) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(unreadable(error)),
        };
        if let Some(warning) = self.privacy.restore(&file).map_err(unreadable)? {
            tracing::warn!(file = %self.file.display(), "{warning}");
        }
        let mut text = Zeroizing::new(Vec::new());
        file.read_to_end(&mut text).map_err(unreadable)?;
        let not_usable = |reason| LoadError::NotUsable { path: self.file.clone(), reason };
        format::parse(&text, self.key.as_deref(), &self.name).map(Some).map_err(not_usable)
    }

    /// Saves a login durably, in place of the one before. What cannot be read or opened, and a login for another
    /// configuration, is set aside first.
    ///
    /// # Errors
    /// When any step fails; the old file is then still in place.
    pub fn save(&self, credential: &Credential, now: Wall) -> Result<(), SaveError> {
        let failed = |(step, source)| SaveError { path: self.file.clone(), step, source };
        let directory = self.file.parent().unwrap_or(Path::new("/"));
        Disk::create_directory(directory).map_err(|error| failed(("create the directory", error)))?;
        let replaceable = match self.load() {
            Ok(None) => true,
            Ok(Some(old)) => old.binding.is_for_the_same(&credential.binding),
            Err(LoadError::Unreadable { .. } | LoadError::NotUsable { .. }) => false,
        };
        if !replaceable {
            self.set_aside(now).map_err(|error| failed(("set the old file aside", error)))?;
        }
        self.write(credential)?;
        // The renewal that brought this login, if one did, has arrived.
        self.renewal_ended();
        Ok(())
    }

    fn write(&self, credential: &Credential) -> Result<(), SaveError> {
        let failed = |(step, source)| SaveError { path: self.file.clone(), step, source };
        let text = format::write(credential, self.key.as_deref(), &self.name)
            .map_err(|error| failed(("encrypt", io::Error::other(error.to_string()))))?;
        self.disk.replace(&self.file, &text).map_err(failed)
    }

    /// Writes the saved login anew, as `target` would: the same login, under another key. A mark stays. Answers
    /// false if there is none. Only who holds the lock may do this.
    ///
    /// # Errors
    /// When it cannot be read with this place's key, or not be written; it is then as it was.
    pub fn reseal_as(&self, target: &Self) -> Result<bool, ResealError> {
        let Some(credential) = self.load()? else { return Ok(false) };
        target.write(&credential)?;
        Ok(true)
    }

    /// Removes the saved login for good, and its mark: overwritten, synced, removed, and the directory synced.
    /// Answers false if there was none. Only who holds the lock may do this.
    ///
    /// # Errors
    /// When a step fails; the login may be there still.
    pub fn remove(&self) -> Result<bool, SaveError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |(step, source)| SaveError { path, step, source }
        };
        self.disk.erase(&self.mark).map_err(failed(&self.mark))?;
        self.disk.erase(&self.file).map_err(failed(&self.file))
    }

    /// A look at the file without reading it.
    pub fn look(&self) -> Sight {
        sight::of(&self.file)
    }

    /// Files beside it that hold logins which were set aside.
    pub fn set_aside_before(&self) -> Vec<PathBuf> {
        let ours = format!("{}.json.kept-", self.name);
        let entries = self.file.parent().and_then(|directory| std::fs::read_dir(directory).ok());
        let of_ours = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(&ours))
        };
        let mut kept: Vec<_> = entries.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        kept.retain(of_ours);
        kept.sort_unstable();
        kept
    }

    /// Marks durably that the grant with this serial is about to be renewed.
    ///
    /// # Errors
    /// When the mark cannot be made; a renewal without it is possible, but a crash would not be explained.
    pub fn renewal_begins(&self, serial: u64) -> io::Result<()> {
        self.disk.replace(&self.mark, serial.to_string().as_bytes()).map_err(|(_, error)| error)
    }

    /// The renewal has ended, and nothing of its answer can be lost any more.
    pub fn renewal_ended(&self) {
        // A mark that stays costs one misleading sentence, should the login be refused later.
        let _ = self.disk.remove(&self.mark);
    }

    /// The serial of a grant whose renewal a crash cut off: its answer may be lost.
    pub fn unfinished_renewal(&self) -> Option<u64> {
        std::fs::read_to_string(&self.mark).ok()?.parse().ok()
    }

    /// How the file is protected; `None` if there is none that can be read. Needs no key.
    pub fn protection(&self) -> Option<Protection> {
        let text = Zeroizing::new(std::fs::read(&self.file).ok()?);
        Some(match format::sealing_key(&text) {
            Some(key_id) => Protection::Sealed { key_id },
            None => Protection::Plain,
        })
    }

    /// Moves the file out of the way, beside itself, and answers where it is now. Nothing is ever overwritten by it.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(&self, now: Wall) -> io::Result<PathBuf> {
        let mut name = self.file.clone().into_os_string();
        name.push(format!(".kept-{}", now.unix_seconds()));
        let found = std::fs::symlink_metadata(&self.file)?;
        let kept = disk::new_name(&PathBuf::from(name), &found)?;
        if let Err(error) = std::fs::rename(&self.file, &kept) {
            // It is empty, and was made a moment ago to have the name.
            let _ = if found.is_dir() { std::fs::remove_dir(&kept) } else { std::fs::remove_file(&kept) };
            return Err(error);
        }
        Ok(kept)
    }

    /// Takes the lock if no other process has it.
    ///
    /// # Errors
    /// When the lock file cannot be made. `None` if another process holds the lock.
    pub fn try_lock(&self) -> io::Result<Option<Lock>> {
        Disk::create_directory(self.lock.parent().unwrap_or(Path::new("/")))?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

/// A text as part of a file name: letters, digits, `-` and `_` stay, everything else is percent-encoded.
fn file_name_of(text: &str) -> String {
    const KEEP: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    percent_encoding::utf8_percent_encode(text, KEEP).to_string()
}
