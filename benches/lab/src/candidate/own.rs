//! mcp-proxy: the release build with its defaults, and a token from a systemd credential, so that no cloud is needed.

use std::fs::Permissions;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::ensure;

use crate::candidate::{Place, TOKEN};
use crate::tls;

/// Everybody may do everything: nobody is asked who calls, and no rule is applied.
pub(super) const NO_RULES: &str = "
[access]
others = \"anyone\"
";

/// The caller is known by its user, and each body is read for a rule about tools.
pub(super) fn rules(directory: &Path) -> anyhow::Result<String> {
    let uid = std::fs::metadata(directory)?.uid();
    Ok(format!(
        "
[[client]]
name = \"lab\"
users = [\"{uid}\"]
blocked_tools = [\"Delete*\"]
requests_per_minute = 4000000000
"
    ))
}

pub(super) fn command(directory: &Path, address: SocketAddr, place: &Place, more: &str) -> anyhow::Result<Command> {
    ensure!(place.binary.exists(), "{} is not there: make build", place.binary.display());
    let config = format!(
        "state_dir = \"{here}/state\"

[listen]
port = {port}

[control]
socket = \"{here}/control.sock\"

[network]
extra_ca_file = \"{authority}\"

[[upstream]]
name = \"lab\"
mount = \"/\"
url = \"https://{name}:{upstream}\"
auth = \"token-file\"
token_file = \"token\"
{more}",
        here = directory.display(),
        port = address.port(),
        name = tls::NAME,
        upstream = place.upstream.port(),
        authority = place.authority.display(),
    );
    let file = directory.join("mcp-proxy.toml");
    std::fs::write(&file, config)?;
    write_token(directory, TOKEN)?;
    let mut command = Command::new(&place.binary);
    command.arg("serve").arg("--config").arg(file);
    command.env_clear().env("CREDENTIALS_DIRECTORY", directory).env("HOME", directory);
    Ok(command)
}

/// The same program with a socket that listens already, handed over as a service manager does (sd_listen_fds(3)): it is
/// standard input until the shell, whose process becomes the program's, makes it the first descriptor after the usual
/// ones.
pub(super) fn with_socket(command: &Command, listener: &TcpListener) -> anyhow::Result<Command> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg("LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\" 3<&0 0</dev/null").arg("sh");
    shell.arg(command.get_program()).args(command.get_args()).env_clear();
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(OwnedFd::from(listener.try_clone()?));
    Ok(shell)
}

/// Gives it another token, as a renewal would: whole, or not at all.
pub(crate) fn write_token(directory: &Path, token: &str) -> anyhow::Result<()> {
    let (new, file): (PathBuf, PathBuf) = (directory.join("token.new"), directory.join("token"));
    std::fs::write(&new, token)?;
    std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
    Ok(std::fs::rename(new, file)?)
}
