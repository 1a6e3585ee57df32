//! `mcp-proxy import`: takes over the login of `aliyun mcp-proxy`.

use std::path::{Path, PathBuf};

use crate::auth::credential::Credential;
use crate::cli::exit::Exit;
use crate::cli::{error_line, kept, person, say, settings};
use crate::config::Loaded;
use crate::daemon::custody::Kept;
use crate::daemon::{Environment, import};
use crate::model::language::Language;
use crate::model::time::{Clock, Wall};
use crate::phrase::{commands, time};

/// What is to be taken over.
pub(super) struct Wanted<'a> {
    /// The file, if it is not the usual one.
    pub(super) file: Option<&'a Path>,
    /// Also over a login that is newer, or cannot be read.
    pub(super) force: bool,
    /// For which upstream.
    pub(super) upstream: Option<&'a str>,
}

/// Takes a login over.
pub(super) async fn run(loaded: &Loaded, environment: &Environment, wanted: Wanted<'_>, language: Language) -> Exit {
    let Wanted { file, force, upstream } = wanted;
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
            say(&taken_over(login, &credential, &path, now, language));
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

fn taken_over(login: &Kept, credential: &Credential, path: &Path, now: Wall, language: Language) -> String {
    let ends = match credential.grant.refresh_expires_at {
        Some(end) => commands::ENDS_IN.fill(language, &[("length", &time::length(language, end.since(now)))]),
        None => commands::END_NOT_KNOWN.text(language).to_owned(),
    };
    let taken_over = commands::TAKEN_OVER.fill(
        language,
        &[
            ("upstream", &login.upstream),
            ("from", &path.display()),
            ("application", &credential.binding.client_name),
            ("to", &login.store.path().display()),
            ("ends", &ends),
        ],
    );
    [&taken_over, commands::ONE_OF_TWO.text(language), commands::DAEMON_TAKES_IT.text(language)].join("\n")
}
