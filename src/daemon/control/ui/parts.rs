//! The parts of the page that say how the daemon stands: each is drawn by itself, so that it can be sent by itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::daemon::control::ui::html::{moment, name, text};
use crate::daemon::control::ui::view::View;
use crate::daemon::control::ui::{latency, servers, sign_in_card, traffic};
use crate::daemon::report::Condition;
use crate::model::language::Language;
use crate::phrase::{self, ui};

/// One part, as it is now.
pub(super) struct Part {
    /// The id of its element.
    pub(super) id: &'static str,
    /// What is in that element.
    pub(super) html: String,
}

impl Part {
    /// Tells one state of a part from another.
    pub(super) fn version(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.html.hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// Draws what is in a part.
type Draw = fn(&View) -> String;

/// All parts, in the order of the page.
pub(super) fn all(view: &View) -> Vec<Part> {
    let parts: [(&'static str, Draw); 9] = [
        ("summary", summary),
        ("standing", sign_in_card::draw),
        ("conditions", conditions),
        ("numbers", traffic::numbers),
        ("clients", traffic::clients),
        ("latency", latency::draw),
        ("calls", traffic::calls),
        ("refusals", traffic::refusals),
        ("servers", servers::draw),
    ];
    parts.into_iter().map(|(id, draw)| Part { id, html: draw(view) }).collect()
}

/// One line for the title, and for those who hear the page. It changes only when what it says does.
pub(super) fn summary(view: &View) -> String {
    let (ready, wrong) = (view.status.ready, view.status.conditions.len());
    match (ready, wrong) {
        (true, 0) => view.say(ui::SUMMARY_FINE),
        (true, n) => view.fill(ui::SUMMARY_READY, &[("n", &n)]),
        (false, n) => view.fill(ui::SUMMARY_NOT_READY, &[("n", &n.max(1))]),
    }
}

fn conditions(view: &View) -> String {
    let mut out = view.heading("conditions", ui::CONDITIONS);
    if view.status.conditions.is_empty() {
        out += &format!(
            "<p class=\"fine\"><span class=\"mark good\" aria-hidden=\"true\">✓</span>{}</p>\n",
            view.say(ui::NOTHING_WRONG)
        );
        return out;
    }
    let mut conditions: Vec<&Condition> = view.status.conditions.iter().collect();
    // What stops everything comes first, then what a person alone can mend.
    conditions.sort_by_key(|condition| match condition.name.as_str() {
        "incident" => 0,
        "login-required" => 1,
        _ => 2,
    });
    let items: String = conditions.into_iter().map(|condition| item(view, condition)).collect();
    out + &format!("<ul class=\"conditions\">\n{items}</ul>\n")
}

fn item(view: &View, condition: &Condition) -> String {
    let Condition { name: condition, subject, reason, remedy, since } = condition;
    let known = phrase::conditions::of(condition);
    let title = known.map_or_else(|| text(condition), |(title, _)| view.say(title));
    // What happened is said in English, in the log as here; what the daemon says of the remedy is more exact than the
    // catalogue, and English too.
    let remedy = match known {
        Some((_, general)) if view.language != Language::English => format!("<span>{}</span>", view.say(general)),
        _ => format!("<span lang=\"en\">{}</span>", text(remedy)),
    };
    let since = since.map_or_else(String::new, |since| {
        let (at, length) = (moment(since.wall()), view.length(whole_seconds(view.now.since(since.wall()))));
        let words = view.fill(ui::SINCE, &[("length", &length)]);
        format!(" · <time datetime=\"{at}\" title=\"{at}\">{words}</time>")
    });
    let about = if subject.is_empty() { String::new() } else { format!("{} · ", name(subject)) };
    format!(
        "<li><h3><span class=\"mark bad\" aria-hidden=\"true\">!</span>{title}</h3>\n\
         <p class=\"meta\">{about}<code>{condition}</code>{since}</p>\n\
         <p lang=\"en\">{reason}</p>\n\
         <p class=\"remedy\"><strong>{todo}</strong> {remedy}</p></li>\n",
        condition = text(condition),
        reason = text(reason),
        todo = view.say(ui::TO_DO),
    )
}

fn whole_seconds(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs())
}
