//! Saved logins on disk: one file per upstream, site and application, written whole or not at all.
//!
//! A save writes a new file, syncs it, renames it over the old one and syncs the directory, so that after a
//! crash at any point the old or the new login is there, whole. Nothing is ever deleted here: what cannot be
//! read is set aside.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::auth::credential::Credential;
use crate::auth::credential_file::{self, NotReadable};
use crate::model::time::Wall;
use crate::model::upstream::UpstreamName;

/// Where one login is saved.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
    file: PathBuf,
    lock: PathBuf,
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

/// The lock that keeps two processes from renewing one grant; released on drop.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "held for its lock, released by closing")] File);

impl Store {
    /// The place of the login of `upstream` at `site` with the OAuth application `client_name`, below
    /// `state_dir`. Each has a file of its own, so that two instances never overwrite each other's.
    pub fn new(state_dir: &Path, upstream: &UpstreamName, site: &str, client_name: &str) -> Self {
        let name = format!("{upstream}.{}.{}", file_name_of(site), file_name_of(client_name));
        let directory = state_dir.join("logins");
        Self { file: directory.join(format!("{name}.json")), lock: directory.join(format!("{name}.lock")), directory }
    }

    /// The file itself.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// Reads the saved login; `None` if there is none. A file that others can read is made private.
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
        let mode = file.metadata().map_err(unreadable)?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(
                file = %self.file.display(),
                "the saved login could be read by other users (mode {:o}); it is private now. If it may have been \
                 read, sign in again and revoke the old grant",
                mode & 0o777
            );
            file.set_permissions(Permissions::from_mode(0o600)).map_err(unreadable)?;
        }
        let mut text = Zeroizing::new(Vec::new());
        io::Read::read_to_end(&mut file, &mut text).map_err(unreadable)?;
        let not_usable = |reason| LoadError::NotUsable { path: self.file.clone(), reason };
        credential_file::parse(&text).map(Some).map_err(not_usable)
    }

    /// Saves a login durably, in place of the one before. What cannot be read, and a login for another
    /// configuration, is set aside first.
    ///
    /// # Errors
    /// When any step fails; the old file is then still in place.
    pub fn save(&self, credential: &Credential, now: Wall) -> Result<(), SaveError> {
        let failed = |step| move |source| SaveError { path: self.file.clone(), step, source };
        self.create_directory().map_err(failed("create the directory"))?;
        let replaceable = match self.load() {
            Ok(None) => true,
            Ok(Some(old)) => old.binding.is_for_the_same(&credential.binding),
            Err(LoadError::Unreadable { .. } | LoadError::NotUsable { .. }) => false,
        };
        if !replaceable {
            self.set_aside(now).map_err(failed("set the old file aside"))?;
        }
        let text = Zeroizing::new(credential_file::write(credential));
        let mut new = tempfile_in(&self.directory, &self.file).map_err(failed("create a new file"))?;
        let written = new.file.write_all(&text).and_then(|()| new.file.sync_all());
        let renamed = written.and_then(|()| std::fs::rename(&new.path, &self.file));
        if let Err(error) = renamed {
            // A half-written file holds part of a secret and is of no use to anybody.
            let _ = std::fs::remove_file(&new.path);
            return Err(failed("write, sync and rename the new file")(error));
        }
        File::open(&self.directory).and_then(|directory| directory.sync_all()).map_err(failed("sync the directory"))
    }

    /// Moves the file out of the way, beside itself, and answers where it is now.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn set_aside(&self, now: Wall) -> io::Result<PathBuf> {
        let mut name = self.file.clone().into_os_string();
        name.push(format!(".kept-{}", now.unix_seconds()));
        let kept = PathBuf::from(name);
        std::fs::rename(&self.file, &kept)?;
        Ok(kept)
    }

    /// Takes the lock if no other process has it.
    ///
    /// # Errors
    /// When the lock file cannot be made. `None` if another process holds the lock.
    pub fn try_lock(&self) -> io::Result<Option<Lock>> {
        self.create_directory()?;
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.lock)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(file))),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn create_directory(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)
    }
}

struct NewFile {
    file: File,
    path: PathBuf,
}

/// A new file beside `target` that nobody else can have opened: its name is of this process, and it must not exist.
fn tempfile_in(directory: &Path, target: &Path) -> io::Result<NewFile> {
    let stem = target.file_name().unwrap_or_default().to_string_lossy();
    let path = directory.join(format!(".{stem}.{}.new", std::process::id()));
    // What an earlier process of the same number left half-written.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    Ok(NewFile { file, path })
}

/// A text as part of a file name: letters, digits, `-` and `_` stay, everything else is percent-encoded.
fn file_name_of(text: &str) -> String {
    const KEEP: &percent_encoding::AsciiSet = &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_');
    percent_encoding::utf8_percent_encode(text, KEEP).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credential::{Binding, Grant};
    use crate::model::secret::Secret;

    const NOW: Wall = Wall::from_unix_seconds(1_800_000_000);

    fn store(directory: &Path) -> Store {
        Store::new(directory, &UpstreamName::parse("alibaba").unwrap(), "CN", "my/app")
    }

    fn credential() -> Credential {
        Credential {
            binding: Binding {
                site: "CN".into(),
                token_endpoint: "https://oauth.example".into(),
                account: Some("12".into()),
                client_id: "40".into(),
                client_name: "my/app".into(),
                scope: "/acs/mcp-server".into(),
            },
            grant: Grant {
                serial: 3,
                access_token: Secret::new("access"),
                refresh_token: Some(Secret::new("refresh")),
                obtained_at: NOW,
                expires_at: Some(NOW.plus(std::time::Duration::from_secs(60))),
                refresh_expires_at: None,
            },
        }
    }

    #[test]
    fn what_is_saved_is_read_back_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        assert!(store.load().unwrap().is_none());
        store.save(&credential(), NOW).unwrap();
        assert_eq!(store.load().unwrap().unwrap(), credential());
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(store.path()), 0o600);
        assert_eq!(mode(store.path().parent().unwrap()), 0o700);
        assert_eq!(store.path().file_name().unwrap(), "alibaba.CN.my%2Fapp.json");
        let files = std::fs::read_dir(store.path().parent().unwrap()).unwrap().count();
        assert_eq!(files, 1, "no temporary file stays");
    }

    #[test]
    fn a_file_that_others_can_read_is_made_private() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        store.save(&credential(), NOW).unwrap();
        std::fs::set_permissions(store.path(), Permissions::from_mode(0o644)).unwrap();
        store.load().unwrap();
        assert_eq!(std::fs::metadata(store.path()).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_corrupt_file_is_named_and_kept_aside_by_the_next_save() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        store.save(&credential(), NOW).unwrap();
        std::fs::write(store.path(), b"{\"format\":").unwrap();
        let error = store.load().unwrap_err();
        assert!(error.to_string().contains("alibaba.CN.my%2Fapp.json"), "{error}");
        store.save(&credential(), NOW).unwrap();
        assert_eq!(store.load().unwrap().unwrap(), credential());
        let kept = store.path().with_extension("json.kept-1800000000");
        assert_eq!(std::fs::read(kept).unwrap(), b"{\"format\":");
    }

    #[test]
    fn a_save_that_fails_says_why_and_leaves_the_old_login() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let file_in_the_way = directory.path().join("logins");
        std::fs::write(&file_in_the_way, b"").unwrap();
        let error = store.save(&credential(), NOW).unwrap_err();
        assert!(error.to_string().contains("create the directory"), "{error}");
    }

    #[test]
    fn the_lock_is_for_one_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let store = store(directory.path());
        let held = store.try_lock().unwrap();
        assert!(held.is_some());
        assert!(store.try_lock().unwrap().is_none());
        drop(held);
        assert!(store.try_lock().unwrap().is_some());
    }
}
