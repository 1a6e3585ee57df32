//! `mcp-proxy status --watch`: the same, anew every second, on a screen of its own, until `q` or Ctrl+C. The terminal is
//! then as it was before.

use std::cell::Cell;
use std::io::{IsTerminal, Read, Write};
use std::time::Duration;

use rustix::termios::{self, LocalModes, OptionalActions, Termios};
use tokio::sync::mpsc;

use crate::cli::error_line;
use crate::cli::exit::Exit;
use crate::cli::interrupt::stopped_by_signals;
use crate::cli::screen::{Line, Tone};
use crate::cli::status::{Report, look, words};
use crate::cli::terminal::{Size, Terminal};
use crate::config::Loaded;
use crate::daemon::Environment;
use crate::phrase::status as phrases;

/// How long what is shown is left alone.
const EVERY: Duration = Duration::from_secs(1);
/// How soon another size of the window is noticed.
const SIZE_LOOKED_AT: Duration = Duration::from_millis(100);
/// For a terminal that does not say how large it is.
const USUAL: Size = Size { columns: 80, rows: 24 };

/// A screen of its own (`xterm` 1049), without a cursor, and lines that are not continued.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// What is between them is shown at once by terminals that know it (mode 2026); others pass over it.
const BEGIN_FRAME: &str = "\x1b[?2026h\x1b[H";
const END_FRAME: &str = "\x1b[J\x1b[?2026l";
const END_LINE: &str = "\x1b[K";

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;

/// Shows how things stand until the person has seen enough; ends as `status` would end then.
pub(in crate::cli) async fn watch(loaded: &Loaded, environment: &Environment, terminal: &Terminal) -> Exit {
    if !(terminal.out && terminal.moves) {
        error_line("--watch needs a terminal; for programs there is: mcp-proxy status --json");
        return Exit::Usage;
    }
    stopped_by_signals(async |stop| {
        let _screen = Screen::enter();
        let (mut keys, last) = (keys(), Cell::new(Exit::Ok));
        tokio::select! {
            () = stop.cancelled() => {}
            () = enough(&mut keys) => {}
            () = show(loaded, environment, terminal, &last) => {}
        }
        last.get()
    })
    .await
}

async fn show(loaded: &Loaded, environment: &Environment, terminal: &Terminal, last: &Cell<Exit>) {
    let mut shown: Option<Report> = None;
    loop {
        let next = async {
            if shown.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            look(loaded, environment).await
        };
        let resizes = async {
            let mut size = terminal.size();
            loop {
                tokio::time::sleep(SIZE_LOOKED_AT).await;
                let now = terminal.size();
                if let Some(report) = shown.as_ref().filter(|_| now != size) {
                    draw(report, terminal);
                }
                size = now;
            }
        };
        let report = tokio::select! {
            report = next => report,
            () = resizes => return,
        };
        last.set(report.exit());
        draw(&report, terminal);
        shown = Some(report);
    }
}

fn draw(report: &Report, terminal: &Terminal) {
    write(&frame(report, terminal, terminal.size().unwrap_or(USUAL)));
}

/// Everything, in the room that there is: over what stands there, so that nothing flickers.
fn frame(report: &Report, terminal: &Terminal, size: Size) -> String {
    let language = terminal.language;
    let mut lines = vec![Line::of(Tone::Soft, phrases::WATCHING.text(language))];
    lines.extend(report.notes.iter().chain(&report.key_problem).map(|note| Line::of(Tone::Warning, note)));
    let mut body = words::lines(report, language, Some(size.columns));
    if lines.len() + body.len() > size.rows {
        body = words::brief_lines(report, language, Some(size.columns));
    }
    lines.extend(body);
    if lines.len() > size.rows {
        let hidden = lines.len() - (size.rows - 1);
        lines.truncate(size.rows - 1);
        lines.push(Line::of(Tone::Soft, phrases::MORE.fill(language, &[("many", &hidden)])));
    }
    let lines: Vec<String> =
        lines.iter().map(|line| line.render(terminal.colours, Some(size.columns)) + END_LINE).collect();
    format!("{BEGIN_FRAME}{}{END_FRAME}", lines.join("\r\n"))
}

/// Keys as they are pressed. The reading thread ends with the process: a blocking read of a terminal cannot be called off.
fn keys() -> mpsc::Receiver<u8> {
    let (sender, keys) = mpsc::channel(16);
    if std::io::stdin().is_terminal() {
        std::thread::spawn(move || {
            for byte in std::io::stdin().lock().bytes() {
                let Ok(byte) = byte else { return };
                if sender.blocking_send(byte).is_err() {
                    return;
                }
            }
        });
    }
    keys
}

/// Waits for a key that leaves; for ever if there is no keyboard.
async fn enough(keys: &mut mpsc::Receiver<u8>) {
    while let Some(key) = keys.recv().await {
        if matches!(key, b'q' | b'Q' | CTRL_C | CTRL_D) {
            return;
        }
    }
    std::future::pending().await
}

/// The terminal while it is ours; dropped, it is given back as it was.
struct Screen(Option<Termios>);

impl Screen {
    fn enter() -> Self {
        let before = std::io::stdin().is_terminal().then(|| termios::tcgetattr(std::io::stdin()).ok()).flatten();
        if let Some(before) = &before {
            let mut raw = before.clone();
            // Keys come one by one and are not shown; Ctrl+C is one of them, and Ctrl+Z would leave the screen behind.
            raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            // If that is refused, Enter is needed behind a key, and that is all.
            let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &raw);
        }
        write(ENTER);
        Self(before)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
        if let Some(before) = &self.0 {
            // What was typed ahead was meant for us, and not for the shell.
            let _ = termios::tcsetattr(std::io::stdin(), OptionalActions::Flush, before);
        }
    }
}

/// A closed standard output is nobody's problem.
fn write(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::screen::columns;
    use crate::cli::status::Daemon;
    use crate::daemon::neighbour::Neighbour;
    use crate::daemon::report::login::Login;
    use crate::model::language::Language;
    use crate::model::time::Wall;

    #[test]
    fn a_frame_fits_into_the_window_whatever_its_size_and_language() {
        let report = Report {
            now: Wall::from_unix_seconds(1_800_000_000),
            logins: vec![Login::of_nobody()],
            daemon: Daemon::LookedFor(Some("127.0.0.1:8088".to_owned()), Neighbour::None),
            key_problem: None,
            notes: vec!["a note that is longer than the narrow one of the windows below".to_owned()],
        };
        for language in [Language::English, Language::Chinese] {
            let terminal = Terminal { colours: false, ..Terminal::for_tests(language, true) };
            for size in [Size { columns: 30, rows: 5 }, Size { columns: 200, rows: 60 }, Size { columns: 1, rows: 1 }] {
                let frame = frame(&report, &terminal, size);
                let text = frame.strip_prefix(BEGIN_FRAME).unwrap().strip_suffix(END_FRAME).unwrap();
                let lines: Vec<&str> = text.split("\r\n").map(|line| line.strip_suffix(END_LINE).unwrap()).collect();
                assert!(lines.len() <= size.rows, "{size:?}: {lines:#?}");
                assert!(lines.iter().all(|line| columns(line) <= size.columns), "{size:?}: {lines:#?}");
                assert_eq!(lines.iter().any(|line| line.contains("q")), size.columns > 1, "how to leave: {lines:#?}");
            }
        }
    }
}
