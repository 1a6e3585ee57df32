//! The status as people read it: what is wrong first, then each upstream, then who calls.

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use crate::cli::screen::{Line, Tone, padded, wrapped};
use crate::cli::status::{Asked, Daemon, Report, calls, upstreams};
use crate::daemon::neighbour::{Neighbour, Reported};
use crate::daemon::report::Condition;
use crate::model::language::Language;
use crate::model::time::Wall;
use crate::phrase::{Phrase, conditions, status as words, time};

/// How wide the names of lines are, in columns.
const NAMES: usize = 15;
/// Names begin here.
const INDENT: &str = "  ";

/// What texts are made with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writer {
    pub(super) language: Language,
    pub(super) now: Wall,
    /// How many columns there are, if there is a limit.
    pub(super) width: Option<usize>,
}

/// The whole text.
pub(super) fn lines(report: &Report, language: Language, width: Option<usize>) -> Vec<Line> {
    let writer = Writer { language, now: report.now, width };
    let mut lines = Vec::new();
    match &report.daemon {
        Daemon::Asked(asked) => {
            writer.of_asked(&mut lines, asked);
            writer.conditions(&mut lines, &asked.status.conditions);
            for upstream in &asked.status.upstreams {
                let login = report.logins.iter().find(|login| login.name == upstream.name);
                upstreams::of_upstream(&writer, &mut lines, upstream, login, asked);
            }
            if let Some(recent) = &asked.recent {
                calls::lines(&writer, &mut lines, recent);
            }
        }
        Daemon::LookedFor(address, neighbour) => {
            writer.of_port(&mut lines, address.as_deref(), neighbour);
            for login in &report.logins {
                lines.push(Line::default());
                upstreams::of_login(&writer, &mut lines, login);
            }
        }
    }
    lines
}

impl Writer {
    pub(super) fn say(&self, phrase: Phrase) -> &'static str {
        phrase.text(self.language)
    }

    pub(super) fn fill(&self, phrase: Phrase, values: &[(&str, &dyn Display)]) -> String {
        phrase.fill(self.language, values)
    }

    pub(super) fn length(&self, duration: Duration) -> String {
        time::length(self.language, duration)
    }

    /// How long ago.
    pub(super) fn ago(&self, at: Wall) -> String {
        self.fill(words::AGO, &[("length", &self.length(self.now.since(at)))])
    }

    /// A line with a name, wrapped below itself.
    pub(super) fn named(&self, lines: &mut Vec<Line>, name: Phrase, tone: Tone, text: &str) {
        let width = self.width.map(|width| width.saturating_sub(INDENT.len() + NAMES).max(20));
        for (number, part) in wrapped(text, width).iter().enumerate() {
            let name = if number == 0 { self.say(name) } else { "" };
            let line = Line::of(Tone::Soft, format!("{INDENT}{}", padded(name, NAMES)));
            lines.push(line.and(tone, part));
        }
    }

    fn of_asked(&self, lines: &mut Vec<Line>, asked: &Asked) {
        let status = &asked.status;
        let (state, tone) = self.health(status.ready);
        let up = self.length(Duration::from_secs(status.uptime));
        let values: [(&str, &dyn Display); 4] = [
            ("where", &status.listens.join(", ")),
            ("state", &state),
            ("length", &up),
            ("active", &status.requests.active),
        ];
        lines.push(Line::of(tone, self.fill(words::DAEMON, &values)));
        let control = asked.control.display();
        let process = [("pid", &status.pid as &dyn Display), ("version", &status.program), ("control", &control)];
        self.named(lines, words::L_ASKED, Tone::Plain, &self.fill(words::PROCESS, &process));
        let requests = [("total", &status.requests.total as &dyn Display), ("failed", &status.requests.error)];
        self.named(lines, words::L_REQUESTS, Tone::Plain, &self.fill(words::COUNTED, &requests));
    }

    fn health(&self, is_healthy: bool) -> (&'static str, Tone) {
        match is_healthy {
            true => (self.say(words::HEALTHY), Tone::Good),
            false => (self.say(words::DEGRADED), Tone::Bad),
        }
    }

    /// What is wrong, why, and what to do. The reason is the daemon's, which speaks English; so is the remedy to those
    /// who read English: it may say more than the catalogue knows.
    fn conditions(&self, lines: &mut Vec<Line>, raised: &[Condition]) {
        if raised.is_empty() {
            return;
        }
        lines.push(Line::default());
        lines.push(Line::of(Tone::Strong, self.say(words::WRONG)));
        for condition in raised {
            let (title, remedy) = self.condition(&condition.name, Some(&condition.remedy));
            let mut values: Vec<(&str, &dyn Display)> =
                vec![("name", &condition.name), ("subject", &condition.subject), ("title", &title)];
            let lasting = condition.since.map(|since| self.length(self.now.since(since.wall())));
            let phrase = match &lasting {
                Some(length) => {
                    values.push(("length", length));
                    words::CONDITION_FOR
                }
                None => words::CONDITION,
            };
            lines.push(Line::of(Tone::Warning, format!("{INDENT}{}", self.fill(phrase, &values))));
            self.named(lines, words::L_REASON, Tone::Plain, &condition.reason);
            self.named(lines, words::L_TO_DO, Tone::Strong, &remedy);
        }
    }

    /// Title and remedy of a condition. `said` is the daemon's remedy.
    fn condition(&self, name: &str, said: Option<&str>) -> (String, String) {
        let known = conditions::of(name);
        let title = known.map_or_else(|| name.to_owned(), |(title, _)| self.say(title).to_owned());
        let remedy = match (said, known, self.language) {
            (Some(said), _, Language::English) | (Some(said), None, _) => said.to_owned(),
            (_, Some((_, remedy)), _) => self.say(remedy).to_owned(),
            (None, None, _) => String::new(),
        };
        (title, remedy)
    }

    fn of_port(&self, lines: &mut Vec<Line>, address: Option<&str>, neighbour: &Neighbour) {
        let Some(address) = address else {
            lines.push(Line::of(Tone::Plain, self.say(words::NOT_LOOKED_FOR)));
            return;
        };
        let at: (&str, &dyn Display) = ("address", &address);
        match neighbour {
            Neighbour::None => {
                lines.push(Line::of(Tone::Warning, self.fill(words::NOBODY, &[at])));
                // Where systemd runs (sd_booted(3)), it is systemd that starts it.
                if Path::new("/run/systemd/system").is_dir() {
                    self.named(lines, words::L_TO_DO, Tone::Strong, self.say(words::START_SERVICE));
                }
                self.named(lines, words::L_TO_DO, Tone::Strong, self.say(words::START_HERE));
            }
            Neighbour::Other(what) => {
                lines.push(Line::of(Tone::Warning, self.fill(words::SOMEBODY_ELSE, &[at, ("what", what)])));
            }
            Neighbour::Proxy(reported) => self.of_health(lines, address, reported),
        }
    }

    fn of_health(&self, lines: &mut Vec<Line>, address: &str, reported: &Reported) {
        let (state, tone) = match reported.status.as_str() {
            "healthy" => self.health(true),
            "degraded" => self.health(false),
            other => (other, Tone::Bad),
        };
        let token = match reported.token_status.as_str() {
            "valid" => self.say(words::VALID),
            "expired" => self.say(words::EXPIRED),
            "none" => self.say(words::NO_TOKEN),
            other => other,
        };
        let mut text = self.fill(words::ON_PORT, &[("address", &address), ("state", &state), ("token", &token)]);
        for (phrase, length) in [(words::FOR_LENGTH, reported.token_expires_in), (words::UP, reported.uptime)] {
            if let Some(length) = length {
                text.push_str(&self.fill(phrase, &[("length", &self.length(length))]));
            }
        }
        if let Some(active) = reported.active_requests {
            text.push_str(&self.fill(words::ACTIVE, &[("active", &active)]));
        }
        lines.push(Line::of(tone, text));
        if let Some(last) = reported.last_renewal {
            self.named(lines, words::L_LAST_RENEWAL, Tone::Plain, &self.ago(last));
        }
        if let Some(next) = reported.next_renewal {
            let length = self.length(next.since(self.now));
            self.named(lines, words::L_NEXT_RENEWAL, Tone::Plain, &self.fill(words::IN, &[("length", &length)]));
        }
        if reported.conditions.is_empty() {
            return;
        }
        lines.push(Line::default());
        lines.push(Line::of(Tone::Strong, self.say(words::WRONG)));
        for name in &reported.conditions {
            let (title, remedy) = self.condition(name, None);
            lines.push(Line::of(Tone::Warning, format!("{INDENT}{name}: {title}")));
            self.named(lines, words::L_TO_DO, Tone::Strong, &remedy);
        }
    }
}
