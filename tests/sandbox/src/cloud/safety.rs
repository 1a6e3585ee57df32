//! What the gateway refuses to whoever has a token: a list of tools, and rules over them.
//!
//! The documents show the rules' form alone (`ecs:describe-*=allow,*=deny`). How they are read here is how the vendor's
//! CLI documents its own: in order, the first that matches decides, and what none matches is allowed.

use serde::Deserialize;

/// The policy of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Safety {
    /// The rules as they were set.
    pub(crate) text: String,
    rules: Vec<Rule>,
    /// The only tools that may be called; `None` for all.
    tools: Option<Vec<String>>,
}

/// One rule: what it matches, and whether that is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    pattern: String,
    allows: bool,
}

/// What a policy says about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// The tool is not on the list.
    NotListed,
    /// A rule denies it, or wants a person to confirm it, and nobody is there.
    Denied,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    rules: Vec<Written>,
}

#[derive(Deserialize)]
struct Written {
    pattern: String,
    action: String,
}

impl Safety {
    /// Reads the rules, as `PATTERN=VERDICT` separated by commas or as a JSON object with `rules`; `None` when they are
    /// neither.
    pub(crate) fn parse(text: &str, tools: Option<Vec<String>>) -> Option<Self> {
        let written = if text.trim_start().starts_with('{') {
            serde_json::from_str::<Document>(text).ok()?.rules
        } else {
            let split = |rule: &str| {
                let (pattern, action) = rule.trim().rsplit_once('=')?;
                Some(Written { pattern: pattern.to_owned(), action: action.to_owned() })
            };
            text.split(',').map(split).collect::<Option<Vec<_>>>()?
        };
        let rules = written.into_iter().map(Rule::read).collect::<Option<Vec<_>>>()?;
        Some(Self { text: text.to_owned(), rules, tools })
    }

    /// Judges the call of a tool of a product.
    pub(crate) fn judge(&self, product: &str, tool: &str) -> Verdict {
        if self.tools.as_ref().is_some_and(|tools| !tools.iter().any(|own| own == tool)) {
            return Verdict::NotListed;
        }
        let called = format!("{product}:{tool}").to_ascii_lowercase();
        match self.rules.iter().find(|rule| matches(rule.pattern.as_bytes(), called.as_bytes())) {
            Some(rule) if !rule.allows => Verdict::Denied,
            _ => Verdict::Allowed,
        }
    }
}

impl Rule {
    fn read(written: Written) -> Option<Self> {
        let pattern = written.pattern.trim().to_ascii_lowercase();
        let allows = match written.action.trim() {
            "allow" => true,
            "deny" | "confirm" => false,
            _ => return None,
        };
        (!pattern.is_empty()).then_some(Self { pattern, allows })
    }
}

/// Whether a pattern with `*` for any run of bytes matches all of a text.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', after)), _) => (0..=text.len()).any(|start| matches(after, &text[start..])),
        (Some((own, after)), Some((other, rest))) => own == other && matches(after, rest),
        (Some(_), None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_matches_decides_and_what_none_matches_is_allowed() {
        let documented = "ecs:describe-*=allow,*=deny";
        for (rules, called, verdict) in [
            (documented, ("ecs", "describe-instances"), Verdict::Allowed),
            (documented, ("ECS", "Describe-Instances"), Verdict::Allowed),
            (documented, ("ecs", "run-instances"), Verdict::Denied),
            (documented, ("rds", "describe-instances"), Verdict::Denied),
            ("*=deny,ecs:*=allow", ("ecs", "x"), Verdict::Denied),
            ("*:delete-*=confirm", ("ecs", "delete-disk"), Verdict::Denied),
            ("*:delete-*=confirm", ("ecs", "undelete-disk"), Verdict::Allowed),
            (r#"{"rules":[]}"#, ("ecs", "x"), Verdict::Allowed),
            (r#"{"rules":[{"pattern":"ecs:*","action":"deny"}]}"#, ("ecs", "x"), Verdict::Denied),
        ] {
            assert_eq!(Safety::parse(rules, None).unwrap().judge(called.0, called.1), verdict, "{rules} {called:?}");
        }
    }

    #[test]
    fn a_list_of_tools_is_judged_before_the_rules() {
        let safety = Safety::parse("*:b=deny", Some(vec!["a".to_owned(), "b".to_owned()])).unwrap();
        let verdicts = ["a", "b", "c"].map(|tool| safety.judge("ecs", tool));
        assert_eq!(verdicts, [Verdict::Allowed, Verdict::Denied, Verdict::NotListed]);
    }

    #[test]
    fn what_is_no_rule_is_refused() {
        for text in ["", "x", "x=maybe", "=deny", "a=deny,", "{}", r#"{"rules":[{"pattern":"x"}]}"#] {
            assert_eq!(Safety::parse(text, None), None, "{text}");
        }
    }
}
