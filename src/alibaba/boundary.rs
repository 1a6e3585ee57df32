//! The boundary of a token: a RAM policy that takes permissions away from it, checked before the API sees it.
//!
//! A slip in it would leave open what was to be closed, so nothing that is not understood passes.

use serde_json::{Map, Value};

/// The longest policy that the API takes, in characters.
const LONGEST: usize = 512;

/// Reads a boundary; answers it as JSON without blanks, the form in which its length counts.
///
/// It has `Version` "1" and at least one statement; each has the effect `Deny`, exactly one of `Action` and
/// `NotAction`, a `Resource`, and may have a `Condition`.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(text: &str) -> Result<String, String> {
    let policy: Value = serde_json::from_str(text).map_err(|error| format!("the policy is not JSON: {error}"))?;
    let policy = policy.as_object().ok_or("the policy is not a JSON object")?;
    only(policy, &["Version", "Statement"]).map_err(|name| format!("the policy knows no {name:?}"))?;
    if policy.get("Version").and_then(Value::as_str) != Some("1") {
        return Err("the policy must have \"Version\": \"1\"".to_owned());
    }
    let statements = policy.get("Statement").and_then(Value::as_array).filter(|list| !list.is_empty());
    let statements = statements.ok_or("the policy must have a list \"Statement\" with at least one statement")?;
    for (index, statement) in statements.iter().enumerate() {
        check(statement).map_err(|why| format!("statement {} of the policy {why}", index + 1))?;
    }
    let compact = Value::Object(policy.clone()).to_string();
    match compact.chars().count() {
        length if length > LONGEST => {
            Err(format!("the policy has {length} characters without blanks; the API takes {LONGEST}"))
        }
        _ => Ok(compact),
    }
}

fn check(statement: &Value) -> Result<(), String> {
    let statement = statement.as_object().ok_or("is not a JSON object")?;
    only(statement, &["Effect", "Action", "NotAction", "Resource", "Condition"])
        .map_err(|name| format!("has {name:?}, which no statement knows"))?;
    if statement.get("Effect").and_then(Value::as_str) != Some("Deny") {
        return Err("must have \"Effect\": \"Deny\": a boundary only takes away".to_owned());
    }
    let names = |key| statement.get(key).map(names_something);
    match (names("Action"), names("NotAction")) {
        (Some(true), None) | (None, Some(true)) => {}
        (None, None) | (Some(_), Some(_)) => return Err("must have one of \"Action\" and \"NotAction\"".to_owned()),
        _ => return Err("names no action: write a text such as \"ecs:Delete*\", or a list of them".to_owned()),
    }
    match names("Resource") {
        Some(true) => Ok(()),
        _ => Err("must have a \"Resource\", for example \"*\"".to_owned()),
    }
}

/// A text that is not empty, or a list of such.
fn names_something(value: &Value) -> bool {
    let is_name = |value: &Value| value.as_str().is_some_and(|text| !text.trim().is_empty());
    match value {
        Value::Array(list) => !list.is_empty() && list.iter().all(is_name),
        one => is_name(one),
    }
}

/// The first name that is not known.
fn only<'a>(object: &'a Map<String, Value>, known: &[&str]) -> Result<(), &'a str> {
    object.keys().map(String::as_str).find(|name| !known.contains(name)).map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(statement: &str) -> Result<String, String> {
        parse(&format!(r#"{{ "Version": "1", "Statement": [{statement}] }}"#))
    }

    #[test]
    fn what_takes_away_is_taken_without_its_blanks() {
        let policy = with(r#"{ "Effect": "Deny", "Action": "ram:*", "Resource": "*" }"#).unwrap();
        assert_eq!(policy, r#"{"Statement":[{"Action":"ram:*","Effect":"Deny","Resource":"*"}],"Version":"1"}"#);
        assert!(with(r#"{"Effect":"Deny","NotAction":["ecs:Describe*"],"Resource":["*"],"Condition":{}}"#).is_ok());
    }

    #[test]
    fn everything_else_is_refused_and_said() {
        let long = format!(r#"{{"Effect":"Deny","Action":"{}","Resource":"*"}}"#, "x".repeat(512));
        for (statement, says) in [
            ("", "at least one statement"),
            ("1", "statement 1 of the policy is not a JSON object"),
            (r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, "only takes away"),
            (r#"{"Effect":"Deny","Resource":"*"}"#, "one of \"Action\""),
            (r#"{"Effect":"Deny","Action":"a","NotAction":"b","Resource":"*"}"#, "one of \"Action\""),
            (r#"{"Effect":"Deny","Action":[],"Resource":"*"}"#, "names no action"),
            (r#"{"Effect":"Deny","Action":"a"}"#, "must have a \"Resource\""),
            (r#"{"Effect":"Deny","Actions":"a","Resource":"*"}"#, "has \"Actions\""),
            (&long, "the API takes 512"),
        ] {
            let error = with(statement).unwrap_err();
            assert!(error.contains(says), "{statement}: {error}");
        }
        for (text, says) in [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"{"Version":1,"Statement":[]}"#, "\"Version\": \"1\""),
            (r#"{"Version":"1","Statements":[]}"#, "no \"Statements\""),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
