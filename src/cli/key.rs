//! `mcp-proxy key`: makes the key for saved logins, and changes them from one key to another.

use std::path::Path;
use std::sync::Arc;

use crate::auth::store::{KeyError, SealKey};
use crate::cli::exit::Exit;
use crate::cli::{error_line, kept, note_no_logins, say, settings};
use crate::config::Loaded;
use crate::daemon::Environment;
use crate::daemon::custody::{self, Rotated};
use crate::model::language::Language;

/// Makes a key.
pub(super) fn generate(file: &Path) -> Exit {
    let key = match SealKey::create_file(file) {
        Ok(key) => key,
        Err(error) => return refuse(&error),
    };
    let file = absolute(file);
    say(&format!(
        "Made the key {id} in {file}. Keep a copy of it: a login that is encrypted cannot be opened without it.\n\n\
         To encrypt saved logins with it, either name it in the configuration (the daemon's user must own the file):\n\n  \
         [login]\n  key_file = \"{file}\"\n\n\
         or have systemd pass it, bound to this machine. Encrypt it once:\n\n  \
         systemd-creds encrypt --name=token-key {file} /etc/credstore.encrypted/mcp-proxy.token-key\n\n\
         and add to the unit (systemctl edit mcp-proxy):\n\n  \
         [Service]\n  LoadCredentialEncrypted=token-key:/etc/credstore.encrypted/mcp-proxy.token-key\n\n\
         A login that is saved as plain text is encrypted at the next start.",
        id = key.id(),
    ));
    Exit::Ok
}

/// Encrypts every saved login with the key in `new_key`.
pub(super) async fn rotate(loaded: &Loaded, environment: &Environment, new_key: &Path, old_key: Option<&Path>) -> Exit {
    let key = match SealKey::read_file(new_key) {
        Ok(key) => Arc::new(key),
        Err(error) => return refuse(&error),
    };
    let logins = match old_key.map(SealKey::read_file) {
        None => kept(loaded, environment),
        Some(Ok(old)) => Ok(custody::kept(settings(loaded), Some(Arc::new(old)))),
        Some(Err(error)) => return refuse(&error),
    };
    let logins = match logins {
        Ok(logins) => logins,
        Err(exit) => return exit,
    };
    if logins.is_empty() {
        note_no_logins(&logins, Language::English);
        return Exit::Ok;
    }
    let mut exit = Exit::Ok;
    for login in &logins {
        let (name, file) = (&login.upstream, login.store.path().display());
        match login.rotate(key.clone()).await {
            Ok(Rotated::Done) => say(&format!("{name}: {file} is encrypted with the key {} now.", key.id())),
            Ok(Rotated::Already) => say(&format!("{name}: {file} was encrypted with the key {} already.", key.id())),
            Ok(Rotated::Nothing) => say(&format!("{name}: there is no saved login.")),
            Err(error) => {
                error_line(&format!("{name}: {error}"));
                exit = Exit::from(&error);
            }
        }
    }
    let new_key = absolute(new_key);
    if exit != Exit::Ok {
        error_line("not every login has the new key; the old key is still needed. Mend the cause and run this again");
        return exit;
    }
    say(&format!(
        "\nNow change the key of the daemon, and restart it at once: until then it saves its next renewal with the old \
         key.\n  login.key_file = \"{new_key}\"\nor, where systemd passes the key:\n  \
         systemd-creds encrypt --name=token-key {new_key} /etc/credstore.encrypted/mcp-proxy.token-key\n\
         If a renewal came in between, mcp-proxy status says so; then run this again with --old-key OLD_FILE. Remove \
         the old key after that."
    ));
    Exit::Ok
}

fn refuse(error: &KeyError) -> Exit {
    error_line(&error.to_string());
    Exit::from(error)
}

/// The path as a configuration wants it.
fn absolute(file: &Path) -> String {
    std::path::absolute(file).unwrap_or_else(|_| file.to_owned()).display().to_string()
}
