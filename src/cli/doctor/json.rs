//! The findings as programs read them: in English, versioned; docs/DOCTOR.md describes the fields.

use serde_json::{Value, json};

use crate::cli::doctor::finding::{Finding, Remedy};
use crate::cli::exit::Exit;
use crate::daemon::report::Date;
use crate::model::language::Language;
use crate::model::time::Wall;

/// Grows when a field changes its meaning or goes away; new fields and checks may come at any time.
const VERSION: u32 = 1;

pub(super) fn text(findings: &[Finding], exit: Exit, now: Wall) -> String {
    format!("{:#}", value(findings, exit, now))
}

fn value(findings: &[Finding], exit: Exit, now: Wall) -> Value {
    json!({
        "version": VERSION,
        "time": Date::of(Some(now)),
        "program": env!("CARGO_PKG_VERSION"),
        "exit_code": exit as u8,
        "findings": findings.iter().map(of_finding).collect::<Vec<_>>(),
    })
}

fn of_finding(finding: &Finding) -> Value {
    let Finding { check, subject, verdict, said, remedies } = finding;
    json!({
        "check": check.id,
        "looks_at": check.looks_at,
        "subject": subject,
        "verdict": verdict.name(),
        "seen": said.text(Language::English),
        "remedies": remedies.iter().map(of_remedy).collect::<Vec<_>>(),
    })
}

fn of_remedy(remedy: &Remedy) -> Value {
    match remedy {
        Remedy::Command(command) => json!({ "command": command }),
        Remedy::Write { file, text, then } => {
            json!({ "write": { "file": file.display().to_string(), "text": text }, "then": then })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::doctor::checks::DNS;
    use crate::cli::doctor::finding::Said;
    use crate::phrase::doctor;

    fn names(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                into.push(name.clone());
                names(value, into);
            }),
            Value::Array(values) => values.iter().for_each(|value| names(value, into)),
            _ => {}
        }
    }

    #[test]
    fn every_field_is_described() {
        let finding = Finding::fault(&DNS, Said::of(doctor::NAMES_NOT_ASKED))
            .about("alibaba")
            .mend(Remedy::command("x"))
            .mend(Remedy::write("/x", "y", Some("z".to_owned())));
        let value = value(&[finding], Exit::Unavailable, Wall::from_unix_seconds(1_800_000_000));
        assert_eq!((&value["version"], &value["exit_code"]), (&json!(1), &json!(69)));
        assert_eq!(value["findings"][0]["verdict"], "fault");
        let page = include_str!("../../../docs/DOCTOR.md");
        let mut fields = Vec::new();
        names(&value, &mut fields);
        for field in fields {
            assert!(page.contains(&format!("`{field}`")), "docs/DOCTOR.md does not describe {field}");
        }
    }
}
