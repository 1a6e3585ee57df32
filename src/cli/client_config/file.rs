//! An application's own file: read, replaced whole or not at all, with what was there before kept beside it.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// No configuration is longer, in bytes.
const LONGEST: u64 = 16 * 1024 * 1024;
/// How many backups are kept beside it.
const MOST_BACKUPS: usize = 100;
/// The mode of a new file: it may hold a key, now or later.
const PRIVATE: u32 = 0o600;

/// Why a file is left alone.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// It is of a kind that is not written.
    #[error("{} is left alone: {why}", path.display())]
    LeftAlone {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The system refuses.
    #[error("cannot {what} {}: {source}", path.display())]
    Disk {
        /// What could not be done.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// A file as it was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Where it is, after all symbolic links.
    path: PathBuf,
    /// What it holds; nothing if it is not there.
    pub(super) text: String,
    /// Mode, owner and group, if it is there.
    owner: Option<(u32, u32, u32)>,
}

impl Found {
    /// Reads the file at `path`, or finds that there is none.
    ///
    /// # Errors
    /// When it is none that can be replaced: no file, too long, no text, or in somebody else's directory.
    pub(super) fn at(path: &Path) -> Result<Self, FileError> {
        let absolute = std::path::absolute(path).map_err(disk("find", path))?;
        let real = match fs::canonicalize(&absolute) {
            Ok(real) => real,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if fs::symlink_metadata(&absolute).is_ok() {
                    return Err(left_alone(&absolute, "it is a symbolic link that leads nowhere"));
                }
                in_own_directory(&absolute)?;
                return Ok(Self { path: absolute, text: String::new(), owner: None });
            }
            Err(error) => return Err(disk("find", &absolute)(error)),
        };
        in_own_directory(&real)?;
        let mut file = File::open(&real).map_err(disk("read", &real))?;
        let about = file.metadata().map_err(disk("read", &real))?;
        if !about.is_file() {
            return Err(left_alone(&real, "it is no file"));
        }
        if about.len() > LONGEST {
            return Err(left_alone(&real, "it is longer than any configuration"));
        }
        let mut text = String::new();
        file.read_to_string(&mut text).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => left_alone(&real, "it is no text in UTF-8"),
            _ => disk("read", &real)(error),
        })?;
        Ok(Self { path: real, text, owner: Some((about.mode() & 0o7777, about.uid(), about.gid())) })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts `text` in its place; `has_key` closes it to others. Answers where the old text is kept, if there was one.
    ///
    /// # Errors
    /// When that does not work; then all is as it was.
    pub(super) fn replace(&self, text: &str, has_key: bool) -> Result<Option<PathBuf>, FileError> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
        made.map_err(disk("make the directory", directory))?;
        let (mode, uid, gid) = match self.owner {
            Some((mode, uid, gid)) => (if has_key { mode & PRIVATE } else { mode }, uid, gid),
            None => (PRIVATE, rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
        };
        let backup = match self.owner {
            Some((old, ..)) => Some(self.back_up(old & if has_key { PRIVATE } else { 0o777 }, uid, gid)?),
            None => None,
        };
        let new = self.beside(&format!("new-{}", std::process::id()));
        let replaced = written(&new, text, mode, uid, gid).and_then(|()| {
            // Whoever wrote to it meanwhile would lose that.
            if Self::at(&self.path)?.text != self.text {
                return Err(left_alone(&self.path, "it was changed at the same time. Run this again"));
            }
            fs::rename(&new, &self.path).map_err(disk("replace", &self.path))
        });
        if let Err(error) = replaced {
            let _ = fs::remove_file(&new);
            if let Some(backup) = &backup {
                let _ = fs::remove_file(backup);
            }
            return Err(error);
        }
        // It is there in any case; a power failure now could bring back the old one.
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
        Ok(backup)
    }

    fn back_up(&self, mode: u32, uid: u32, gid: u32) -> Result<PathBuf, FileError> {
        for number in 1..=MOST_BACKUPS {
            let backup = self.beside(&format!("bak{}", if number == 1 { String::new() } else { number.to_string() }));
            match written(&backup, &self.text, mode, uid, gid) {
                Err(FileError::Disk { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                done => return done.map(|()| backup),
            }
        }
        Err(left_alone(&self.path, "there are too many backups beside it"))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path.with_file_name(format!("{name}.{ending}"))
    }
}

/// A new file with that mode and owner from its beginning on: nobody else ever opens it.
fn written(path: &Path, text: &str, mode: u32, uid: u32, gid: u32) -> Result<(), FileError> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path).map_err(disk("make", path))?;
    let done = (|| {
        file.write_all(text.as_bytes()).map_err(disk("write", path))?;
        let about = file.metadata().map_err(disk("read", path))?;
        if (about.uid(), about.gid()) != (uid, gid) {
            std::os::unix::fs::fchown(&file, Some(uid), Some(gid)).map_err(disk("give its owner to", path))?;
        }
        file.set_permissions(Permissions::from_mode(mode)).map_err(disk("set the mode of", path))?;
        file.sync_all().map_err(disk("write", path))
    })();
    if done.is_err() {
        let _ = fs::remove_file(path);
    }
    done
}

/// Root writes nothing where somebody else could have put a link.
fn in_own_directory(path: &Path) -> Result<(), FileError> {
    let Some(directory) = path.ancestors().skip(1).find(|directory| directory.is_dir()) else { return Ok(()) };
    let owner = fs::metadata(directory).map_err(disk("read", directory))?.uid();
    let own = rustix::process::geteuid();
    match own.is_root() && owner != own.as_raw() {
        true => Err(left_alone(path, "it belongs to somebody else. Run this as that user, without sudo")),
        false => Ok(()),
    }
}

fn left_alone(path: &Path, why: &str) -> FileError {
    FileError::LeftAlone { path: path.to_owned(), why: why.to_owned() }
}

fn disk(what: &'static str, path: &Path) -> impl Fn(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Disk { what, path: path.clone(), source }
}

/// What differs between two texts, line by line, with some lines around it.
pub(super) fn difference(old: &str, new: &str) -> String {
    const AROUND: usize = 3;
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let shorter = old.len().min(new.len());
    let before = (0..shorter).take_while(|at| old[*at] == new[*at]).count();
    let after = (0..shorter - before).take_while(|at| old[old.len() - 1 - at] == new[new.len() - 1 - at]).count();
    let mut lines: Vec<String> = Vec::new();
    let mut add = |sign: char, some: &[&str]| lines.extend(some.iter().map(|line| format!("{sign}{line}")));
    add(' ', &old[before.saturating_sub(AROUND)..before]);
    for (sign, line) in between(&old[before..old.len() - after], &new[before..new.len() - after]) {
        add(sign, &[line]);
    }
    add(' ', &old[old.len() - after..][..after.min(AROUND)]);
    lines.join("\n")
}

/// The longest lines in common stay; the rest goes or comes.
fn between<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    const MOST: usize = 4_000_000;
    let mut lines = Vec::new();
    if old.len().saturating_mul(new.len()) > MOST {
        lines.extend(old.iter().map(|line| ('-', *line)));
        lines.extend(new.iter().map(|line| ('+', *line)));
        return lines;
    }
    // How many lines the rests from each pair of places on have in common.
    let width = new.len() + 1;
    let mut common = vec![0_usize; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i * width + j] = match old[i] == new[j] {
                true => common[(i + 1) * width + j + 1] + 1,
                false => common[(i + 1) * width + j].max(common[i * width + j + 1]),
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            lines.push((' ', old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[(i + 1) * width + j] >= common[i * width + j + 1]) {
            lines.push(('-', old[i]));
            i += 1;
        } else {
            lines.push(('+', new[j]));
            j += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o7777
    }

    fn names(directory: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
        let mut names: Vec<String> = fs::read_dir(directory).unwrap().map(name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_a_backup() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcp.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let backup = Found::at(&path).unwrap().replace("new", false).unwrap().unwrap();
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), ("new", 0o644));
        assert_eq!((fs::read_to_string(&backup).unwrap().as_str(), mode(&backup)), ("old", 0o644));
        // With a key in it, it is for its owner alone.
        Found::at(&path).unwrap().replace("key", true).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(names(directory.path()), ["mcp.json", "mcp.json.bak", "mcp.json.bak2"]);
    }

    #[test]
    fn a_new_file_is_private_and_its_directory_is_made() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a/b/mcp.json");
        let found = Found::at(&path).unwrap();
        assert_eq!(found.text, "");
        assert_eq!(found.replace("{}", false).unwrap(), None);
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
    }

    #[test]
    fn links_are_followed_and_stay() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real.json"), directory.path().join("link.json"));
        fs::write(&real, "old").unwrap();
        symlink("real.json", &link).unwrap();
        Found::at(&link).unwrap().replace("new", false).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        symlink("nowhere.json", directory.path().join("dangling.json")).unwrap();
        let error = Found::at(&directory.path().join("dangling.json")).unwrap_err().to_string();
        assert!(error.contains("leads nowhere"), "{error}");
    }

    #[test]
    fn what_somebody_else_writes_meanwhile_is_not_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcp.json");
        fs::write(&path, "old").unwrap();
        let found = Found::at(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        let error = found.replace("ours", false).unwrap_err().to_string();
        assert!(error.contains("changed at the same time"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
        assert_eq!(names(directory.path()), ["mcp.json"], "nothing is left behind");
    }

    #[test]
    fn root_writes_into_nobody_elses_directory() {
        let directory = tempfile::tempdir().unwrap();
        let theirs = directory.path().join("theirs");
        fs::create_dir(&theirs).unwrap();
        // Others cannot give directories away, and need no such care.
        let is_given = std::os::unix::fs::chown(&theirs, Some(1000), None).is_ok();
        for path in [theirs.join("mcp.json"), theirs.join("not/yet/mcp.json")] {
            let found = Found::at(&path).map(|_| ()).map_err(|error| error.to_string());
            assert_eq!(found.is_err_and(|error| error.contains("without sudo")), is_given, "{}", path.display());
        }
    }

    #[test]
    fn what_is_no_text_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("mcp.json");
        fs::write(&path, b"\xFF\xFE{}").unwrap();
        assert!(Found::at(&path).unwrap_err().to_string().contains("UTF-8"));
        assert!(Found::at(directory.path()).unwrap_err().to_string().contains("no file"));
    }

    #[test]
    fn a_difference_shows_what_goes_and_what_comes() {
        let old = "1\n2\n3\n4\n5\n6\n7\n8\n9";
        let new = "1\n2\n3\n4\nx\n6\ny\n7\n8\n9";
        assert_eq!(difference(old, new), " 2\n 3\n 4\n-5\n+x\n 6\n+y\n 7\n 8\n 9");
        assert_eq!(difference("", "a\nb"), "+a\n+b");
    }
}
