//! How each upstream stands, until when, and the button that signs in.

use crate::daemon::control::ui::html::{moment, name, text};
use crate::daemon::control::ui::view::{Said, View};
use crate::daemon::report::login::State;
use crate::daemon::report::{Source, Upstream};
use crate::model::secret::Secret;
use crate::phrase::{Phrase, ui};

/// How it stands, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    Bad,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
        }
    }

    fn mark(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Bad => "!",
        }
    }
}

/// The part.
pub(super) fn draw(view: &View) -> String {
    let mut out = view.heading("standing", ui::STANDING);
    out += &said(view);
    if view.status.upstreams.is_empty() {
        out += &format!("<p>{}</p>\n", view.say(ui::NO_UPSTREAMS));
    }
    out += &view.status.upstreams.iter().map(|upstream| one(view, upstream)).collect::<String>();
    out += &waiting(view);
    if view.form_key.is_none() && view.status.upstreams.iter().any(|upstream| upstream.sign_in.is_some()) {
        let how = view.fill(ui::NOT_YOURS, &[("command", &"mcp-proxy login")]);
        out += &format!("<p class=\"meta\">{how}</p>\n");
    }
    out
}

fn one(view: &View, upstream: &Upstream) -> String {
    let (mood, word) = state(upstream);
    let facts: String = facts(view, upstream)
        .into_iter()
        .map(|(term, fact)| format!("<div><dt>{}</dt><dd>{fact}</dd></div>\n", view.say(term)))
        .collect();
    format!(
        "<div class=\"upstream\">\n<div class=\"state\"><span class=\"mark {class}\" aria-hidden=\"true\">{mark}</span>\
         <div class=\"word\"><p class=\"{class}\">{word}</p><h3>{name}</h3></div>{button}</div>\n\
         <dl class=\"facts\">\n{facts}</dl>\n</div>\n",
        class = mood.class(),
        mark = mood.mark(),
        word = view.say(word),
        name = name(&upstream.name),
        button = button(view, upstream, mood),
    )
}

fn state(upstream: &Upstream) -> (Mood, Phrase) {
    match (&upstream.login, upstream.serves) {
        (Some(login), serves) => match login.state {
            State::SignedIn if serves => (Mood::Good, ui::SIGNED_IN),
            State::SignedIn => (Mood::Bad, ui::TOKEN_ENDED),
            State::SignInNeeded => (Mood::Bad, ui::SIGN_IN_NEEDED),
            State::Unusable => (Mood::Bad, ui::LOGIN_UNUSABLE),
        },
        (None, true) => (Mood::Good, ui::HAS_TOKEN),
        (None, false) => (Mood::Bad, ui::NO_TOKEN),
    }
}

/// A label and what is said behind it, as HTML.
type Fact = (Phrase, String);

fn facts(view: &View, upstream: &Upstream) -> Vec<Fact> {
    let mut facts = vec![(ui::TOKEN, token(view, upstream))];
    if let Some(login) = &upstream.login {
        if login.state == State::SignedIn {
            facts.push((ui::LOGIN_ENDS, login_ends(view, login.refresh_token.expires_at.map(|end| end.wall()))));
        }
        facts.extend(login.account.as_ref().map(|account| (ui::ACCOUNT, name(account))));
        facts.push((ui::APPLICATION, name(&login.application)));
    } else {
        let source = match upstream.source {
            Source::AccessKey => ui::SOURCE_ACCESS_KEY,
            Source::Command => ui::SOURCE_COMMAND,
            Source::File | Source::Login => ui::SOURCE_FILE,
        };
        facts.push((ui::SOURCE, view.say(source)));
    }
    facts.push((ui::RENEWALS, renewals(view, upstream)));
    facts.push((ui::UPSTREAM, format!("<span class=\"long\">{}</span>", name(&upstream.url))));
    facts
}

fn token(view: &View, upstream: &Upstream) -> String {
    let Some(end) = upstream.token_ends.map(|end| end.wall()) else {
        return view.say(if upstream.serves { ui::TOKEN_UNKNOWN } else { ui::TOKEN_NONE });
    };
    let left = view.length(end.since(view.now));
    let words = match upstream.next_renewal.map(|next| next.wall()) {
        _ if end <= view.now => view.fill(ui::TOKEN_GONE, &[("ago", &view.length(view.now.since(end)))]),
        Some(next) if next > view.now => {
            let next = view.length(next.since(view.now));
            view.fill(ui::TOKEN_RENEWED, &[("left", &left), ("next", &next)])
        }
        _ => view.fill(ui::TOKEN_VALID, &[("left", &left)]),
    };
    let at = moment(end);
    format!("<time datetime=\"{at}\" title=\"{at}\">{words}</time>")
}

fn login_ends(view: &View, end: Option<crate::model::time::Wall>) -> String {
    let Some(end) = end else { return view.say(ui::LOGIN_UNKNOWN) };
    let at = moment(end);
    // With hyphens at which no line ends.
    let date = at.split('T').next().unwrap_or_default().replace('-', "\u{2011}");
    let words = match end > view.now {
        true => view.fill(ui::LOGIN_LASTS, &[("left", &view.length(end.since(view.now))), ("date", &date)]),
        false => view.fill(ui::LOGIN_OVER, &[("date", &date)]),
    };
    format!("<time datetime=\"{at}\" title=\"{at}\">{words}</time>")
}

fn renewals(view: &View, upstream: &Upstream) -> String {
    let (renewed, failed) = (upstream.renewals, upstream.renewal_failures);
    match upstream.last_renewal {
        Some(last) => {
            let ago = view.length(view.now.since(last.wall()));
            view.fill(ui::RENEWALS_LAST, &[("renewed", &renewed), ("failed", &failed), ("ago", &ago)])
        }
        None => view.fill(ui::RENEWALS_COUNT, &[("renewed", &renewed), ("failed", &failed)]),
    }
}

/// The button, for those who may.
fn button(view: &View, upstream: &Upstream, mood: Mood) -> String {
    let (Some(key), Some(_)) = (&view.form_key, &upstream.sign_in) else { return String::new() };
    let (class, label) = match mood {
        Mood::Good => ("quiet", ui::SIGN_IN_AGAIN),
        Mood::Bad => ("main", ui::SIGN_IN),
    };
    format!(
        "<form method=\"post\" action=\"/ui/login\" target=\"_blank\" rel=\"noopener\">{hidden}\
         <input type=\"hidden\" name=\"upstream\" value=\"{upstream}\">\
         <button class=\"{class}\" id=\"sign-in-{upstream}\">{label}<span class=\"heard\"> {to} {tab}</span></button></form>",
        hidden = hidden(view, key),
        upstream = text(&upstream.name),
        label = view.say(label),
        to = view.fill(ui::OF_UPSTREAM, &[("upstream", &upstream.name)]),
        tab = view.say(ui::NEW_TAB),
    )
}

/// What every form carries: that it is ours, and the language of the page to come back to.
fn hidden(view: &View, key: &Secret) -> String {
    format!(
        "<input type=\"hidden\" name=\"key\" value=\"{}\"><input type=\"hidden\" name=\"lang\" value=\"{}\">",
        text(key.expose()),
        view.language.tag()
    )
}

/// Where the answer to the login that waits can be pasted.
fn waiting(view: &View) -> String {
    let (Some(key), Some(id)) = (&view.form_key, view.waiting) else { return String::new() };
    format!(
        "<form class=\"paste\" method=\"post\" action=\"/ui/paste\">{hidden}<input type=\"hidden\" name=\"id\" value=\"{id}\">\
         <p><strong>{waits}</strong> <span id=\"paste-how\">{how}</span></p>\n\
         <label for=\"paste\">{label}</label>\n\
         <div class=\"line\"><input id=\"paste\" name=\"text\" type=\"text\" required autocomplete=\"off\" spellcheck=\"false\" \
         aria-describedby=\"paste-how\"><button class=\"quiet\" id=\"paste-send\">{send}</button></div></form>\n",
        hidden = hidden(view, key),
        waits = view.say(ui::WAITING),
        how = view.say(ui::WAITING_HOW),
        label = view.say(ui::PASTE_LABEL),
        send = view.say(ui::PASTE_SEND),
    )
}

/// What became of the last thing that was done here.
fn said(view: &View) -> String {
    let Some(said) = &view.said else { return String::new() };
    let (class, words) = match said {
        Said::SignedIn { upstream, not_saved: None } => {
            ("good", view.fill(ui::SAID_SIGNED_IN, &[("upstream", upstream)]))
        }
        Said::SignedIn { not_saved: Some(reason), .. } => ("bad", view.fill(ui::SAID_NOT_SAVED, &[("reason", reason)])),
        Said::Failed { reason } => ("bad", view.fill(ui::SAID_FAILED, &[("reason", reason)])),
        Said::NotTaken { reason } => ("bad", view.fill(ui::SAID_NOT_TAKEN, &[("reason", reason)])),
        Said::TooLate => {
            let length = view.length(crate::daemon::control::ui::sign_in::LONGEST);
            ("bad", view.fill(ui::SAID_TOO_LATE, &[("length", &length)]))
        }
    };
    format!("<p class=\"said {class}\" role=\"status\">{words}</p>\n")
}
