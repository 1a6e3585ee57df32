//! A saved login is its owner's alone: what others can read is made private, and what cannot be is said once.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Remembers what was said about one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Privacy {
    cannot_be_said: Arc<AtomicBool>,
    looks_only: bool,
}

impl Privacy {
    /// Leaves every file as it is, and says nothing.
    pub(super) fn looking_only() -> Self {
        Self { looks_only: true, ..Self::default() }
    }

    /// Makes the file private if it is not, and answers what a person should hear. A file that the system does not
    /// let us change (it is somebody else's) is used all the same: doing without it would not make it unread.
    pub(super) fn restore(&self, file: &File) -> io::Result<Option<String>> {
        let mode = file.metadata()?.permissions().mode() & 0o777;
        if mode & 0o077 == 0 || self.looks_only {
            return Ok(None);
        }
        let what = format!("the saved login could be read by other users (mode {mode:o})");
        match file.set_permissions(Permissions::from_mode(0o600)) {
            Ok(()) => Ok(Some(format!(
                "{what}; it is private now. If it may have been read, sign in again and revoke the old grant"
            ))),
            Err(_) if self.cannot_be_said.swap(true, Ordering::Relaxed) => Ok(None),
            Err(error) => Ok(Some(format!(
                "{what} and cannot be made private: {error}. Give it to the user that runs mcp-proxy, with mode 600"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_mended_is_and_what_cannot_is_said_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("login");
        std::fs::write(&path, "{}").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let (privacy, file) = (Privacy::default(), File::open(&path).unwrap());
        let said = privacy.restore(&file).unwrap().unwrap();
        assert!(said.contains("mode 640") && said.contains("private now"), "{said}");
        assert_eq!(privacy.restore(&file).unwrap(), None);
        // Nobody may change the mode of this one, root neither.
        let fixed = File::open("/proc/self/status").unwrap();
        let said = privacy.restore(&fixed).unwrap().unwrap();
        assert!(said.contains("mode 444") && said.contains("cannot be made private"), "{said}");
        for another_look in [&privacy, &privacy.clone()] {
            assert_eq!(another_look.restore(&fixed).unwrap(), None);
        }
    }
}
