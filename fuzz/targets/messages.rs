//! The body of a request whose client has rules about methods and tools. What passes is held against readings of the
//! body that servers may have: the first or the last of two members with one name, with or without regard to case.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_proxy::policy::grant::Grant;
use mcp_proxy::policy::message;
use mcp_proxy::policy::pattern::{Pattern, Patterns};
use serde_json::value::RawValue;

/// The members of an object in their order; `None` if it is none.
fn members(json: &str) -> Option<Vec<(String, &RawValue)>> {
    struct Members<'a>(Vec<(String, &'a RawValue)>);
    impl<'de> serde::Deserialize<'de> for Members<'de> {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct InOrder;
            impl<'de> serde::de::Visitor<'de> for InOrder {
                type Value = Members<'de>;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                    let mut all = Vec::new();
                    while let Some(member) = map.next_entry()? {
                        all.push(member);
                    }
                    Ok(Members(all))
                }
            }
            deserializer.deserialize_map(InOrder)
        }
    }
    serde_json::from_str::<Members<'_>>(json).ok().map(|members| members.0)
}

fn member<'a>(json: &'a str, name: &str, last: bool, any_case: bool) -> Option<&'a str> {
    let fold = |text: &str| text.to_uppercase().to_lowercase();
    let members = members(json)?;
    let mut fitting = members.iter().filter(|(key, _)| key == name || (any_case && fold(key) == fold(name)));
    let found = if last { fitting.next_back() } else { fitting.next() };
    found.map(|(_, value)| value.get())
}

fn text(json: &str) -> Option<String> {
    serde_json::from_str(json).ok()
}

fuzz_target!(|body: &[u8]| {
    let pattern = |text| vec![Pattern::parse(text).expect("a pattern")];
    let grant = Grant {
        methods: Patterns { allowed: Vec::new(), blocked: pattern("resources/*") },
        tools: Patterns { allowed: pattern("Describe*"), blocked: pattern("*Secret*") },
        ..Grant::default()
    };
    let Ok(messages) = message::read(body) else { return };
    assert!(!messages.list().is_empty());
    if messages.list().iter().any(|message| grant.decide(message, |_| None).is_err()) {
        return;
    }
    let whole = std::str::from_utf8(body).expect("what was read is UTF-8");
    let list: Vec<&RawValue> = match serde_json::from_str(whole) {
        Ok(list) => list,
        Err(_) => vec![serde_json::from_str(whole).expect("what was read is JSON")],
    };
    assert_eq!(list.len(), messages.list().len());
    for message in list {
        for (last, any_case) in [(false, false), (false, true), (true, false), (true, true)] {
            let of = |json, name| member(json, name, last, any_case);
            let Some(method) = of(message.get(), "method").and_then(text) else { continue };
            assert!(!method.to_lowercase().starts_with("resources/"), "{whole}");
            if method.trim().eq_ignore_ascii_case("tools/call") {
                let name = of(message.get(), "params").and_then(|params| text(of(params, "name")?));
                let name = name.expect("a call without a name is refused");
                assert!(name.starts_with("Describe") && !name.to_lowercase().contains("secret"), "{whole}");
            }
        }
    }
});
