//! `mcp-proxy import`: takes over the login of `aliyun mcp-proxy`.

use std::path::{Path, PathBuf};

use crate::auth::credential::Credential;
use crate::cli::exit::Exit;
use crate::cli::{error_line, kept, person, say, settings};
use crate::config::Loaded;
use crate::daemon::custody::Kept;
use crate::daemon::{Environment, import};
use crate::model::time::{Clock, Wall, in_words};

/// What a person has to know about two programs with one login.
pub(super) const ONE_OF_TWO: &str = "Do not run `aliyun mcp-proxy` with this login any more: both programs have the same refresh token now, and \
     whoever renews it first ends the other's.";

/// Takes a login over.
pub(super) async fn run(
    loaded: &Loaded,
    environment: &Environment,
    file: Option<&Path>,
    force: bool,
    upstream: Option<&str>,
) -> Exit {
    let logins = match kept(loaded, environment) {
        Ok(logins) => logins,
        Err(exit) => return exit,
    };
    let login = match choose(&logins, upstream) {
        Ok(login) => login,
        Err(reason) => {
            error_line(&reason);
            return Exit::Usage;
        }
    };
    let path = match file.map_or_else(|| import::place(login), |file| Ok(PathBuf::from(file))) {
        Ok(path) => path,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::from(&error);
        }
    };
    let now = Clock::system().now().wall;
    match login.import(&path, force, now).await {
        Ok(credential) => {
            person::note(&settings(loaded).state_dir, &login.upstream, environment);
            say(&taken_over(login, &credential, &path, now));
            Exit::Ok
        }
        Err(error) => {
            error_line(&error.to_string());
            Exit::from(&error)
        }
    }
}

/// One login is for one upstream: two that renew it would end each other's.
fn choose<'a>(logins: &'a [Kept], upstream: Option<&str>) -> Result<&'a Kept, String> {
    let names: Vec<&str> = logins.iter().map(|login| login.upstream.as_str()).collect();
    match (logins, upstream) {
        ([], _) => Err("no upstream needs a login: there is none to import for".to_owned()),
        ([only], None) => Ok(only),
        (_, None) => Err(format!("there are several upstreams; say for which: --upstream {}", names.join(" or "))),
        (_, Some(name)) => logins
            .iter()
            .find(|login| login.upstream.as_str() == name)
            .ok_or_else(|| format!("there is no upstream {name:?}; there are: {}", names.join(", "))),
    }
}

fn taken_over(login: &Kept, credential: &Credential, path: &Path, now: Wall) -> String {
    let ends = match credential.grant.refresh_expires_at {
        Some(end) => format!("It ends in {}.", in_words(end.since(now))),
        None => "When it ends is not known.".to_owned(),
    };
    format!(
        "{}: took over the login in {} with the OAuth application '{}', and saved it in {}. {ends}\n{ONE_OF_TWO}\nA \
         running mcp-proxy uses it within two seconds.",
        login.upstream,
        path.display(),
        credential.binding.client_name,
        login.store.path().display(),
    )
}
