//! Who calls and what was called last, as people read it: two tables.

use crate::cli::screen::{Line, Tone, columns, fit, padded};
use crate::cli::status::upstreams::rounded;
use crate::cli::status::words::Writer;
use crate::daemon::report::recent::{Call, Recent};
use crate::phrase::{Phrase, status as words};

/// How many clients are shown.
const CLIENTS: usize = 8;
/// How many calls are shown.
const CALLS: usize = 8;
/// How wide a name may make its column: the rest of the line is worth more than its end.
const WIDEST: usize = 40;

/// Both tables.
pub(super) fn lines(writer: &Writer, lines: &mut Vec<Line>, recent: &Recent) {
    lines.push(Line::default());
    if recent.calls.is_empty() {
        lines.push(Line::of(Tone::Soft, writer.say(words::NO_CALLS)));
        return;
    }
    let head = |phrase: Phrase| Cell(Tone::Soft, writer.say(phrase).to_owned());
    let mut rows = vec![[
        Cell(Tone::Strong, writer.say(words::CLIENTS).to_owned()),
        head(words::REQUESTS),
        head(words::REFUSED),
        head(words::LAST_CALL),
    ]];
    for used in recent.clients.iter().take(CLIENTS) {
        let refused = if used.refused > 0 { Tone::Warning } else { Tone::Plain };
        rows.push([
            Cell(Tone::Plain, format!("  {}", used.client)),
            Cell(Tone::Plain, used.requests.to_string()),
            Cell(refused, used.refused.to_string()),
            Cell(Tone::Plain, format!("{}  {}", ago(writer, &used.last), what(&used.last))),
        ]);
    }
    table(lines, &rows, &[false, true, true, false]);
    lines.push(Line::default());
    lines.push(Line::of(Tone::Strong, writer.say(words::CALLS)));
    let rows: Vec<[Cell; 5]> = recent
        .calls
        .iter()
        .take(CALLS)
        .map(|call| {
            let (tone, ended) = ended(writer, call);
            [
                Cell(Tone::Soft, format!("  {}", ago(writer, call))),
                Cell(Tone::Plain, call.client.clone()),
                Cell(Tone::Plain, what(call)),
                Cell(tone, ended),
                Cell(Tone::Plain, writer.length(rounded(call.duration_us))),
            ]
        })
        .collect();
    table(lines, &rows, &[false; 5]);
}

/// A text of a table.
struct Cell(Tone, String);

/// Puts rows into columns that are as wide as what is in them; `right`: those whose numbers stand below each other.
fn table<const N: usize>(lines: &mut Vec<Line>, rows: &[[Cell; N]], right: &[bool; N]) {
    let width = |column: usize| rows.iter().map(|row| columns(&row[column].1)).max().unwrap_or_default().min(WIDEST);
    let widths: Vec<usize> = (0..N).map(width).collect();
    for row in rows {
        let mut line = Line::default();
        for (column, Cell(tone, text)) in row.iter().enumerate() {
            let last = column + 1 == N;
            let text = if last { text.clone() } else { fit(text, widths[column]) };
            let text = match right[column] {
                true => format!("{}{text}", padded("", widths[column].saturating_sub(columns(&text)))),
                false if last => text,
                false => padded(&text, widths[column]),
            };
            line = line.and(*tone, text).and(Tone::Plain, if last { "" } else { "  " });
        }
        lines.push(line);
    }
}

fn ago(writer: &Writer, call: &Call) -> String {
    call.at.map_or_else(|| writer.say(words::NOT_KNOWN).to_owned(), |at| writer.ago(at.wall()))
}

/// What was called: the tool, else the method, else the path; and on which server.
fn what(call: &Call) -> String {
    let called = match (&call.method, &call.name) {
        (Some(method), Some(name)) => format!("{method} {name}"),
        (Some(method), None) => method.clone(),
        _ => format!("{} {}", call.http_method, call.path),
    };
    match &call.server {
        Some(server) => format!("{called} @{server}"),
        None => called,
    }
}

/// How it ended.
fn ended(writer: &Writer, call: &Call) -> (Tone, String) {
    if let Some(rule) = &call.refused_by {
        return (Tone::Warning, writer.fill(words::REFUSED_BY, &[("rule", rule)]));
    }
    let status = call.status.map_or_else(|| writer.say(words::NO_ANSWER).to_owned(), |status| status.to_string());
    let tone = match call.status {
        Some(status) if status < 400 => Tone::Good,
        _ => Tone::Warning,
    };
    match call.ending.as_str() {
        "complete" => (tone, status),
        "client gone" => (Tone::Warning, format!("{status}, {}", writer.say(words::CLIENT_GONE))),
        "upstream broke off" => (Tone::Bad, format!("{status}, {}", writer.say(words::BROKE_OFF))),
        other => (Tone::Warning, format!("{status}, {other}")),
    }
}
