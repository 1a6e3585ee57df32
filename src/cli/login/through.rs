//! `mcp-proxy login` beside a running daemon: the daemon signs in, this shows the address and brings what is pasted.

use std::time::Duration;

use http::StatusCode;

use crate::alibaba::settings::Settings as AlibabaSettings;
use crate::cli::exit::Exit;
use crate::cli::interrupt::stopped_by_signals;
use crate::cli::login::{Place as Scene, congratulate, failed_by, not_taken, show, stopped};
use crate::cli::prompt::Prompt;
use crate::cli::{error_line, note_no_logins, person, say, settings, spinner};
use crate::config::Loaded;
use crate::config::problem::Place;
use crate::config::settings::Auth;
use crate::daemon::Environment;
use crate::daemon::control::client::{Client, ClientError, Events};
use crate::daemon::control::protocol::{Application, LoginEvent, LoginRequest};
use crate::daemon::obstacle::Obstacle;
use crate::daemon::report::{SignInDoor, Status, Upstream};
use crate::daemon::sign_in::{self, SignInError};
use crate::model::time::Clock;
use crate::net::api_client::ApiClient;
use crate::phrase::{sign_in as words, time};

/// Signs in to every upstream of the daemon that has logins.
pub(super) async fn run(loaded: &Loaded, scene: &Scene<'_>, client: &Client, status: &Status) -> Exit {
    let doors: Vec<(&Upstream, &SignInDoor)> =
        status.upstreams.iter().filter_map(|upstream| Some((upstream, upstream.sign_in.as_ref()?))).collect();
    note_no_logins(&doors, scene.terminal.language);
    if let Some(contradiction) = doors.iter().find_map(|(upstream, door)| contradiction(loaded, upstream, door)) {
        error_line(&contradiction);
        return Exit::Usage;
    }
    let mut prompt = Prompt::begin_if_possible();
    stopped_by_signals(async |stop| {
        for (upstream, door) in &doors {
            let login = Login { loaded, scene, client, upstream, door };
            let exit = tokio::select! {
                exit = login.run(&mut prompt) => exit,
                () = stop.cancelled() => {
                    stopped(scene.terminal);
                    Exit::TempFail
                }
            };
            if exit != Exit::Ok {
                return exit;
            }
        }
        Exit::Ok
    })
    .await
}

/// A flag that wants another sign-in than the daemon is configured for, and would not use.
fn contradiction(loaded: &Loaded, upstream: &Upstream, door: &SignInDoor) -> Option<String> {
    let ours = alibaba(loaded, &upstream.name)?;
    let by_flag = |key: &str| match loaded.places.get(key) {
        Some(Place::Flag(flag)) => Some(*flag),
        _ => None,
    };
    [
        ("alibaba.oauth_app_name", ours.app_name().to_owned(), &door.application),
        ("alibaba.region_type", ours.site.to_string(), &door.site),
        ("alibaba.scope", ours.scope.clone(), &door.scope),
    ]
    .into_iter()
    .find_map(|(key, wanted, configured)| {
        let flag = by_flag(key).filter(|_| wanted != *configured)?;
        Some(format!(
            "{flag}: the running mcp-proxy is configured for {configured:?}, and would not use a login for {wanted:?}. \
             Change {key} in its configuration and restart it"
        ))
    })
}

/// What is configured here for the upstream of that name.
fn alibaba<'a>(loaded: &'a Loaded, name: &str) -> Option<&'a AlibabaSettings> {
    let upstream = settings(loaded).upstreams.iter().find(|upstream| upstream.proxy.name.as_str() == name)?;
    match &upstream.auth {
        Auth::AlibabaOauth(alibaba) => Some(alibaba),
        Auth::AccessKey { .. } | Auth::Source(_) => None,
    }
}

/// The OAuth application of an upstream, looked up with the API credentials of the person who is here; the secret stays
/// here. `None` if the daemon does it with its own, which then are of the account that it is configured for.
pub(in crate::cli) async fn application(
    loaded: &Loaded,
    environment: &Environment,
    upstream: &str,
    door: &SignInDoor,
) -> Result<Option<Application>, SignInError> {
    let chosen_here = matches!(loaded.places.get("alibaba.profile"), Some(Place::Flag(_)));
    let Some(ours) = alibaba(loaded, upstream) else { return Ok(None) };
    let agree = ours.app_name() == door.application && ours.site.to_string() == door.site && ours.scope == door.scope;
    if !agree || (door.api_credentials.is_some() && !chosen_here) {
        return Ok(None);
    }
    // Without TLS roots there is nothing to ask with; the daemon may be better off.
    let Ok(api) = ApiClient::new(&settings(loaded).net) else { return Ok(None) };
    let credentials = sign_in::credentials(ours, environment, api, Clock::system());
    let app = sign_in::application(ours, &credentials, &door.redirect_uri).await?;
    Ok(Some(app.into()))
}

/// One sign-in.
struct Login<'a> {
    loaded: &'a Loaded,
    scene: &'a Scene<'a>,
    client: &'a Client,
    upstream: &'a Upstream,
    door: &'a SignInDoor,
}

impl Login<'_> {
    async fn run(&self, prompt: &mut Option<Prompt>) -> Exit {
        let (terminal, language) = (self.scene.terminal, self.scene.terminal.language);
        let finding = words::FINDING_APPLICATION.text(language);
        let application = match spinner::during(terminal, finding, self.application()).await {
            Ok(application) => application,
            Err(error) => {
                let reason = match &error {
                    SignInError::Credentials(_) => format!("{error}. The running mcp-proxy has none either"),
                    _ => error.to_string(),
                };
                failed_by(Obstacle::from(&error), &reason, language);
                return Exit::from(&error);
            }
        };
        let request = LoginRequest {
            upstream: Some(self.upstream.name.clone()),
            application,
            user: person::behind_sudo(self.scene.environment),
        };
        let ended = match self.client.login(&request).await {
            Ok(events) => self.follow(events, prompt).await,
            Err(error) => Err(error),
        };
        ended.unwrap_or_else(|error| {
            error_line(&error.to_string());
            match error {
                ClientError::Refused { status: StatusCode::FORBIDDEN, .. } => Exit::NoPermission,
                _ => Exit::Unavailable,
            }
        })
    }

    async fn application(&self) -> Result<Option<Application>, SignInError> {
        application(self.loaded, self.scene.environment, &self.upstream.name, self.door).await
    }

    /// Shows the address, and brings what the person pastes, until the login has ended.
    async fn follow(&self, mut events: Events, prompt: &mut Option<Prompt>) -> Result<Exit, ClientError> {
        let (terminal, language) = (self.scene.terminal, self.scene.terminal.language);
        // The daemon looks for the application, if nobody here has.
        let finding = words::FINDING_APPLICATION.text(language);
        let (login, mut browser) = loop {
            match spinner::during(terminal, finding, events.next()).await? {
                LoginEvent::Waiting { id, url, redirect_uri, .. } => break (id, show(&url, &redirect_uri, self.scene)),
                LoginEvent::Other => {}
                last => return Ok(self.ended(last)),
            }
        };
        loop {
            let typed = async {
                match prompt.as_mut() {
                    Some(prompt) => prompt.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = events.next() => match event? {
                    LoginEvent::Waiting { .. } | LoginEvent::Other => {}
                    last => return Ok(self.ended(last)),
                },
                () = browser.failed() => say(words::BROWSER_FAILED.text(language)),
                text = typed => match text {
                    Some(text) => self.paste(login, text).await?,
                    None => *prompt = None,
                },
            }
        }
    }

    async fn paste(&self, login: u64, text: String) -> Result<(), ClientError> {
        match self.client.paste(login, text).await {
            Err(ClientError::Refused { status: StatusCode::UNPROCESSABLE_ENTITY, error }) => {
                not_taken(&error, self.scene.terminal.language);
                Ok(())
            }
            // It has ended meanwhile, and its last event says how.
            Err(ClientError::Refused { status: StatusCode::NOT_FOUND, .. }) => Ok(()),
            result => result,
        }
    }

    fn ended(&self, last: LoginEvent) -> Exit {
        let language = self.scene.terminal.language;
        match last {
            LoginEvent::Done { upstream, application, valid_for, not_saved, .. } => {
                congratulate(&upstream, &application, not_saved.as_deref(), language);
                let left = valid_for.map(|seconds| time::length(language, Duration::from_secs(seconds)));
                say(&left.map_or_else(
                    || words::IN_USE.text(language).to_owned(),
                    |left| words::IN_USE_FOR.fill(language, &[("length", &left)]),
                ));
                Exit::Ok
            }
            LoginEvent::Failed { reason, obstacle } => {
                failed_by(obstacle, &reason, language);
                obstacle.into()
            }
            LoginEvent::Waiting { .. } | LoginEvent::Other => Exit::Software,
        }
    }
}
