//! Functions by the pieces of their names: where nearly all below a beginning is used, the beginning stands for all.

use std::collections::BTreeMap;

/// A beginning stands for all below it if so many percent of their bytes are used. Higher, and a change of a few lines
/// makes the list wrong; lower, and more is mapped that nobody uses.
const ENOUGH: u64 = 80;

/// A beginning of names, and what follows it.
#[derive(Debug, Default)]
pub(super) struct Tree {
    next: BTreeMap<String, Tree>,
    /// The bytes of all functions that begin like this, and of those that are used.
    all: u64,
    used: u64,
}

impl Tree {
    /// Adds a function of `size` bytes.
    pub(super) fn add(&mut self, pieces: &[String], size: u64, is_used: bool) {
        self.all += size;
        self.used += if is_used { size } else { 0 };
        if let Some((first, rest)) = pieces.split_first() {
            self.next.entry(first.clone()).or_default().add(rest, size, is_used);
        }
    }

    /// How many bytes are used.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// What matches the functions that are used, and few others, in order.
    pub(super) fn patterns(&self) -> Vec<String> {
        let mut patterns = Vec::new();
        self.gather("", &mut patterns);
        patterns
    }

    fn gather(&self, beginning: &str, patterns: &mut Vec<String>) {
        if self.used == 0 {
            return;
        }
        let is_whole = self.next.is_empty();
        if is_whole || (!beginning.is_empty() && self.used * 100 >= self.all * ENOUGH) {
            let open = if is_whole || beginning.ends_with('*') { "" } else { "*" };
            patterns.push(format!("{beginning}{open}"));
            return;
        }
        for (piece, below) in &self.next {
            below.gather(&format!("{beginning}{piece}"), patterns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(functions: &[(&[&str], u64, bool)]) -> Tree {
        let mut tree = Tree::default();
        for (pieces, size, is_used) in functions {
            tree.add(&pieces.iter().map(ToString::to_string).collect::<Vec<_>>(), *size, *is_used);
        }
        tree
    }

    #[test]
    fn a_beginning_stands_for_all_that_are_nearly_all_used() {
        let functions: [(&[&str], u64, bool); 5] = [
            (&["_R", "5hyper", "4poll"], 50, true),
            (&["_R", "5hyper", "4send"], 30, true),
            (&["_R", "5hyper", "5debug"], 20, false),
            (&["_R", "4clap", "4help"], 400, false),
            (&["_R", "4clap", "5parse"], 100, true),
        ];
        let tree = tree(&functions);
        assert_eq!(tree.used(), 180);
        assert_eq!(tree.patterns(), ["_R4clap5parse", "_R5hyper*"]);
    }

    #[test]
    fn what_nobody_uses_is_not_there() {
        assert!(tree(&[(&["memcpy"], 100, false)]).patterns().is_empty());
        assert_eq!(tree(&[(&["memcpy"], 100, true)]).patterns(), ["memcpy"]);
    }
}
