//! `mcp-proxy logout`: removes the saved logins, and ends them at the server if that is asked for.

use crate::cli::exit::Exit;
use crate::cli::{error_line, kept, note_no_logins, say, settings};
use crate::config::Loaded;
use crate::daemon::Environment;
use crate::daemon::custody::{self, Kept, RemoveError};
use crate::net::api_client::ApiClient;

/// Removes the saved login of every configured upstream.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, revoke: bool) -> Exit {
    let logins = match revoke {
        true => kept(loaded, environment),
        // A login whose key is lost can be removed all the same.
        false => Ok(custody::kept(settings(loaded), None)),
    };
    let logins = match logins {
        Ok(logins) => logins,
        Err(exit) => return exit,
    };
    let api = match revoke.then(|| ApiClient::new(&settings(loaded).net)).transpose() {
        Ok(api) => api,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::Config;
        }
    };
    note_no_logins(&logins);
    let mut exit = Exit::Ok;
    for login in &logins {
        let name = &login.upstream;
        match login.remove(api.as_ref()).await {
            Ok(true) => say(&removed(login, revoke)),
            Ok(false) => say(&format!(
                "{name}: there is no saved login ({} does not exist); nothing was changed.",
                login.store.path().display()
            )),
            Err(error) => {
                error_line(&format!("{name}: {}", failed(login, &error, revoke)));
                exit = Exit::from(&error);
            }
        }
        for file in login.store.set_aside_before() {
            say(&format!("{name}: {} holds a login that was set aside; remove it by hand.", file.display()));
        }
    }
    exit
}

fn removed(login: &Kept, revoked: bool) -> String {
    let (name, file) = (&login.upstream, login.store.path().display());
    let server = match revoked {
        true => "The grant is revoked at the server.".to_owned(),
        false => format!("The grant itself lives on at the server until it ends. To end it now: {}", console(login)),
    };
    format!(
        "{name}: signed out; {file} was overwritten and removed. {server}\nA running mcp-proxy stops using the login \
         within two seconds."
    )
}

fn failed(login: &Kept, error: &RemoveError, revoke: bool) -> String {
    let file = login.store.path().display();
    match error {
        RemoveError::Revocation(_) | RemoveError::Load(_) if revoke => format!(
            "the login is kept ({file}), because the grant could not be revoked: {error}. Try again, or remove it here \
             with `mcp-proxy logout` and end the grant at the server: {}",
            console(login)
        ),
        RemoveError::Remove(_) => {
            format!("{error}. The login may be there still; give write access to its directory and try again")
        }
        error => error.to_string(),
    }
}

/// How a person ends the grant without us.
fn console(login: &Kept) -> String {
    format!(
        "in the RAM console, {}, under OAuth applications, take back the authorization of the application {:?}",
        login.alibaba.site.ram_console(),
        login.alibaba.app_name()
    )
}
