//! How long calls took: a picture of points over time, the same in one sentence, and the same as a table.

use std::fmt::Write;
use std::time::Duration;

use crate::daemon::control::ui::html::text;
use crate::daemon::control::ui::traffic::{failed, no_calls, took};
use crate::daemon::control::ui::view::View;
use crate::model::time::Wall;
use crate::observe::recent::Ended;
use crate::phrase::ui;

/// How far back the picture may go, in seconds: the first that holds all that is known, else the last.
const WINDOWS: [u64; 7] = [60, 300, 900, 3_600, 21_600, 86_400, 604_800];
/// The decades that the picture may show, as powers of ten of microseconds: from 1 ms to 1000 s.
const DECADES: std::ops::RangeInclusive<u32> = 3..=9;
/// The picture's own measures.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 200.0;
/// How many lines the table has.
const SLOTS: u64 = 6;

/// One call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    at: Wall,
    micros: u64,
    failed: bool,
}

/// The part.
pub(super) fn draw(view: &View) -> String {
    let out = view.heading("latency", ui::LATENCY);
    let points: Vec<Point> = view.calls.iter().filter(|call| is_call(call)).map(Point::of).collect();
    let Some(window) = window(&points, view.now) else { return out + &no_calls(view, ui::LATENCY_NONE) };
    let within: Vec<Point> = points.into_iter().filter(|point| view.now.since(point.at) <= window).collect();
    let (low, high) = decades(&within);
    out + &format!(
        "<figure>\n<div class=\"plot\"><ol class=\"axis\" aria-hidden=\"true\">{labels}</ol>{picture}</div>\n\
         <div class=\"span\" aria-hidden=\"true\"><span>{since}</span><span class=\"legend\"><i class=\"dot\"></i>{answered} \
         <i class=\"dot bad\"></i>{failed}</span><span>{now}</span></div>\n\
         <figcaption id=\"latency-said\">{said}</figcaption>\n</figure>\n{table}",
        labels = (low..=high).rev().map(|decade| format!("<li>{}</li>", label(view, decade))).collect::<String>(),
        picture = picture(&within, view.now, window, (low, high)),
        since = view.fill(ui::AGO, &[("length", &view.length(window))]),
        answered = view.say(ui::LATENCY_ANSWERED),
        failed = view.say(ui::LATENCY_FAILED),
        now = view.say(ui::NOW),
        said = said(view, &within, window),
        table = table(view, &within, window),
    )
}

/// A message to an upstream that it was asked for: neither a stream that only listens, nor what a rule refused.
fn is_call(call: &Ended) -> bool {
    call.http_method == "POST" && call.upstream.is_some() && call.refused_by.is_none()
}

impl Point {
    fn of(call: &Ended) -> Self {
        Self { at: call.at, micros: call.duration_us, failed: failed(call) }
    }
}

/// How far back to look; `None` without calls.
fn window(points: &[Point], now: Wall) -> Option<Duration> {
    let oldest = points.iter().map(|point| now.since(point.at)).max()?;
    let windows = || WINDOWS.into_iter().map(Duration::from_secs);
    windows().find(|window| *window >= oldest).or_else(|| windows().next_back())
}

/// The lowest and the highest decade to show; two at least, so that there is something between lines.
fn decades(points: &[Point]) -> (u32, u32) {
    let (first, last) = (*DECADES.start(), *DECADES.end());
    let below = |micros: u64| micros.max(1).ilog10().clamp(first, last - 1);
    let above = |micros: u64| (micros.saturating_sub(1).max(1).ilog10() + 1).clamp(first + 1, last);
    let low = points.iter().map(|point| below(point.micros)).min().unwrap_or(first);
    let high = points.iter().map(|point| above(point.micros)).max().unwrap_or(last);
    (low.min(last - 2), high.max(low + 2).min(last))
}

fn label(view: &View, decade: u32) -> String {
    let micros = 10_u64.saturating_pow(decade);
    let (n, unit) = match micros {
        0..1_000_000 => (micros / 1_000, crate::phrase::time::MILLISECONDS),
        _ => (micros / 1_000_000, crate::phrase::time::SECONDS),
    };
    text(&unit.fill(view.language, &[("n", &n)]))
}

/// The picture itself. Its lines and points keep their width however far it is stretched: a point is a line without
/// length and with a round end.
fn picture(points: &[Point], now: Wall, window: Duration, (low, high): (u32, u32)) -> String {
    let mut out = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"h-latency latency-said\">\n"
    );
    for line in 0..=(high - low) {
        let y = HEIGHT * f64::from(line) / f64::from(high - low);
        let _ = writeln!(out, "<path class=\"grid\" d=\"M0 {y:.1}H{WIDTH}\"/>");
    }
    for (class, wanted) in [("points", false), ("points bad", true)] {
        let path: String = points
            .iter()
            .filter(|point| point.failed == wanted)
            .map(|point| {
                let (x, y) = place(point, now, window, (low, high));
                format!("M{x:.1} {y:.1}h0")
            })
            .collect();
        if !path.is_empty() {
            let _ = writeln!(out, "<path class=\"{class}\" d=\"{path}\"/>");
        }
    }
    out + "</svg>"
}

fn place(point: &Point, now: Wall, window: Duration, (low, high): (u32, u32)) -> (f64, f64) {
    let ago = now.since(point.at).as_secs_f64() / window.as_secs_f64();
    let decade = (point.micros.max(1) as f64).log10();
    let up = (decade - f64::from(low)) / f64::from(high - low);
    (WIDTH * (1.0 - ago.clamp(0.0, 1.0)), HEIGHT * (1.0 - up.clamp(0.0, 1.0)))
}

/// What share of `micros`, which are in order, is within the answer. None are none.
fn within(micros: &[u64], percent: usize) -> u64 {
    let rank = (micros.len() * percent).div_ceil(100).max(1);
    micros.get(rank - 1).copied().unwrap_or_default()
}

fn ordered(points: &[Point]) -> Vec<u64> {
    let mut micros: Vec<u64> = points.iter().map(|point| point.micros).collect();
    micros.sort_unstable();
    micros
}

fn said(view: &View, points: &[Point], window: Duration) -> String {
    let micros = ordered(points);
    view.fill(
        ui::LATENCY_SAID,
        &[
            ("count", &points.len()),
            ("window", &view.length(window)),
            ("median", &took(view, within(&micros, 50))),
            ("high", &took(view, within(&micros, 95))),
            ("slowest", &took(view, within(&micros, 100))),
            ("failed", &points.iter().filter(|point| point.failed).count()),
        ],
    )
}

/// The same for those who cannot see the picture: the window in equal slots, the newest first.
fn table(view: &View, points: &[Point], window: Duration) -> String {
    let slot = window / u32::try_from(SLOTS).unwrap_or(1);
    let rows: String = (1..=u32::try_from(SLOTS).unwrap_or(1))
        .map(|number| {
            let (from, to) = (slot * number, slot * (number - 1));
            let inside = |point: &&Point| {
                let ago = view.now.since(point.at);
                ago <= from && (ago > to || number == 1)
            };
            let inside: Vec<Point> = points.iter().filter(inside).copied().collect();
            let micros = ordered(&inside);
            let took =
                |percent| if micros.is_empty() { "-".to_owned() } else { text(&took(view, within(&micros, percent))) };
            format!(
                "<tr><th scope=\"row\">{}</th><td class=\"number\">{}</td><td class=\"number\">{}</td>\
                 <td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n",
                view.fill(ui::AGO, &[("length", &view.length(from))]),
                inside.len(),
                took(50),
                took(100),
                inside.iter().filter(|point| point.failed).count(),
            )
        })
        .collect();
    let head: String = [ui::CALLS, ui::MEDIAN, ui::SLOWEST, ui::LATENCY_FAILED]
        .into_iter()
        .map(|label| format!("<th scope=\"col\" class=\"number\">{}</th>", view.say(label)))
        .collect();
    format!(
        "<details><summary id=\"latency-table\">{}</summary><table aria-labelledby=\"h-latency\">\n<thead><tr>\
         <th scope=\"col\">{}</th>{head}</tr></thead>\n<tbody>\n{rows}</tbody>\n</table></details>\n",
        view.say(ui::LATENCY_TABLE),
        view.say(ui::FROM),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(seconds: i64, micros: u64) -> Point {
        Point { at: Wall::from_unix_seconds(seconds), micros, failed: false }
    }

    #[test]
    fn the_window_holds_what_is_known_and_is_bounded() {
        let now = Wall::from_unix_seconds(2_000_000);
        for (ago, seconds) in [(&[][..], None), (&[5], Some(60)), (&[61, 5], Some(300)), (&[1_000_000], Some(604_800))]
        {
            let points: Vec<Point> = ago.iter().map(|ago| point(2_000_000 - ago, 1)).collect();
            assert_eq!(window(&points, now), seconds.map(Duration::from_secs), "{ago:?}");
        }
    }

    #[test]
    fn the_decades_hold_every_call_that_a_person_would_wait_for() {
        for (micros, expected) in [
            (&[][..], (3, 9)),
            (&[0], (3, 5)),
            (&[1_000], (3, 5)),
            (&[84_000], (4, 6)),
            (&[900, 2_000_000], (3, 7)),
            (&[10_000_000], (7, 9)),
            (&[u64::MAX], (7, 9)),
        ] {
            let points: Vec<Point> = micros.iter().map(|micros| point(1, *micros)).collect();
            assert_eq!(decades(&points), expected, "{micros:?}");
        }
    }

    #[test]
    fn points_stand_inside_the_picture() {
        let now = Wall::from_unix_seconds(1000);
        let window = Duration::from_secs(60);
        let at = |seconds, micros| place(&point(seconds, micros), now, window, (3, 5));
        assert_eq!(at(1000, 1_000), (WIDTH, HEIGHT));
        assert_eq!(at(970, 10_000), (WIDTH / 2.0, HEIGHT / 2.0));
        assert_eq!(at(0, u64::MAX), (0.0, 0.0));
        // From the future, if the clock was set back.
        assert_eq!(at(5000, 0), (WIDTH, HEIGHT));
    }

    #[test]
    fn shares_are_those_of_the_nearest_rank() {
        let micros: Vec<u64> = (1..=100).collect();
        assert_eq!([50, 95, 100].map(|percent| within(&micros, percent)), [50, 95, 100]);
        assert_eq!((within(&[7], 50), within(&[], 95)), (7, 0));
    }
}
