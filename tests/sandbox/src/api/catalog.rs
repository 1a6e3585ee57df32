//! The MCP control plane 2024-11-30: the list of MCP servers, in pages.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::api::error::ApiError;
use crate::api::rules::optional;
use crate::clock::iso8601;
use crate::cloud::Cloud;
use crate::cloud::settings::Settings;
use crate::gateway::servers::{Listed, listed};
use crate::sign::encoding::Pairs;

/// The bytes before the number make every token contain `+` and `/`, and the length an `=`:
/// a client that does not encode it asks for the wrong page.
const PREFIX: [u8; 6] = [0xfb, 0xef, 0xbe, 0xff, 0xff, 0xff];

/// `GET /apimcpservers`.
pub(crate) fn servers(cloud: &Cloud, account: &str, parameters: &Pairs) -> Result<Value, ApiError> {
    let settings = cloud.state.settings.lock().clone();
    let number = |name: &str| {
        optional(parameters, name)
            .map(|value| value.parse::<usize>().map_err(|_| ApiError::invalid(name, "not a number")))
            .transpose()
    };
    let size = number("maxResults")?.unwrap_or(settings.page_size).clamp(1, settings.page_size);
    let start = match optional(parameters, "nextToken") {
        Some(token) => read_token(token).ok_or_else(|| ApiError::invalid("nextToken", "not issued here"))?,
        None => number("skip")?.unwrap_or(0),
    };
    let filter = |name: &str, value: &str| optional(parameters, name).is_none_or(|wanted| wanted == value);
    let all: Vec<Listed> = listed(cloud, account)
        .into_iter()
        .filter(|server| server.entry.source != "core")
        .filter(|server| filter("id", &server.entry.id) && filter("sourceType", server.entry.source))
        .filter(|server| optional(parameters, "keyword").is_none_or(|word| server.entry.name.contains(word)))
        .collect();
    let end = start.saturating_add(size);
    let page: Vec<Value> =
        all.iter().skip(start).take(size).map(|server| entry(server, &settings, cloud.now())).collect();
    let next = if end < all.len() { write_token(end) } else { String::new() };
    Ok(json!({
        "totalCount": all.len(),
        "maxResults": size,
        "nextToken": next,
        "apiMcpServers": page,
    }))
}

/// `GET /apimcpservercores`.
pub(crate) fn cores(cloud: &Cloud, account: &str) -> Value {
    let settings = cloud.state.settings.lock().clone();
    let cores: Vec<Value> = listed(cloud, account)
        .iter()
        .filter(|server| server.entry.source == "core")
        .map(|server| json!({ "id": server.entry.id, "urls": urls(server, &settings) }))
        .collect();
    json!({ "apiMcpServerCores": cores })
}

fn entry(server: &Listed, settings: &Settings, now: i64) -> Value {
    let own = &server.entry;
    let mut entry = json!({
        "id": own.id,
        "name": own.name,
        "sourceType": own.source,
        "language": "EN_US",
        "description": own.description,
        "createTime": "2026-09-01T08:00:00Z",
        "updateTime": iso8601(now),
        "publicAccess": "on",
        "urls": urls(server, settings),
    });
    if let Some(product) = own.product {
        entry["systemMcpServerInfo"] = json!({ "name": own.name, "product": product });
    }
    entry
}

fn urls(server: &Listed, settings: &Settings) -> Value {
    let (base, vpc) = (&settings.public_base, &settings.vpc_base);
    json!({
        "mcp": format!("{base}{}/mcp", server.path),
        "sse": format!("{base}{}/sse", server.path),
        "vpcMcp": format!("{vpc}{}/mcp", server.path),
        "vpcSse": format!("{vpc}{}/sse", server.path),
    })
}

fn write_token(start: usize) -> String {
    let mut bytes = PREFIX.to_vec();
    bytes.extend_from_slice(format!("{start:04}").as_bytes());
    STANDARD.encode(bytes)
}

fn read_token(token: &str) -> Option<usize> {
    let bytes = STANDARD.decode(token).ok()?;
    let digits = bytes.strip_prefix(&PREFIX[..])?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_tokens_hold_what_must_be_encoded() {
        let token = write_token(1);
        assert!(token.contains('+') && token.contains('/') && token.ends_with('='), "{token}");
        assert_eq!(read_token(&token), Some(1));
        assert_eq!(read_token(&token.replace('+', " ")), None);
    }
}
