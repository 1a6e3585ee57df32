//! `mcp-proxy login`, and the sign-in of a start in a terminal: shows the URL, waits for the answer through the
//! browser or the keyboard, whichever comes first. Beside a running daemon, it is the daemon that signs in.

pub(super) mod through;

use std::pin::pin;

use tokio::process::Child;
use tokio_util::sync::CancellationToken;

use crate::cli::exit::Exit;
use crate::cli::interrupt::stopped_by_signals;
use crate::cli::prompt::Prompt;
use crate::cli::running::{self, Running};
use crate::cli::terminal::Terminal;
use crate::cli::{browser, error_line, note_no_logins, person, prompt, qr, say, settings, spinner};
use crate::config::Loaded;
use crate::daemon::obstacle::Obstacle;
use crate::daemon::sign_in::{Begun, SignIn, SignInError, SignedIn};
use crate::daemon::{Daemon, Environment, Purpose};
use crate::model::language::Language;
use crate::model::time::Clock;
use crate::phrase::sign_in as words;

/// What was done: signed in, or stopped by the person.
pub(super) enum Ending {
    SignedIn,
    Stopped,
}

/// The ways by which an answer may come, beside the keyboard.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ways {
    /// A browser may be opened.
    pub(super) open_browser: bool,
    /// Callbacks arrive in this process.
    pub(super) callbacks: bool,
    /// The address is shown as a QR code too, if no browser is opened here.
    pub(super) qr: bool,
}

/// Where a person signs in: who and what is around, but for the sign-in itself.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) ways: Ways,
    pub(super) environment: &'a Environment,
    pub(super) terminal: &'a Terminal,
}

/// Signs in to every upstream, then ends.
pub(super) async fn run(loaded: &Loaded, environment: Environment, terminal: &Terminal, qr: bool) -> Exit {
    match running::find(loaded).await {
        Running::Daemon(client, status) => {
            let ways = Ways { open_browser: settings(loaded).open_browser, callbacks: true, qr };
            let place = Place { ways, environment: &environment, terminal };
            through::run(loaded, &place, &client, &status).await
        }
        Running::Nobody => alone(loaded, environment, terminal, qr).await,
        Running::Denied(path) => {
            error_line(&running::denied(&path));
            Exit::NoPermission
        }
        Running::Silent(error) => {
            error_line(&error.to_string());
            Exit::Unavailable
        }
    }
}

/// Signs in without a daemon.
async fn alone(loaded: &Loaded, environment: Environment, terminal: &Terminal, qr: bool) -> Exit {
    let (settings, language) = (settings(loaded), terminal.language);
    let started = Daemon::start(settings, environment.clone(), Clock::system(), Purpose::SignInOnly).await;
    let daemon = match started {
        Ok(daemon) => daemon,
        Err(error) => {
            error_line(&error.to_string());
            return Exit::from(&error);
        }
    };
    if let Some(error) = daemon.not_listening() {
        if !prompt::is_possible() {
            error_line(&format!(
                "{error}. If it is mcp-proxy that runs there, run this command in a terminal: the answer is then pasted"
            ));
            return Exit::Unavailable;
        }
        say(&words::CALLBACK_OUT_OF_SIGHT.fill(language, &[("why", error)]));
    }
    let ways = Ways { open_browser: settings.open_browser, callbacks: daemon.not_listening().is_none(), qr };
    let place = Place { ways, environment: &environment, terminal };
    let sign_ins = daemon.sign_ins().to_vec();
    note_no_logins(&sign_ins, language);
    let mut prompt = Prompt::begin_if_possible();
    stopped_by_signals(async |stop| {
        let running = daemon.run(stop.clone());
        let signing_in = async {
            let mut exit = Exit::Ok;
            for sign_in in &sign_ins {
                match interactive(sign_in, &place, &mut prompt, &stop).await {
                    Ok(Ending::SignedIn) => person::note(&settings.state_dir, sign_in.upstream(), &environment),
                    Ok(Ending::Stopped) => {
                        exit = Exit::TempFail;
                        break;
                    }
                    Err(error) => {
                        failed(&error, language);
                        exit = Exit::from(&error);
                        break;
                    }
                }
            }
            stop.cancel();
            exit
        };
        match tokio::join!(running, signing_in) {
            (Ok(()), exit) => exit,
            (Err(error), _) => {
                error_line(&error.to_string());
                Exit::Software
            }
        }
    })
    .await
}

/// Signs a person in to one upstream.
pub(super) async fn interactive(
    sign_in: &SignIn,
    place: &Place<'_>,
    prompt: &mut Option<Prompt>,
    stop: &CancellationToken,
) -> Result<Ending, SignInError> {
    let language = place.terminal.language;
    let finding = words::FINDING_APPLICATION.text(language);
    let begun = tokio::select! {
        begun = spinner::during(place.terminal, finding, sign_in.begin()) => begun?,
        () = stop.cancelled() => return Ok(stopped(place.terminal)),
    };
    let browser = show(begun.authorize_url(), begun.redirect_uri(), place);
    match answered(begun, browser, place, prompt, stop).await? {
        Some(SignedIn { upstream, application, not_saved, .. }) => {
            congratulate(upstream.as_str(), &application, not_saved.as_deref(), language);
            Ok(Ending::SignedIn)
        }
        None => Ok(Ending::Stopped),
    }
}

/// Says so on a line of its own: the terminal has put `^C` where the person was to type.
fn stopped(terminal: &Terminal) -> Ending {
    if terminal.out {
        say(&format!("\n{}", words::STOPPED.text(terminal.language)));
    }
    Ending::Stopped
}

/// Says why it did not work. The reason is English; what kind of trouble it is, is said in the person's language.
pub(super) fn failed(error: &SignInError, language: Language) {
    failed_by(Obstacle::from(error), &error.to_string(), language);
}

fn failed_by(obstacle: Obstacle, reason: &str, language: Language) {
    let phrase = match obstacle {
        Obstacle::Configuration => words::FAILED_BY_CONFIGURATION,
        Obstacle::Refused => words::FAILED_BY_REFUSAL,
        Obstacle::Unavailable => words::FAILED_BY_ABSENCE,
        Obstacle::AnotherTime => words::FAILED_FOR_NOW,
        Obstacle::Disk => words::FAILED_BY_DISK,
        Obstacle::System => words::FAILED_BY_SYSTEM,
    };
    error_line(&phrase.fill(language, &[("reason", &reason)]));
}

/// Says that it worked, who is signed in, and whether a restart would lose it.
fn congratulate(upstream: &str, application: &str, not_saved: Option<&str>, language: Language) {
    say(words::SUCCESSFUL.text(language));
    signed_in(upstream, application, not_saved, language);
}

/// Says who is signed in, and whether a restart would lose it.
pub(super) fn signed_in(upstream: &str, application: &str, not_saved: Option<&str>, language: Language) {
    say(&words::SIGNED_IN.fill(language, &[("upstream", &upstream), ("application", &application)]));
    if let Some(reason) = not_saved {
        error_line(&words::NOT_SAVED.fill(language, &[("reason", &reason)]));
    }
}

/// A browser that is being opened, if there is one.
struct Browser(Option<Child>);

impl Browser {
    /// Waits until it has turned out that it could not be opened; for ever if it could. The opener is awaited, or it
    /// would stay behind as a zombie.
    async fn failed(&mut self) {
        if let Some(opener) = &mut self.0 {
            let opened = opener.wait().await.is_ok_and(|status| status.success());
            self.0 = None;
            if !opened {
                return;
            }
        }
        std::future::pending().await
    }
}

/// Shows where to sign in, and opens the browser if there is one.
fn show(url: &str, redirect_uri: &str, place: &Place<'_>) -> Browser {
    let language = place.terminal.language;
    let opened = place.ways.open_browser.then(|| browser::open(url, place.environment));
    let browser = match opened {
        Some(Ok(child)) => Some(child),
        Some(Err(error)) => {
            say(&words::NO_BROWSER.fill(language, &[("why", &error.in_words(language))]));
            None
        }
        None => None,
    };
    say(match browser {
        Some(_) => words::OPENING_BROWSER.text(language),
        None => words::OPEN_ANYWHERE.text(language),
    });
    say(&format!("\n  {url}\n"));
    if browser.is_none()
        && place.ways.qr
        && let Some(lines) = qr::lines(url, place.terminal)
    {
        say(&format!("{}\n\n{}\n", words::SCAN.text(language), lines.join("\n")));
    }
    let redirect_uri: &dyn std::fmt::Display = &redirect_uri;
    if prompt::is_possible() {
        say(&words::BROWSER_ARRIVES.fill(language, &[("redirect_uri", redirect_uri)]));
        say(words::ENTER_CODE.text(language));
    } else {
        say(&words::WAITING.fill(language, &[("redirect_uri", redirect_uri)]));
    }
    Browser(browser)
}

/// Says that what was pasted does not do, and asks again.
fn not_taken(why: &dyn std::fmt::Display, language: Language) {
    say(&words::NOT_TAKEN.fill(language, &[("why", why)]));
}

/// Waits for the answer; `None` when the person stopped it.
async fn answered(
    mut begun: Begun,
    mut browser: Browser,
    place: &Place<'_>,
    prompt: &mut Option<Prompt>,
    stop: &CancellationToken,
) -> Result<Option<SignedIn>, SignInError> {
    let language = place.terminal.language;
    loop {
        let typed = async {
            match prompt.as_mut() {
                Some(prompt) => prompt.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {
                stopped(place.terminal);
                return Ok(None);
            }
            delivery = begun.delivered() => {
                return exchanged(begun.finish_delivered(delivery?), place, stop).await.map(Some);
            }
            () = browser.failed() => say(words::BROWSER_FAILED.text(language)),
            text = typed => match text {
                Some(text) => match begun.pasted(&text) {
                    Ok(callback) => {
                        return exchanged(begun.finish(callback), place, stop).await.map(Some);
                    }
                    Err(error) => not_taken(&error, language),
                },
                None if place.ways.callbacks => *prompt = None,
                None => {
                    say(words::INPUT_ENDED.text(language));
                    return Ok(None);
                }
            },
        }
    }
}

/// Exchanges the code, which can be done once only: the first Ctrl+C lets that end, the second one does not.
async fn exchanged<T>(exchange: impl Future<Output = T>, place: &Place<'_>, stop: &CancellationToken) -> T {
    let language = place.terminal.language;
    let mut exchange = pin!(spinner::during(place.terminal, words::EXCHANGING_CODE.text(language), exchange));
    tokio::select! {
        done = &mut exchange => return done,
        () = stop.cancelled() => say(&format!("\n{}", words::STOPPING.text(language))),
    }
    exchange.await
}
