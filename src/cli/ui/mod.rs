//! `mcp-proxy ui`: a page on this machine that shows how the running daemon stands. The daemon draws it; this lets in
//! whoever has the link, and passes on what belongs to the page.

mod door;
mod relay;
mod usage;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use url::form_urlencoded;

use self::door::Door;
use self::relay::{Completes, Relay};
use self::usage::Usage;
use crate::cli::exit::Exit;
use crate::cli::interrupt::stopped_by_signals;
use crate::cli::login::through;
use crate::cli::running::{self, Running};
use crate::cli::{browser, error_line, person, say, settings};
use crate::config::{Loaded, units};
use crate::daemon::Environment;
use crate::daemon::control::client::Client;
use crate::daemon::control::ui::unguessable;
use crate::model::language::Language;
use crate::net::owner::Finder;
use crate::phrase::{self, sign_in, ui};

/// Serves the page until it is ended.
pub(super) async fn run(
    loaded: &Loaded,
    environment: &Environment,
    language: Language,
    port: Option<&str>,
    idle: &str,
) -> Exit {
    let (port, idle) = match (port.map_or(Ok(0), str::parse::<u16>), units::duration(idle)) {
        (Ok(port), Ok(idle)) => (port, idle),
        (Err(_), _) => return usage_error("--port: it is a number from 1 to 65535"),
        (_, Err(_)) => return usage_error("--idle: it is a length of time, such as 30min or 2h, or 0"),
    };
    let client = match running::find(loaded).await {
        Running::Daemon(client, _) => client,
        Running::Nobody => {
            error_line(ui::TERMINAL_NOBODY.text(language));
            return Exit::Unavailable;
        }
        Running::Denied(path) => {
            error_line(&running::denied(&path));
            return Exit::NoPermission;
        }
        Running::Silent(error) => {
            error_line(&error.to_string());
            return Exit::Unavailable;
        }
    };
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .await
        .and_then(|listener| Ok((listener.local_addr()?, listener)))
    {
        Ok((address, listener)) => Page { loaded, environment, language, idle }.serve(client, listener, address).await,
        Err(error) => {
            error_line(&format!("127.0.0.1:{port} cannot be listened on: {error}. Name another one with --port"));
            Exit::Unavailable
        }
    }
}

fn usage_error(words: &str) -> Exit {
    error_line(words);
    Exit::Usage
}

/// What the person asked for.
struct Page<'a> {
    loaded: &'a Loaded,
    environment: &'a Environment,
    language: Language,
    idle: Duration,
}

impl Page<'_> {
    async fn serve(&self, client: Client, listener: TcpListener, address: SocketAddr) -> Exit {
        let (Some(link), Some(session)) = (unguessable(), unguessable()) else {
            error_line("the system gave no random bytes");
            return Exit::OsError;
        };
        let usage = Usage::new();
        let relay = Arc::new(Relay {
            door: Door::new(address, link, session),
            client: client.clone(),
            completes: Completer { loaded: self.loaded.clone(), environment: self.environment.clone(), client },
            usage: usage.clone(),
            finder: Finder::new(None),
            users: self.users(),
        });
        stopped_by_signals(async |stop| {
            self.show(relay.door.link().expose());
            let serving = relay.clone().run(listener, stop.clone());
            let idle = async {
                usage.idle(self.idle).await;
                say(&ui::TERMINAL_IDLE.fill(self.language, &[("length", &self.length()), ("command", &"mcp-proxy ui")]));
                stop.cancel();
            };
            tokio::select! {
                () = async { tokio::join!(serving, idle); } => {}
                () = stop.cancelled() => {}
            }
            Exit::Ok
        })
        .await
    }

    /// Whose browsers may come: our own, that of the person who used `sudo`, and that of root.
    fn users(&self) -> Vec<u32> {
        let own = rustix::process::geteuid().as_raw();
        [Some(own), Some(0), person::behind_sudo(self.environment)].into_iter().flatten().collect()
    }

    fn length(&self) -> String {
        phrase::time::length(self.language, self.idle)
    }

    /// Prints the link, and opens a browser if there is one. The link is on the command line of the browser for a moment,
    /// where others can read it: it works once, and for the browsers of these users alone.
    fn show(&self, link: &str) {
        let opened = settings(self.loaded).open_browser
            && browser::open(link, self.environment)
                .inspect_err(|error| {
                    let why = error.in_words(self.language);
                    say(&sign_in::NO_BROWSER.fill(self.language, &[("why", &why)]));
                })
                .is_ok();
        let words = if opened { ui::TERMINAL_OPENING } else { ui::TERMINAL_OPEN };
        say(&format!("{}\n\n  {link}\n", words.text(self.language)));
        if !self.idle.is_zero() {
            say(&ui::TERMINAL_ENDS.fill(self.language, &[("length", &self.length())]));
        }
    }
}

/// Adds the OAuth application to the form of a sign-in, looked up with the API credentials of the person who is here, and
/// who that is: what `mcp-proxy login` says to the daemon.
struct Completer {
    loaded: Loaded,
    environment: Environment,
    client: Client,
}

impl Completes for Completer {
    async fn complete(&self, form: Bytes) -> Result<Bytes, String> {
        let known = |name: &str| form_urlencoded::parse(&form).find(|(own, _)| own == name).map(|(_, value)| value);
        let Some(upstream) = known("upstream") else { return Ok(form) };
        let status = self.client.status().await.map_err(|error| error.to_string())?;
        let door =
            status.upstreams.iter().find(|known| known.name == upstream).and_then(|known| known.sign_in.as_ref());
        let Some(door) = door else { return Ok(form) };
        let application = through::application(&self.loaded, &self.environment, &upstream, door).await;
        let application = application.map_err(|error| error.to_string())?;
        let mut fields = form_urlencoded::Serializer::new(String::new());
        // What only we say is nothing that the page may have said.
        let said = form_urlencoded::parse(&form).filter(|(name, _)| name != "application" && name != "user");
        fields.extend_pairs(said);
        if let Some(application) = application {
            // Only maps with odd keys cannot be written, and there are none.
            fields.append_pair("application", &serde_json::to_string(&application).unwrap_or_default());
        }
        if let Some(uid) = person::behind_sudo(&self.environment) {
            fields.append_pair("user", &uid.to_string());
        }
        Ok(Bytes::from(fields.finish()))
    }
}
