//! What can be typed: one definition for the parser and its help.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::cli::client_config::App;
use crate::config::text::Flags;

/// Signs in once and forwards MCP traffic with the credential added.
///
/// AI applications talk plain MCP over HTTP to mcp-proxy; it holds the OAuth login that they cannot manage, adds
/// the credential to every request, and keeps it fresh.
#[derive(Debug, Parser)]
#[command(name = "mcp-proxy", version, max_term_width = 100, next_help_heading = "Configuration (any command)")]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,

    /// Read this configuration file [default: /etc/mcp-proxy/mcp-proxy.toml, when present].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Listen on this address [default: 127.0.0.1].
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,

    /// Listen on this port [default: 8088].
    #[arg(long, global = true)]
    port: Option<String>,

    /// Never open a browser: show the URL, and accept a pasted code or URL.
    #[arg(long, global = true)]
    no_browser: bool,

    /// Use this existing OAuth application [default: aliyun-cli-mcp-proxy, created if missing].
    #[arg(long, global = true, value_name = "NAME")]
    oauth_app_name: Option<String>,

    /// The Alibaba Cloud site: CN or INTL [default: CN].
    #[arg(long, global = true, value_name = "SITE")]
    region_type: Option<String>,

    /// Forward to this upstream instead of the region's; https:// is assumed.
    #[arg(long, global = true, value_name = "URL")]
    upstream_url: Option<String>,

    /// The OAuth scope to ask for [default: /acs/mcp-server].
    #[arg(long, global = true)]
    scope: Option<String>,

    /// Forward to these MCP servers only: names, ids or path prefixes, separated by commas.
    #[arg(long, global = true, value_name = "LIST")]
    allowed_servers: Option<String>,

    /// Never forward to these MCP servers: names, ids or path prefixes, separated by commas.
    #[arg(long, global = true, value_name = "LIST")]
    blocked_servers: Option<String>,

    /// Take the API credentials from this profile of the aliyun CLI [default: the one that the CLI picks].
    #[arg(long, global = true, value_name = "NAME")]
    profile: Option<String>,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum Command {
    /// Serve until stopped; this is what happens without a command.
    Serve,
    /// Sign in, then end. Beside a running daemon, it is the daemon that signs in.
    ///
    /// The daemon is asked at its control socket, which is for root, for its own user and for the group of the socket.
    /// With several upstreams, one sign-in after the other. Where no browser can be opened, open the URL that is shown
    /// on any machine, and paste back the code or the address that the browser ends at; a terminal with room for it shows
    /// that URL as a QR code too.
    Login {
        /// Show no QR code of the URL.
        #[arg(long)]
        no_qr: bool,
    },
    /// Sign out: remove the saved logins.
    ///
    /// A running daemon does it itself, asked at its control socket. Each file is overwritten before it is removed. The
    /// grant itself lives on at the server until it ends, unless it is revoked.
    Logout {
        /// Revoke the grant at the server first; if that does not work, the login is kept.
        #[arg(long)]
        revoke: bool,
    },
    /// Take over the login of `aliyun mcp-proxy`; its file is not changed.
    ///
    /// The two programs then have the same refresh token, and whoever renews it first ends the other's: run one of
    /// them only.
    Import {
        /// The file [default: .mcpproxy_config, beside the aliyun CLI's configuration].
        file: Option<PathBuf>,
        /// Take it over even if the login saved here is newer, or cannot be read.
        #[arg(long)]
        force: bool,
        /// For this upstream; needed only when there are several.
        #[arg(long, value_name = "NAME")]
        upstream: Option<String>,
    },
    /// Say who is signed in, until when, who calls, and what is wrong.
    ///
    /// Asks the running daemon at its control socket; without one, reads the saved logins. Exit codes: 0 signed in; 75 signed in, but the running
    /// daemon is degraded; 77 a person has to sign in; 78 a saved login or the key for it cannot be used.
    Status {
        /// As JSON, for programs; docs/STATUS.md describes it.
        #[arg(long)]
        json: bool,
        /// Show it anew every second, until q or Ctrl+C.
        #[arg(long, conflicts_with = "json")]
        watch: bool,
    },
    /// List the MCP servers: name, id, local addresses, and whether the server lists let requests pass.
    ///
    /// Asks the running daemon at its control socket; without one, asks the cloud with the API credentials at hand, and
    /// else reads the list that a daemon saved. Exit codes: 0 known; 69 not known, with the reason.
    Servers {
        /// As JSON, for programs; docs/CONTROL.md describes it.
        #[arg(long)]
        json: bool,
    },
    /// Connect a client that speaks over standard input and output only to an MCP server of the running daemon.
    ///
    /// The client starts this as if it were the server. The daemon is found by its control socket, or by the
    /// configuration, and reached over its Unix socket for clients or its port. A client key is taken from the variable
    /// MCP_PROXY_CLIENT_KEY. Standard output carries messages and nothing else; the log goes to standard error. Exit
    /// codes: 0 the client has said all; 69 there is no such server, with the reason as the answer to each request.
    Stdio {
        /// The server: name, id, or path [default: the only one that there is].
        #[arg(long, value_name = "SERVER")]
        server: Option<String>,
        /// Among the servers of this upstream alone.
        #[arg(long, value_name = "NAME")]
        upstream: Option<String>,
    },
    /// Print what an application needs to use the MCP servers, or put it into the application's own file.
    ///
    /// What is to be pasted goes to standard output, where to paste it to standard error. With --write, the file of Claude
    /// Code, Claude Desktop, Cursor or VS Code is changed: everything else in it stays, comments too, and what was there
    /// before is kept beside it. Exit codes: 0 done; 65 the file is not understood, or somebody else's, and left alone;
    /// 69 there is no such server, or no address to give; 74 not written; 77 and 78 no key was made.
    ClientConfig {
        /// The application.
        app: App,
        /// Only this server: name, id, or path [default: all that can be used].
        #[arg(long, value_name = "SERVER")]
        server: Option<String>,
        /// Only the servers of this upstream.
        #[arg(long, value_name = "NAME")]
        upstream: Option<String>,
        /// Make a key for this `[[client]]` of the configuration, and put it in.
        #[arg(long, value_name = "CLIENT")]
        key_for: Option<String>,
        /// Change the application's file instead.
        #[arg(long)]
        write: bool,
        /// The file of the project in the current directory, not that of the person.
        #[arg(long)]
        project: bool,
        /// This file, not the usual one.
        #[arg(long, value_name = "FILE", conflicts_with = "project")]
        file: Option<PathBuf>,
        /// Show what --write would change, and change nothing; no key is made.
        #[arg(long)]
        dry_run: bool,
    },
    /// Open a page in the browser: who is signed in, who uses it, what is wrong and what to do, live.
    ///
    /// The page is served on this machine alone, until Ctrl-C, for whoever has the link that is printed; the link works
    /// once. All that it shows comes from the running daemon, at its control socket, with the rights of the one who runs
    /// this. Exit codes: 0 ended by Ctrl-C, or because nobody used it; 69 no daemon, no answer, or the port is in use;
    /// 77 not permitted.
    Ui {
        /// Serve the page on this port [default: any that is free].
        #[arg(id = "port", long, value_name = "PORT")]
        port: Option<String>,
        /// End when nobody has used the page for so long; 0 is never.
        #[arg(long, value_name = "DURATION", default_value = "30min")]
        idle: String,
    },
    /// Make, list and remove keys for clients: how a client is known that has no user or address of its own.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Stop all forwarding, end every login at the server, and show who did what.
    ///
    /// For when a token may have got out. Open streams are cut, and every request is refused until `mcp-proxy resume`,
    /// also after a restart. Each grant is revoked and its saved login removed; one that cannot be revoked is kept, so
    /// that this can be repeated. A running daemon does it itself, asked at its control socket; without one it is done
    /// on the files. Exit codes: 0 done; 64 --since is no time; 69 not revoked, or no answer; 74 not written to disk;
    /// 77 not permitted; 78 a saved login or the key for it cannot be used.
    Incident {
        /// Replace the keys of all clients: none of them works any more.
        #[arg(long)]
        rotate_keys: bool,
        /// Show the audit trail since then: how long ago (2h), or a date and time in UTC (2026-07-01 12:30).
        #[arg(long, value_name = "TIME", default_value = "1d")]
        since: String,
    },
    /// End an incident: forward requests again.
    ///
    /// Exit codes: 0 done, or there was none; 69 no answer; 74 not written to disk, so it goes on; 77 not permitted.
    Resume,
    /// Make and change the key that saved logins are encrypted with.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Check the configuration and say where each value comes from.
    CheckConfig,
    /// Look for what is wrong between clients and the cloud, and say how to mend each.
    ///
    /// Looks at configuration, units, daemon, port, network, cloud account, sign-in, files and machine, with a running daemon or
    /// without one, within about ten seconds. Changes nothing and shows no secret; docs/DOCTOR.md lists the checks. Exit
    /// codes: 0 nothing is wrong; else that of the first fault: 69 something needed is not there or not reached; 71 a limit
    /// of the system; 74 the disk; 75 the daemon is not up to date, or not well, or a clock is wrong; 77 a person has to sign
    /// in, or a permission is missing; 78 configuration, credentials or files.
    Doctor {
        /// As JSON, for programs; docs/DOCTOR.md describes it.
        #[arg(long)]
        json: bool,
    },
}

/// What can be done with the keys of clients.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum ClientCommand {
    /// Make a key for a client, and print it: this once, for only its digest is kept.
    ///
    /// The configuration must have a `[[client]]` of that name with key = true. A client can have several keys: make the new
    /// one, give it to the client, then remove the old one. A running daemon is asked at its control socket, by root or its
    /// own user, and takes the key from then on.
    Add {
        /// The name of the client.
        name: String,
    },
    /// List the clients of the configuration, and of each key its fingerprint, when it was made, and when it was last used.
    List {
        /// As JSON, for programs; docs/CLIENT_RULES.md describes it.
        #[arg(long)]
        json: bool,
    },
    /// Remove the keys of a client, or one of them. They are good for nothing from then on.
    Remove {
        /// The name of the client.
        name: String,
        /// Only the key with this fingerprint, as `mcp-proxy client list` says it.
        #[arg(long, value_name = "FINGERPRINT")]
        key: Option<String>,
    },
}

/// What can be done with keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(super) enum KeyCommand {
    /// Make a new key in a new file that only its owner can read.
    Generate {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Encrypt the saved logins with another key.
    ///
    /// Each file is replaced whole or not at all, so this can be interrupted and repeated. Afterwards give the daemon
    /// the new key and restart it: until then it saves with the old one.
    Rotate {
        /// The file with the new key, as `mcp-proxy key generate` made it.
        #[arg(long, value_name = "FILE")]
        new_key: PathBuf,
        /// The file with the key that the logins are encrypted with now [default: the configured key].
        #[arg(long, value_name = "FILE")]
        old_key: Option<PathBuf>,
    },
}

impl Args {
    /// The configuration file that was named.
    pub(super) fn config_file(&self) -> Option<&Path> {
        self.config.as_deref()
    }

    /// The flags, as the configuration takes them.
    pub(super) fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            no_browser: self.no_browser,
            host: self.host.clone(),
            // For the page, it is the port of the page.
            port: self.port.clone().filter(|_| !matches!(self.command, Some(Command::Ui { .. }))),
            oauth_app_name: self.oauth_app_name.clone(),
            region_type: self.region_type.clone(),
            upstream_url: self.upstream_url.clone(),
            scope: self.scope.clone(),
            allowed_servers: self.allowed_servers.clone(),
            blocked_servers: self.blocked_servers.clone(),
            profile: self.profile.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn flags_stand_before_or_behind_the_command() {
        for line in [["mcp-proxy", "--port", "9", "login"], ["mcp-proxy", "login", "--port", "9"]] {
            let args = Args::try_parse_from(line).unwrap();
            assert_eq!((args.command, args.port.as_deref()), (Some(Command::Login { no_qr: false }), Some("9")));
        }
    }

    #[test]
    fn the_port_of_the_page_is_not_that_of_the_daemon() {
        for line in [["mcp-proxy", "--port", "9", "ui"], ["mcp-proxy", "ui", "--port", "9"]] {
            let args = Args::try_parse_from(line).unwrap();
            assert_eq!(args.flags().port, None);
            let Some(Command::Ui { port, idle }) = args.command else { panic!("{line:?}") };
            assert_eq!((port.as_deref(), idle.as_str()), (Some("9"), "30min"));
        }
    }
}
