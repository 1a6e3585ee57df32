//! What tests need that only `tests/prepare` can install. Without it a test says so and returns.

use std::path::{Path, PathBuf};

/// Something that may be missing on a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Node.js with the packages of `tests/clients/browser`, and Chromium.
    Browser,
    /// Python, for the scripts that need no package.
    Python,
    /// The right to mount a file system.
    Mount,
    /// The right to run a command as another user.
    OtherUsers,
    /// nginx, as an upstream of another make.
    Nginx,
    /// The cloud vendor's own Python SDK.
    AlibabaSdk,
    /// The right to make network namespaces, with bridges in them.
    NetworkNamespaces,
}

impl Need {
    /// The files of which the first of each group must exist, with the name that `tests/prepare` gives to its lack.
    fn files(self) -> Vec<(&'static str, Vec<PathBuf>)> {
        let on_path = |name: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).map(|directory| directory.join(name)).collect()
        };
        match self {
            Self::Browser => vec![
                ("browser", on_path("node")),
                ("browser", vec![clients().join("browser/node_modules/playwright-core")]),
                ("browser", vec![clients().join("browser/node_modules/axe-core")]),
                ("chromium", vec![PathBuf::from("/usr/bin/chromium")]),
            ],
            Self::Python => vec![("python", on_path("python3"))],
            Self::Mount => vec![("mount", on_path("mount"))],
            Self::OtherUsers => vec![("setpriv", on_path("setpriv"))],
            Self::NetworkNamespaces => vec![("netns", on_path("ip"))],
            Self::Nginx => vec![("nginx", on_path("nginx"))],
            Self::AlibabaSdk => vec![("alibaba", vec![environment("alibaba")])],
        }
    }
}

/// The interpreter of an environment that `tests/prepare` makes.
pub fn environment(name: &str) -> PathBuf {
    root().join("target/test-clients").join(name).join("bin/python")
}

/// The directory of other people's clients.
pub fn clients() -> PathBuf {
    root().join("tests/clients")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// True if `need` is not there; then says that `test` was skipped, and why.
pub fn lacks(test: &str, need: Need) -> bool {
    let reported = std::fs::read_to_string(root().join("target/test-clients/missing.txt")).unwrap_or_default();
    let why = |name: &str| reported.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let is_lacking =
        |(name, files): &(&str, Vec<PathBuf>)| !files.iter().any(|file| file.exists()) || why(name).is_some();
    let Some((name, _)) = need.files().into_iter().find(is_lacking) else { return false };
    let why = why(name);
    println!(
        "SKIPPED {test}: {}",
        why.map_or_else(|| format!("{name} is not there; run tests/prepare"), str::to_owned)
    );
    true
}
