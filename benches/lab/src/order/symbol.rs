//! The pieces of a symbol's name (mangling v0, The rustc book, "Symbol Mangling"), without what differs from compiler
//! to compiler and from version to version.

/// What stands for a crate's hash, and for a place in the name: hashes are not of one length.
const CRATE: &str = "Cs*_";
const BACK: &str = "B*_";

/// The pieces, in order. Names of another mangling, as C has, are one piece.
pub(super) fn pieces(name: &str) -> Vec<String> {
    let Some(mut rest) = name.strip_prefix("_R") else { return vec![name.to_owned()] };
    let mut pieces = vec!["_R".to_owned()];
    while let Some(first) = rest.chars().next() {
        let (piece, length) = match first {
            '0'..='9' => identifier(rest),
            'C' if rest.starts_with("Cs") => (CRATE.to_owned(), number(rest, 2)),
            'B' => (BACK.to_owned(), number(rest, 1)),
            'K' if rest.starts_with("KB") => (format!("K{BACK}"), number(rest, 2)),
            'K' if !rest.starts_with("Kp") => same(rest, number(rest, 2)),
            's' | 'G' | 'L' => same(rest, number(rest, 1)),
            // What kind of name follows: letters that mean something else elsewhere.
            'N' => same(rest, 2),
            // What the compiler adds for itself.
            '.' => ("*".to_owned(), rest.len()),
            _ => same(rest, 1),
        };
        pieces.push(piece);
        rest = rest.get(length..).unwrap_or_default();
    }
    pieces
}

fn same(rest: &str, length: usize) -> (String, usize) {
    (rest.get(..length).unwrap_or(rest).to_owned(), length)
}

/// A name with its length before it, and `_` between them if the name begins with a digit or with `_`.
fn identifier(rest: &str) -> (String, usize) {
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let between = usize::from(rest[digits..].starts_with('_'));
    let length = rest[..digits].parse::<usize>().unwrap_or_default();
    same(rest, digits + between + length)
}

/// How far a number goes that begins at `from` and ends with `_`.
fn number(rest: &str, from: usize) -> usize {
    rest.get(from..).and_then(|number| number.find('_')).map_or(rest.len(), |end| from + end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn glob(name: &str) -> String {
        pieces(name).concat()
    }

    #[test]
    fn what_differs_between_compilers_is_left_open() {
        let name = "_RNvMs3_NtCslNYArtu3iFV_5alloc7raw_vecINtB5_6RawVecINtNtB7_3vec3VechEE8grow_oneCsjrHSEGnQ3l9_3std";
        let same = "_RNvMs3_NtCs*_5alloc7raw_vecINtB*_6RawVecINtNtB*_3vec3VechEE8grow_oneCs*_3std";
        assert_eq!(glob(name), same);
        assert_eq!(glob("_RNCNvCs6d7GoaNTBIz_4Body4sent0B3_"), "_RNCNvCs*_4Body4sent0B*_");
        assert_eq!(glob("_RNvCs1_3one4main.llvm.123"), "_RNvCs*_3one4main*");
    }

    #[test]
    fn what_belongs_to_a_name_stays() {
        assert_eq!(pieces("_RNvB2_9_B1_Cs2_x7Cs_3B4_"), ["_R", "Nv", "B*_", "9_B1_Cs2_x7", "Cs*_", "3B4_"]);
        assert_eq!(pieces("_RKj10_s_Ls0_G1_KpKB3_"), ["_R", "Kj10_", "s_", "Ls0_", "G1_", "K", "p", "KB*_"]);
        assert_eq!(glob("vpaes_encrypt"), "vpaes_encrypt");
    }

    #[test]
    fn what_is_no_name_at_all_is_taken_for_some() {
        for name in ["_R", "_R9", "_R99abc", "_RCs", "_RB", "_RK", "_RN", "_Rs", "_R18446744073709551616x"] {
            assert_eq!(pieces(name)[0], "_R", "{name}");
        }
    }
}
