//! Everything that is looked at, in the order in which it is said: what stands first may be the cause of what follows.
//! `docs/DOCTOR.md` has the same table, and a test holds the two together.

use crate::cli::exit::Exit;
use crate::phrase::{Phrase, doctor};

/// One check.
#[derive(Debug)]
pub(super) struct Check {
    /// Its name, which never changes.
    pub(super) id: &'static str,
    pub(super) family: Family,
    /// How a run ends whose first fault this is.
    pub(super) exit: Exit,
    /// What is looked at.
    pub(super) looks_at: &'static str,
}

/// Checks that are made together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Configuration,
    Service,
    Daemon,
    Port,
    Network,
    Cloud,
    Login,
    Files,
    Machine,
}

impl Family {
    /// In the order in which they are said.
    pub(super) const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Service,
        Self::Daemon,
        Self::Port,
        Self::Network,
        Self::Cloud,
        Self::Login,
        Self::Files,
        Self::Machine,
    ];

    pub(super) fn title(self) -> Phrase {
        match self {
            Self::Configuration => doctor::CONFIGURATION,
            Self::Service => doctor::SERVICE,
            Self::Daemon => doctor::DAEMON,
            Self::Port => doctor::PORT,
            Self::Network => doctor::NETWORK,
            Self::Cloud => doctor::CLOUD,
            Self::Login => doctor::LOGIN,
            Self::Files => doctor::FILES,
            Self::Machine => doctor::MACHINE,
        }
    }

    pub(super) fn checks(self) -> impl Iterator<Item = &'static Check> {
        ALL.iter().copied().filter(move |check| check.family == self)
    }
}

macro_rules! checks {
    ($($name:ident: $id:literal, $family:ident, $exit:ident, $looks_at:literal;)+) => {
        $(pub(super) static $name: Check =
            Check { id: $id, family: Family::$family, exit: Exit::$exit, looks_at: $looks_at };)+
        /// All of them, in order.
        pub(super) static ALL: &[&Check] = &[$(&$name),+];
    };
}

checks! {
    CONFIGURATION: "configuration", Configuration, Config,
        "All layers of the configuration: files, environment, flags. Each problem with file and line.";
    IN_FORCE: "configuration-in-force", Configuration, TempFail,
        "Whether the running daemon has the configuration as it is now; the daemon reads it anew and compares.";

    UNIT: "unit", Service, Unavailable,
        "`systemctl show`: state, result and restarts of `mcp-proxy.service`, and whether it comes with the next boot.";
    UNIT_CHANGES: "unit-changes", Service, Config,
        "Drop-ins of the units, files that take the place of the package's, and files that systemd has not read yet.";
    UNIT_SOCKETS: "unit-sockets", Service, Unavailable,
        "`mcp-proxy.socket`, `mcp-proxy-control.socket` and `mcp-proxy-diag.socket`.";
    JOURNAL: "journal", Service, Unavailable,
        "Whether the journal takes lines at `/run/systemd/journal/socket`.";

    DAEMON: "daemon", Daemon, Unavailable,
        "Whether a daemon runs and answers at its control socket.";
    CONTROL_SOCKET: "control-socket", Daemon, Unavailable,
        "Whether the control socket is there, and whether you may open it.";
    VERSION: "version", Daemon, TempFail,
        "The version of the daemon and of the command, and whether the program was replaced since the daemon was started.";
    CONDITIONS: "conditions", Daemon, TempFail,
        "What the daemon itself says is wrong (OPERATING.md lists the conditions).";

    PORT: "port", Port, Unavailable,
        "Who listens on the configured address: mcp-proxy, nobody, or another process.";
    ACCESS: "access", Port, NoPermission,
        "Whether whoever runs this command would be let in (`access.others`, `[[client]]`).";
    CONTAINERS: "containers", Port, Unavailable,
        "The addresses of the listeners beside those of this host on bridges such as `docker0`: what listens on 127.0.0.1 \
         alone cannot be reached from a container.";
    CONTAINER_REACH: "container-reach", Port, Unavailable,
        "A connection from the network namespace of each running container (eight at most) to the listener on its bridge.";

    PROXY_ENVIRONMENT: "proxy-environment", Network, Unavailable,
        "`HTTPS_PROXY` and its kin, as the daemon has them: can they be read, is the proxy reached?";
    DNS: "dns", Network, Unavailable,
        "The names of the upstream and of the services that tokens come from.";
    REACH: "reach", Network, Unavailable,
        "Whether those services answer, and how fast.";
    CERTIFICATE: "certificate", Network, Unavailable,
        "Whether their certificates are trusted, with `network.extra_ca_file`.";
    CLOCK: "clock", Network, TempFail,
        "The clock of this machine beside the `Date` of their answers. From 1 min on it is a note, from 5 min on a fault.";

    API_CREDENTIALS: "api-credentials", Cloud, Config,
        "Where the API credentials come from, and whether the cloud takes them.";
    RAM_PERMISSION: "ram-permission", Cloud, NoPermission,
        "Whether they may list OAuth applications and MCP servers.";
    OAUTH_APPLICATION: "oauth-application", Cloud, Config,
        "Whether the OAuth application exists, is of type Native, and has the scope. None is made.";
    REDIRECT_URI: "redirect-uri", Cloud, Config,
        "Whether the OAuth application has the address at which sign-ins come back here.";

    LOGIN: "login", Login, NoPermission,
        "The saved login of each upstream.";
    TOKEN: "token", Login, NoPermission,
        "Whether there is a token that serves, and for how long.";
    UPSTREAM_CALL: "upstream-call", Login, NoPermission,
        "An MCP `initialize` with the token: through the port of the running daemon, else straight to the upstream. A \
         session that it begins is ended again.";

    CONFIGURATION_FILES: "configuration-files", Files, Config,
        "Mode and owner of the files of the configuration, and of every directory above them.";
    STATE_DIRECTORY: "state-directory", Files, Config,
        "Mode and owner of the directory of the state and of every directory above it.";
    LOGIN_FILES: "login-files", Files, Config,
        "Mode and owner of saved logins and of `access.json`.";
    KEY_FILE: "key-file", Files, Config,
        "Whether the key for saved logins (`login.key_file`) can be read, is one, and is private, with every directory \
         above it.";
    PRIVATE_FILES: "private-files", Files, Config,
        "The mode of the aliyun CLI's configuration and of token files.";

    DISK: "disk", Machine, IoError,
        "Room in the directory of saved logins, and whether it can be written to. Less than 16 MiB is a note.";
    OPEN_FILES: "open-files", Machine, OsError,
        "The limit of open files beside `limits.max_connections`. Less than two for each connection is a note, less than one a fault.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_words_and_families_are_together() {
        let ids: BTreeSet<&str> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(ids.len(), ALL.len());
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')), "{ids:?}");
        let in_families: Vec<&str> =
            Family::ALL.iter().flat_map(|family| family.checks()).map(|check| check.id).collect();
        assert_eq!(in_families, ALL.iter().map(|check| check.id).collect::<Vec<_>>());
    }

    #[test]
    fn the_document_has_every_check_and_no_other() {
        let page = include_str!("../../../docs/DOCTOR.md");
        for (at, check) in ALL.iter().enumerate() {
            let row = format!("| `{}` | {} | {} |", check.id, check.looks_at, check.exit as u8);
            assert!(page.contains(&row), "docs/DOCTOR.md lacks, at place {at}:\n{row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `") && line.matches(" | ").count() == 2);
        let listed: Vec<&str> = rows.filter_map(|line| line.split('`').nth(1)).collect();
        let known: Vec<&str> = ALL.iter().map(|check| check.id).collect();
        assert_eq!(listed, known);
    }
}
