//! The control group that an id, or a process, belongs to: where systemd keeps its units and engines their containers.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the one tree of control groups may be mounted; the second is that of mixed set-ups.
const TREES: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// How many groups are looked at.
const MOST: usize = 50_000;

/// The path of the control group with this id, which is the inode number of its directory. Looks through the whole tree:
/// not for the threads that serve.
pub fn path_of(id: u64) -> Option<String> {
    let tree = TREES.iter().map(Path::new).find(|tree| tree.join("cgroup.procs").exists())?;
    let mut left = MOST;
    found_below(tree, id, &mut left).and_then(|path| Some(format!("/{}", path.strip_prefix(tree).ok()?.to_str()?)))
}

fn found_below(directory: &Path, id: u64, left: &mut usize) -> Option<PathBuf> {
    if fs::metadata(directory).ok()?.ino() == id {
        return Some(directory.to_owned());
    }
    for entry in fs::read_dir(directory).ok()?.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            *left = left.checked_sub(1)?;
            if let Some(found) = found_below(&entry.path(), id, left) {
                return Some(found);
            }
        }
    }
    None
}

/// The control group of a process of `uid`; `None` if it has gone, is hidden from us, or is somebody else's by now.
pub fn of_process(pid: i32, uid: u32) -> Option<String> {
    let directory = PathBuf::from(format!("/proc/{pid}"));
    let text = fs::read_to_string(directory.join("cgroup")).ok()?;
    // The number may have been given to another process: one of the same user could have been any of that user's.
    (fs::metadata(&directory).ok()?.uid() == uid).then_some(())?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_number() {
        let directory = tempfile::tempdir().unwrap();
        let wanted = directory.path().join("a.slice/b.service");
        fs::create_dir_all(&wanted).unwrap();
        fs::create_dir_all(directory.path().join("c.slice")).unwrap();
        let id = fs::metadata(&wanted).unwrap().ino();
        assert_eq!(found_below(directory.path(), id, &mut 10), Some(wanted));
        assert_eq!(found_below(directory.path(), 1, &mut 10), None);
        assert_eq!(found_below(directory.path(), id, &mut 0), None, "beyond the limit");
    }

    #[test]
    fn a_process_of_another_user_is_not_taken_for_the_one_that_was_meant() {
        let (pid, own) = (i32::try_from(std::process::id()).unwrap(), rustix::process::geteuid().as_raw());
        assert_eq!(of_process(pid, own.wrapping_add(1)), None);
        assert_eq!(of_process(i32::MAX, own), None);
    }
}
