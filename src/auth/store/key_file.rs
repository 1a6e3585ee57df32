//! Keys for saved logins as files: made once, never overwritten, and refused when others can read them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::auth::store::disk::sync_directory;
use crate::auth::store::seal::{NotAKey, SealKey};
use crate::model::secret::Secret;

/// No file with a key is longer than this.
const LONGEST: u64 = 4096;

/// Why a file gives no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The system does not let us read it, or it does not exist.
    #[error(
        "cannot read the key file {}: {source}. Make it readable for the user that runs mcp-proxy, or make one with: \
         mcp-proxy key generate {}", path.display(), path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// It is a directory, a pipe or the like.
    #[error("the key file {} is not a regular file. Name the file itself", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Others can read it.
    #[error(
        "the key file {} can be read by other users (mode {mode:o}). Make it private with: chmod 600 {}; if it may have \
         been read, make a new key and change to it with: mcp-proxy key rotate --new-key NEW_FILE",
        path.display(), path.display()
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// There is something else in it.
    #[error("the key file {} is not usable: {source}. Make one with: mcp-proxy key generate NEW_FILE", path.display())]
    NotUsable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: NotAKey,
    },
    /// A new key would take the place of a file.
    #[error("{} exists, and a key is never overwritten: logins may be encrypted with it. Name a new file", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("cannot make the key file {}: {source}. Name a file in a directory that you may write to", path.display())]
    NotMade {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No random bytes.
    #[error("the system gave no random bytes: {0}")]
    Randomness(getrandom::Error),
}

impl SealKey {
    /// Reads a key from a file that nobody else can read.
    ///
    /// # Errors
    /// When there is no key in it, or others can read it.
    pub fn read_file(path: &Path) -> Result<Self, KeyError> {
        read(path, 0o077)
    }

    /// Reads a key that systemd passed. Its permissions are systemd's: it lets the service in by an access list,
    /// which shows as a mode that only seems to let others in.
    ///
    /// # Errors
    /// When there is no key in it.
    pub fn read_credential(path: &Path) -> Result<Self, KeyError> {
        read(path, 0)
    }

    /// Makes a new key in a new file that only its owner can read.
    ///
    /// # Errors
    /// When the file exists, or cannot be made.
    pub fn create_file(path: &Path) -> Result<Self, KeyError> {
        let (key, text) = Self::generate().map_err(KeyError::Randomness)?;
        let not_made = |source| KeyError::NotMade { path: path.to_owned(), source };
        let mut file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(KeyError::Exists { path: path.to_owned() });
            }
            Err(error) => return Err(not_made(error)),
        };
        let written = file
            .write_all(text.expose().as_bytes())
            .and_then(|()| file.write_all(b"\n"))
            .and_then(|()| file.sync_all())
            .and_then(|()| sync_directory(directory_of(path)));
        if let Err(error) = written {
            // It was made a moment ago, and nothing is encrypted with half a key.
            let _ = std::fs::remove_file(path);
            return Err(not_made(error));
        }
        Ok(key)
    }
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn read(path: &Path, forbidden: u32) -> Result<SealKey, KeyError> {
    let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
    // Asked before it is opened: opening a pipe would wait for ever.
    let found = std::fs::metadata(path).map_err(unreadable)?;
    if !found.is_file() {
        return Err(KeyError::NotAFile { path: path.to_owned() });
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & forbidden != 0 {
        return Err(KeyError::Exposed { path: path.to_owned(), mode });
    }
    let not_usable = |source| KeyError::NotUsable { path: path.to_owned(), source };
    let mut text = String::with_capacity(usize::try_from(LONGEST).unwrap_or_default());
    match File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text)) {
        Ok(_) => SealKey::parse(&Secret::new(text)).map_err(not_usable),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(not_usable(NotAKey)),
        Err(error) => Err(unreadable(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = SealKey::create_file(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(SealKey::read_file(&path).unwrap().id(), key.id());
        let error = SealKey::create_file(&path).unwrap_err().to_string();
        assert!(error.contains("never overwritten"), "{error}");
        assert_eq!(SealKey::read_file(&path).unwrap().id(), key.id());
        let error = SealKey::create_file(&directory.path().join("no/key")).unwrap_err();
        assert!(matches!(error, KeyError::NotMade { .. }), "{error}");
    }

    #[test]
    fn d6_a_key_that_others_can_read_is_refused_with_the_remedy() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        let key = SealKey::create_file(&path).unwrap();
        for mode in [0o640, 0o604, 0o620, 0o644] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let error = SealKey::read_file(&path).unwrap_err().to_string();
            assert!(error.contains(&format!("mode {mode:o}")), "{error}");
            assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
            assert_eq!(SealKey::read_credential(&path).unwrap().id(), key.id(), "systemd's permissions are its own");
        }
    }

    #[test]
    fn what_is_no_key_is_named_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        assert!(SealKey::read_file(&path).unwrap_err().to_string().contains("mcp-proxy key generate"));
        assert!(matches!(SealKey::read_file(directory.path()), Err(KeyError::NotAFile { .. })));
        for text in [b"hunter2".as_slice(), b"", &[0xff, 0xfe]] {
            let _ = std::fs::remove_file(&path);
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap().write_all(text).unwrap();
            let error = SealKey::read_file(&path).unwrap_err().to_string();
            assert!(error.contains("32 bytes in base64") && !error.contains("hunter2"), "{error}");
        }
    }
}
