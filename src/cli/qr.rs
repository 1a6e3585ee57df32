//! An address as a QR code (ISO/IEC 18004) for a terminal: two modules in one character.

use qrcode::{EcLevel, QrCode};

use crate::cli::terminal::{Size, Terminal};

/// Light modules around the code. The standard wants four; cameras make do with two, and columns are dear.
const QUIET_ZONE: usize = 2;
/// Rows of the terminal that are left for what stands around it.
const SPARE_ROWS: usize = 2;

/// The lines of the code; `None` where it could not be read: no terminal, no half blocks, or no room to see it whole.
pub(super) fn lines(text: &str, terminal: &Terminal) -> Option<Vec<String>> {
    let size = terminal.size().filter(|_| terminal.utf8 && terminal.moves)?;
    drawn(text, size, terminal.colours)
}

fn drawn(text: &str, size: Size, colours: bool) -> Option<Vec<String>> {
    // The screen is clean and near: redundancy only makes the modules smaller.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let (modules, width) = (code.width(), code.width() + 2 * QUIET_ZONE);
    if width > size.columns || width.div_ceil(2) + SPARE_ROWS > size.rows {
        return None;
    }
    let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|at| *at < modules);
    let is_light = |row: usize, column: usize| match (inside(row), inside(column)) {
        (Some(row), Some(column)) => code[(column, row)] == qrcode::Color::Light,
        _ => true,
    };
    let line = |row: usize| {
        let pair = |column: usize| match (is_light(row, column), row + 1 >= width || is_light(row + 1, column)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        };
        let line: String = (0..width).map(pair).collect();
        // Light modules are drawn, so that the code is right on dark terminals; with colours it is on all of them.
        if colours { format!("\x1b[38;5;231;48;5;16m{line}\x1b[0m") } else { line }
    };
    Some((0..width).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://signin.example/oauth2/v1/auth?client_id=1";

    #[test]
    fn it_is_drawn_where_it_can_be_seen_whole() {
        let size = |columns: usize, rows: usize| Size { columns, rows };
        // 29 modules (version 3) and two on each side.
        let lines = drawn(URL, size(33, 19), false).unwrap();
        assert_eq!((lines.len(), lines[0].chars().count()), (17, 33));
        assert!(lines[0].chars().all(|c| c == '█') && lines[1].starts_with("██ ▄▄▄▄▄ "), "{lines:#?}");
        assert!(drawn(URL, size(33, 19), true).unwrap()[0].starts_with("\x1b[38;5;231;48;5;16m█"));
        assert_eq!((drawn(URL, size(32, 60), false), drawn(URL, size(80, 18), false)), (None, None));
        assert_eq!(drawn(&"x".repeat(5000), size(1000, 1000), false), None);
    }
}
