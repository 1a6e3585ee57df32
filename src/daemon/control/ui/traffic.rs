//! What goes through: in numbers, by client, call by call, and what was refused.

use std::time::Duration;

use crate::daemon::control::ui::html::{name, text};
use crate::daemon::control::ui::view::View;
use crate::observe::recent::{ClientUse, Ended};
use crate::phrase::{Phrase, time, ui};

/// How many calls are shown.
const MOST_CALLS: usize = 20;
/// How many refusals are shown.
const MOST_REFUSALS: usize = 8;
/// How many clients are shown.
const MOST_CLIENTS: usize = 8;

/// The counters since the start.
pub(super) fn numbers(view: &View) -> String {
    let requests = view.status.requests;
    let tile = |label: Phrase, number: String, class: &str| {
        let label = view.fill(label, &[("n", &view.streams)]);
        format!("<div><dt>{label}</dt><dd class=\"{class}\">{number}</dd></div>\n")
    };
    let failed = if requests.error > 0 { "bad" } else { "" };
    let tiles = tile(ui::UNDER_WAY, grouped(requests.active), "")
        + &tile(ui::REQUESTS, grouped(requests.total), "")
        + &tile(ui::FAILED, grouped(requests.error), failed)
        + &tile(ui::SENT, size(requests.bytes), "");
    format!("<h2 id=\"h-numbers\" class=\"heard\">{}</h2>\n<dl class=\"tiles\">\n{tiles}</dl>\n", view.say(ui::NUMBERS))
}

/// Who uses it.
pub(super) fn clients(view: &View) -> String {
    let out = view.heading("clients", ui::CLIENTS);
    if view.clients.is_empty() {
        return out + &no_calls(view, ui::NO_CLIENTS);
    }
    let rows: String = view.clients.iter().take(MOST_CLIENTS).map(|used| client(view, used)).collect();
    let head = [(ui::CLIENT, ""), (ui::REQUESTS_OF, "number"), (ui::REFUSED, "number"), (ui::LAST_CALL, "")];
    out + &table(view, "clients", &head, &rows)
}

fn client(view: &View, used: &ClientUse) -> String {
    let ClientUse { client, requests, refused, last } = used;
    let refused_class = if *refused > 0 { "number bad" } else { "number" };
    format!(
        "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"{refused_class}\">{}</td>\
         <td>{} <span class=\"meta\">{}</span></td></tr>\n",
        name(client),
        grouped(*requests),
        grouped(*refused),
        view.ago(last.at),
        what(last),
    )
}

/// The calls that ended last. What is answered here, such as `/health`, is none.
pub(super) fn calls(view: &View) -> String {
    let out = view.heading("calls", ui::LAST_CALLS);
    let shown = view.calls.iter().filter(|call| call.upstream.is_some() || call.refused_by.is_some());
    let rows: String = shown.take(MOST_CALLS).map(|call| row(view, call)).collect();
    if rows.is_empty() {
        return out + &no_calls(view, ui::NO_CALLS);
    }
    let head = [
        (ui::WHEN, ""),
        (ui::CLIENT, ""),
        (ui::CALL, ""),
        (ui::SERVER, "wide"),
        (ui::TOOK, "number"),
        (ui::RESULT, ""),
    ];
    out + &table(view, "calls", &head, &rows)
}

fn row(view: &View, call: &Ended) -> String {
    let server = call.server.as_deref().or(call.upstream.as_deref()).unwrap_or("-");
    format!(
        "<tr><td>{}</td><td>{}</td><td title=\"{} {}\">{}</td><td class=\"wide\">{}</td><td class=\"number\">{}</td>\
         <td>{}</td></tr>\n",
        view.ago(call.at),
        name(&call.client),
        text(&call.http_method),
        text(&call.path),
        what(call),
        name(server),
        text(&took(view, call.duration_us)),
        result(view, call),
    )
}

/// What was asked for: method and name, else the request.
fn what(call: &Ended) -> String {
    match (&call.method, &call.name) {
        (Some(method), Some(tool)) => format!("<code>{}</code> <b>{}</b>", name(method), name(tool)),
        (Some(method), None) => format!("<code>{}</code>", name(method)),
        _ => format!("<code>{} {}</code>", text(&call.http_method), name(&call.path)),
    }
}

fn result(view: &View, call: &Ended) -> String {
    let status = call.status.map_or_else(|| view.say(ui::NO_ANSWER), |status| status.to_string());
    let failed = failed(call);
    let more = match (&call.refused_by, call.ending) {
        (Some(_), _) => Some(ui::WAS_REFUSED),
        (None, "upstream broke off") => Some(ui::BROKE_OFF),
        (None, "client gone") => Some(ui::CLIENT_LEFT),
        _ => None,
    };
    let more = more.map_or_else(String::new, |phrase| format!(" <span class=\"meta\">{}</span>", view.say(phrase)));
    let class = if failed { "bad" } else { "good" };
    format!("<span class=\"chip {class}\">{status}</span>{more}")
}

/// True for what did not go well. A client that leaves a stream which had begun is no failure.
pub(super) fn failed(call: &Ended) -> bool {
    call.status.is_none_or(|status| status >= 400) || call.ending == "upstream broke off"
}

/// What rules refused.
pub(super) fn refusals(view: &View) -> String {
    let out = view.heading("refusals", ui::REFUSALS);
    let items: String = view
        .calls
        .iter()
        .filter_map(|call| Some((call, call.refused_by.as_ref()?)))
        .take(MOST_REFUSALS)
        .map(|(call, rule)| {
            format!(
                "<li><p>{} <span class=\"meta\">{}</span></p><p>{}</p><p class=\"rule\"><span class=\"heard\">{} </span>\
                 <code lang=\"en\">{}</code></p></li>\n",
                name(&call.client),
                view.ago(call.at),
                what(call),
                view.say(ui::RULE),
                text(rule),
            )
        })
        .collect();
    match items.is_empty() {
        true => out + &no_calls(view, ui::NO_REFUSALS),
        false => out + &format!("<ul class=\"refusals\">\n{items}</ul>\n"),
    }
}

/// A table below the heading of its part. It can be scrolled by whoever has no mouse.
pub(super) fn table(view: &View, id: &str, head: &[(Phrase, &str)], rows: &str) -> String {
    let head: String = head
        .iter()
        .map(|(label, class)| {
            let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
            format!("<th scope=\"col\"{class}>{}</th>", view.say(*label))
        })
        .collect();
    format!(
        "<div class=\"scroll\" id=\"scroll-{id}\" role=\"group\" tabindex=\"0\" aria-labelledby=\"h-{id}\"><table aria-labelledby=\"h-{id}\">\n\
         <thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></div>\n"
    )
}

/// That there is nothing to show.
pub(super) fn nothing(view: &View, phrase: Phrase) -> String {
    format!("<p class=\"meta\">{}</p>\n", view.say(phrase))
}

/// That there are no calls to show, or none for whoever looks.
pub(super) fn no_calls(view: &View, phrase: Phrase) -> String {
    nothing(view, if view.sees_calls { phrase } else { ui::NOT_SHOWN })
}

/// A duration of a call, in microseconds, in words.
pub(super) fn took(view: &View, micros: u64) -> String {
    let fill = |phrase: Phrase, n: f64, digits: usize| phrase.fill(view.language, &[("n", &format!("{n:.digits$}"))]);
    match micros {
        0..10_000 => fill(time::MILLISECONDS, micros as f64 / 1e3, 1),
        10_000..1_000_000 => fill(time::MILLISECONDS, micros as f64 / 1e3, 0),
        1_000_000..60_000_000 => fill(time::SECONDS, micros as f64 / 1e6, 1),
        _ => view.length(Duration::from_micros(micros)),
    }
}

/// A number with its digits in threes.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            // Narrow, and no place to break a line.
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the unit that fits.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut left, mut unit) = (bytes as f64, 0);
    while left >= 1024.0 && unit + 1 < units.len() {
        (left, unit) = (left / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{left:.1} {}", units.get(unit).copied().unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_as_people_read_them() {
        for (number, said) in [(0, "0"), (999, "999"), (1000, "1\u{202f}000"), (12_345_678, "12\u{202f}345\u{202f}678")]
        {
            assert_eq!(grouped(number), said);
        }
        for (bytes, said) in [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (u64::MAX, "16777216.0 TiB")] {
            assert_eq!(size(bytes), said);
        }
    }
}
