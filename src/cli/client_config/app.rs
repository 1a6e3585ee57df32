//! The applications, and the files in which they keep their MCP servers.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

/// An application that speaks MCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum App {
    /// Dify, in Docker.
    Dify,
    /// Claude Code.
    ClaudeCode,
    /// Claude Desktop, by way of `mcp-proxy stdio`.
    ClaudeDesktop,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    Vscode,
    /// Cherry Studio.
    CherryStudio,
    /// LangChain, as Python code.
    Langchain,
    /// The OpenAI Agents SDK, as Python code.
    OpenaiAgents,
    /// The MCP Inspector.
    Inspector,
}

impl App {
    /// The file with its servers below `home`, and the member of it that holds them; below a project, if `project` is
    /// one. `None` if it has no such file.
    pub(super) fn file(self, home: &Path, config: &Path, project: Option<&Path>) -> Option<PathBuf> {
        let below = |path: &str| project.map(|project| project.join(path));
        match self {
            Self::ClaudeCode => below(".mcp.json").or_else(|| Some(home.join(".claude.json"))),
            Self::Cursor => below(".cursor/mcp.json").or_else(|| Some(home.join(".cursor/mcp.json"))),
            Self::Vscode => below(".vscode/mcp.json").or_else(|| Some(config.join("Code/User/mcp.json"))),
            Self::ClaudeDesktop => project.is_none().then(|| config.join("Claude/claude_desktop_config.json")),
            Self::Dify | Self::CherryStudio | Self::Langchain | Self::OpenaiAgents | Self::Inspector => None,
        }
    }

    /// The member of its configuration that holds the servers.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Vscode => "servers",
            _ => "mcpServers",
        }
    }

    /// True if it runs in containers, which reach this host in their own way.
    pub(super) fn is_in_a_container(self) -> bool {
        self == Self::Dify
    }

    /// True if it starts a program instead of calling an address.
    pub(super) fn starts_a_program(self) -> bool {
        self == Self::ClaudeDesktop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_where_the_applications_look() {
        let (home, config, project) = (Path::new("/h"), Path::new("/h/.config"), Path::new("/p"));
        for (app, own, shared) in [
            (App::ClaudeCode, Some("/h/.claude.json"), Some("/p/.mcp.json")),
            (App::ClaudeDesktop, Some("/h/.config/Claude/claude_desktop_config.json"), None),
            (App::Cursor, Some("/h/.cursor/mcp.json"), Some("/p/.cursor/mcp.json")),
            (App::Vscode, Some("/h/.config/Code/User/mcp.json"), Some("/p/.vscode/mcp.json")),
            (App::Dify, None, None),
            (App::Langchain, None, None),
        ] {
            assert_eq!(app.file(home, config, None).as_deref(), own.map(Path::new), "{app:?}");
            assert_eq!(app.file(home, config, Some(project)).as_deref(), shared.map(Path::new), "{app:?}");
        }
    }
}
