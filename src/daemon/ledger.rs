//! People and keys on disk: who signed in, and the client keys. One private file in the state directory, written whole or
//! not at all, under a lock.
//!
//! Of a key there is its digest alone. A file that cannot be read is never written over: nobody has a key then, and
//! nobody signed in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::model::client::ClientName;
use crate::model::secret::Secret;
use crate::model::time::Wall;
use crate::model::upstream::UpstreamName;
use crate::policy::keys::{self, ClientKey, KeyRing};
use crate::policy::register::Register;

/// The format of the file.
const FORMAT: u32 = 1;
/// How many keys there can be. Each request with a key is compared with all of them.
const MOST_KEYS: usize = 1000;

/// How often a held lock is tried again, and for how long.
const STEP: Duration = Duration::from_millis(20);
const TRIES: u32 = 500;
/// What a link leads to is not ours (open(2), `O_NOFOLLOW`).
const NO_LINK: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// Where it is.
#[derive(Debug, Clone)]
pub struct Ledger {
    file: PathBuf,
    lock: PathBuf,
}

/// Why people and keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The system refuses.
    #[error("{}: cannot {step}: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What was tried.
        step: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{}: {reason}. It is left as it is; to begin anew, remove it, make new client keys and sign in again",
        path.display()
    )]
    NotReadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No more keys.
    #[error("there are {MOST_KEYS} client keys already; remove some with: mcp-proxy client remove")]
    Full,
    /// No randomness.
    #[error("the system gave no random bytes: {0}")]
    Randomness(String),
}

/// The file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    format: u32,
    /// The user who signed in, by upstream.
    #[serde(default)]
    signed_in: BTreeMap<String, u32>,
    #[serde(default)]
    keys: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    client: String,
    /// SHA-256 of the key, base64url.
    digest: String,
    created: i64,
    last_used: Option<i64>,
}

impl Default for Content {
    fn default() -> Self {
        Self { format: FORMAT, signed_in: BTreeMap::new(), keys: Vec::new() }
    }
}

impl Entry {
    fn of(client: &ClientName, key: &Secret, now: Wall) -> Self {
        Self {
            client: client.to_string(),
            digest: URL_SAFE_NO_PAD.encode(keys::digest(key.expose())),
            created: now.unix_seconds(),
            last_used: None,
        }
    }
}

/// A key that nobody has yet.
fn fresh() -> Result<Secret, LedgerError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| LedgerError::Randomness(error.to_string()))?;
    Ok(Secret::new(format!("{}{}", keys::PREFIX, URL_SAFE_NO_PAD.encode(bytes))))
}

impl Ledger {
    /// That of this state directory.
    pub fn new(state_dir: &Path) -> Self {
        Self { file: state_dir.join("access.json"), lock: state_dir.join("access.lock") }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.file
    }

    /// What stands in it.
    ///
    /// # Errors
    /// When it cannot be read; that there is none is no error.
    pub fn read(&self) -> Result<Register, LedgerError> {
        let content = self.content()?;
        let signed_in = content.signed_in.values().copied().collect();
        let keys = content.keys.iter().map(|entry| self.key(entry).map(Arc::new)).collect::<Result<_, _>>()?;
        Ok(Register { own: rustix::process::geteuid().as_raw(), signed_in, keys: KeyRing::new(keys) })
    }

    /// Makes a key for a client; the answer is the only copy of it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub fn add(&self, client: &ClientName, now: Wall) -> Result<Secret, LedgerError> {
        let key = fresh()?;
        let entry = Entry::of(client, &key, now);
        self.change(|content| {
            if content.keys.len() >= MOST_KEYS {
                return Err(LedgerError::Full);
            }
            content.keys.push(entry);
            Ok(())
        })?;
        Ok(key)
    }

    /// Removes the keys of a client, or the one with this fingerprint; answers how many there were.
    ///
    /// # Errors
    /// When they are kept.
    pub fn remove(&self, client: &ClientName, fingerprint: Option<&str>) -> Result<usize, LedgerError> {
        self.change(|content| {
            let before = content.keys.len();
            let mut left = Vec::with_capacity(before);
            for entry in content.keys.drain(..) {
                let key = self.key(&entry)?;
                if key.client != *client || fingerprint.is_some_and(|wanted| key.fingerprint() != wanted) {
                    left.push(entry);
                }
            }
            content.keys = left;
            Ok(before - content.keys.len())
        })
    }

    /// Removes all keys, and makes one for each client that had any; the answer is the only copy of them.
    ///
    /// # Errors
    /// When that cannot be kept; then the old keys are still good.
    pub fn replace_all(&self, now: Wall) -> Result<Vec<(ClientName, Secret)>, LedgerError> {
        self.change(|content| {
            let had = content.keys.iter().map(|entry| self.key(entry).map(|key| key.client));
            let clients = had.collect::<Result<BTreeSet<_>, _>>()?;
            let made: Vec<_> = clients.into_iter().map(|client| Ok((client, fresh()?))).collect::<Result<_, _>>()?;
            content.keys = made.iter().map(|(client, key)| Entry::of(client, key, now)).collect();
            Ok(made)
        })
    }

    /// Notes who signed in to an upstream; `None`: nobody beside root and the daemon's own user, or nobody knows who.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn signed_in(&self, upstream: &UpstreamName, user: Option<u32>) -> Result<(), LedgerError> {
        if user.is_none() && !self.file.exists() {
            return Ok(());
        }
        self.change(|content| {
            match user {
                Some(uid) => content.signed_in.insert(upstream.to_string(), uid),
                None => content.signed_in.remove(upstream.as_str()),
            };
            Ok(())
        })
    }

    /// Notes when keys were used last.
    ///
    /// # Errors
    /// When it cannot be noted.
    pub fn note_uses(&self, ring: &KeyRing) -> Result<(), LedgerError> {
        self.change(|content| {
            for entry in &mut content.keys {
                let used = ring.keys().iter().find(|key| URL_SAFE_NO_PAD.encode(key.digest) == entry.digest);
                let used = used.and_then(|key| key.last_used()).map(Wall::unix_seconds);
                entry.last_used = entry.last_used.max(used);
            }
            Ok(())
        })
    }

    fn key(&self, entry: &Entry) -> Result<ClientKey, LedgerError> {
        let bad = || self.bad("one of its keys is not what it should be");
        let digest = URL_SAFE_NO_PAD.decode(&entry.digest).map_err(|_| bad())?.try_into().map_err(|_| bad())?;
        let client = ClientName::parse(&entry.client).ok_or_else(bad)?;
        let at = Wall::from_unix_seconds;
        Ok(ClientKey::new(client, digest, at(entry.created), entry.last_used.map(at)))
    }

    fn content(&self) -> Result<Content, LedgerError> {
        let mut text = Vec::new();
        let opened = OpenOptions::new().read(true).custom_flags(NO_LINK).open(&self.file);
        match opened.and_then(|mut file| file.read_to_end(&mut text)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
            Err(source) => return Err(self.disk("read it", source)),
        }
        let content: Content = serde_json::from_slice(&text).map_err(|error| self.bad(&error.to_string()))?;
        match content.format {
            FORMAT => Ok(content),
            other => Err(self.bad(&format!("it has the format {other}, of a newer mcp-proxy"))),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Content) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        let directory = self.file.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|e| self.disk("make its directory", e))?;
        let _lock = self.locked(directory)?;
        let before = self.content()?;
        let mut content = before.clone();
        let result = change(&mut content)?;
        if content != before {
            self.write(directory, &content)?;
        }
        Ok(result)
    }

    /// The lock, which nobody holds for longer than a write takes.
    fn locked(&self, directory: &Path) -> Result<File, LedgerError> {
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.lock);
        let lock = match made {
            Ok(lock) => {
                give(&lock, directory);
                Ok(lock)
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).custom_flags(NO_LINK).open(&self.lock)
            }
            Err(error) => Err(error),
        };
        let lock = lock.map_err(|error| self.disk("open its lock", error))?;
        for _ in 0..TRIES {
            match lock.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) => std::thread::sleep(STEP),
                Err(TryLockError::Error(error)) => return Err(self.disk("lock it", error)),
            }
        }
        Err(self.disk("lock it", io::ErrorKind::TimedOut.into()))
    }

    /// Another file takes the place of the old one. Root may do this in a directory that is somebody else's, so nothing
    /// that stands there already is opened, least of all a link.
    fn write(&self, directory: &Path, content: &Content) -> Result<(), LedgerError> {
        let text = serde_json::to_vec_pretty(content).map_err(|error| self.bad(&error.to_string()))?;
        // Under the lock there is only one.
        let new = self.file.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.disk("remove a leftover", error)),
            _ => {}
        }
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
            file.write_all(&text)?;
            give(&file, directory);
            file.sync_all()?;
            fs::rename(&new, &self.file)?;
            File::open(directory)?.sync_all()
        });
        written.map_err(|error| self.disk("write it", error))
    }

    fn disk(&self, step: &'static str, source: io::Error) -> LedgerError {
        LedgerError::Disk { path: self.file.clone(), step, source }
    }

    fn bad(&self, reason: &str) -> LedgerError {
        LedgerError::NotReadable { path: self.file.clone(), reason: reason.to_owned() }
    }
}

/// Gives a file to the owner of its directory: what root makes there is for the daemon to read.
fn give(file: &File, directory: &Path) {
    if let Ok(owner) = fs::metadata(directory)
        && rustix::process::geteuid().is_root()
        && owner.uid() != 0
    {
        // If it cannot be given, the daemon says that it cannot read it.
        let _ = fchown(file, Some(owner.uid()), Some(owner.gid()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (tempfile::TempDir, Ledger) {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(&directory.path().join("state"));
        (directory, ledger)
    }

    fn name(text: &str) -> ClientName {
        ClientName::parse(text).unwrap()
    }

    #[test]
    fn a_key_is_good_until_it_is_removed_and_stands_nowhere_on_disk() {
        let (_directory, ledger) = ledger();
        let now = Wall::from_unix_seconds(100);
        let [first, second, other] = ["dify", "dify", "cursor"].map(|client| ledger.add(&name(client), now).unwrap());
        assert_eq!(first.expose().len(), keys::PREFIX.len() + 43);
        let client_of = |key: &Secret| {
            let ring = ledger.read().unwrap().keys;
            ring.find(key.expose()).map(|key| key.client.to_string())
        };
        assert_eq!((client_of(&first), client_of(&other)), (Some("dify".into()), Some("cursor".into())));
        let text = fs::read_to_string(ledger.path()).unwrap();
        assert!(!text.contains("mcpk_") && !text.contains(&first.expose()[keys::PREFIX.len()..]), "{text}");
        assert_eq!(fs::metadata(ledger.path()).unwrap().mode() & 0o777, 0o600);
        let fingerprint = ledger.read().unwrap().keys.find(first.expose()).unwrap().fingerprint();
        assert_eq!(ledger.remove(&name("cursor"), Some(&fingerprint)).unwrap(), 0, "it is another client's");
        assert_eq!(ledger.remove(&name("dify"), Some(&fingerprint)).unwrap(), 1);
        assert_eq!((client_of(&first), client_of(&second)), (None, Some("dify".into())));
        assert_eq!(ledger.remove(&name("dify"), None).unwrap(), 1);
        assert_eq!((client_of(&second), client_of(&other)), (None, Some("cursor".into())));
    }

    #[test]
    fn who_signed_in_is_kept_by_upstream() {
        let (_directory, ledger) = ledger();
        let [a, b] = ["a", "b"].map(|name| UpstreamName::parse(name).unwrap());
        ledger.signed_in(&a, None).unwrap();
        assert!(!ledger.path().exists(), "nothing to say");
        ledger.signed_in(&a, Some(1000)).unwrap();
        ledger.signed_in(&b, Some(1001)).unwrap();
        ledger.signed_in(&a, Some(1002)).unwrap();
        assert_eq!(ledger.read().unwrap().signed_in, [1002, 1001]);
        ledger.signed_in(&a, None).unwrap();
        assert_eq!(ledger.read().unwrap().signed_in, [1001]);
    }

    #[test]
    fn uses_are_noted_and_never_taken_back() {
        let (_directory, ledger) = ledger();
        let key = ledger.add(&name("dify"), Wall::from_unix_seconds(100)).unwrap();
        let used = |at: i64| {
            let ring = ledger.read().unwrap().keys;
            ring.find(key.expose()).unwrap().used(Wall::from_unix_seconds(at));
            ledger.note_uses(&ring).unwrap();
            ledger.read().unwrap().keys.keys()[0].last_used().map(Wall::unix_seconds)
        };
        assert_eq!(used(7300), Some(7200));
        assert_eq!(used(10), Some(7200));
    }

    #[test]
    fn links_are_not_followed() {
        let (directory, ledger) = ledger();
        let victim = directory.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        ledger.add(&name("dify"), Wall::from_unix_seconds(1)).unwrap();
        let link = |path: &Path| {
            let _ = fs::remove_file(path);
            std::os::unix::fs::symlink(&victim, path).unwrap();
        };
        link(&ledger.file.with_extension("new"));
        ledger.add(&name("dify"), Wall::from_unix_seconds(1)).unwrap();
        link(&ledger.lock);
        assert!(ledger.add(&name("dify"), Wall::from_unix_seconds(1)).is_err());
        link(&ledger.file);
        assert!(matches!(ledger.read(), Err(LedgerError::Disk { .. })));
        assert_eq!(fs::read_to_string(victim).unwrap(), "untouched");
    }

    #[test]
    fn what_cannot_be_read_is_not_written_over() {
        let (_directory, ledger) = ledger();
        ledger.add(&name("dify"), Wall::from_unix_seconds(1)).unwrap();
        for text in [
            "",
            "[]",
            "{\"format\":2}",
            "{\"format\":1,\"keys\":[{\"client\":\"A b\",\"digest\":\"\",\"created\":1,\"last_used\":null}]}",
        ] {
            fs::write(ledger.path(), text).unwrap();
            assert!(matches!(ledger.read(), Err(LedgerError::NotReadable { .. })), "{text}");
            assert!(ledger.remove(&name("dify"), None).is_err(), "{text}");
            assert_eq!(fs::read_to_string(ledger.path()).unwrap(), text);
        }
    }
}
