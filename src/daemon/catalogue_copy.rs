//! The server list on disk, so that rules by name hold from the first request after a restart.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::server::McpServer;

#[derive(Serialize, Deserialize)]
struct Entry {
    id: String,
    name: String,
    description: String,
    mcp_path: Option<String>,
    sse_path: Option<String>,
    #[serde(default)]
    out_of_reach: Option<String>,
}

pub(super) fn read(file: &Path) -> Arc<[McpServer]> {
    let entries: Vec<Entry> =
        std::fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
    let server = |entry: Entry| {
        let Entry { id, name, description, mcp_path, sse_path, out_of_reach } = entry;
        McpServer { id, name, description, mcp_path, sse_path, out_of_reach }
    };
    entries.into_iter().map(server).collect()
}

pub(super) fn write(file: &Path, servers: &[McpServer]) -> io::Result<()> {
    let entry = |server: &McpServer| {
        let McpServer { id, name, description, mcp_path, sse_path, out_of_reach } = server.clone();
        Entry { id, name, description, mcp_path, sse_path, out_of_reach }
    };
    let text = serde_json::to_vec_pretty(&servers.iter().map(entry).collect::<Vec<_>>())?;
    let new = file.with_extension("new");
    // The state directory may be made here first: it is as private as the logins that it will hold.
    let private = |directory: &Path| DirBuilder::new().recursive(true).mode(0o700).create(directory);
    file.parent().map_or(Ok(()), private)?;
    let mut written = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    written.write_all(&text)?;
    std::fs::rename(new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_is_read_back_and_a_bad_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("catalogue/alibaba.CN.json");
        assert!(read(&file).is_empty());
        let server = McpServer {
            id: "a1".into(),
            name: "ecs".into(),
            description: String::new(),
            mcp_path: Some("/x/mcp".into()),
            sse_path: None,
            out_of_reach: None,
        };
        write(&file, std::slice::from_ref(&server)).unwrap();
        assert_eq!(read(&file).as_ref(), [server]);
        std::fs::write(&file, b"[{").unwrap();
        assert!(read(&file).is_empty());
    }
}
