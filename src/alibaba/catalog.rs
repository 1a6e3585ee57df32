//! The MCP servers of the account, as the gateway's control plane lists them: all pages of the list.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::alibaba::call::{Api, CallError};
use crate::alibaba::lenient;
use crate::alibaba::site::Endpoints;
use crate::model::server::{McpServer, ServerPath};

/// The most pages that are read. A page holds some 30 servers.
const MOST_PAGES: usize = 200;

/// Why there is no complete list of servers.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The list goes round in circles or does not end.
    #[error(
        "the server list of {host} does not end: {reason} after {servers} servers. \
         Check the gateway endpoint; if it is the cloud's own, please report it"
    )]
    Endless {
        /// The gateway's host.
        host: String,
        /// What shows it.
        reason: &'static str,
        /// How many servers were listed until then.
        servers: usize,
    },
    /// A call to the cloud failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Lists all MCP servers of the account, in the cloud's order, each id once.
///
/// # Errors
/// The cloud does not answer as it should. A list that is known to be incomplete is an error too: a server
/// that is not in it could not be blocked by name.
pub async fn list_servers(api: &Api) -> Result<Vec<McpServer>, CatalogError> {
    let mut servers = Vec::new();
    let mut ids = HashSet::new();
    let mut tokens = HashSet::new();
    let mut query = Vec::new();
    for _ in 0..MOST_PAGES {
        let page: Page = api.perform(&api.gateway("/apimcpservers", "ListApiMcpServers", query)).await?;
        let read = page.api_mcp_servers.into_iter().filter_map(|entry| server(entry, api.endpoints()));
        servers.extend(read.filter(|server| ids.insert(server.id.clone())));
        let Some(token) = page.next_token else { return Ok(servers) };
        if !tokens.insert(token.clone()) {
            // Harmless if everything is here: then the cloud merely marks its last page badly.
            if page.total_count.is_some_and(|total| servers.len() as u64 >= total) {
                return Ok(servers);
            }
            return Err(endless(api, "a page refers to an earlier one", servers.len()));
        }
        query = vec![("nextToken", token)];
    }
    Err(endless(api, "there are too many pages", servers.len()))
}

fn endless(api: &Api, reason: &'static str, servers: usize) -> CatalogError {
    let host = api.endpoints().gateway.host_str().unwrap_or_default().to_owned();
    CatalogError::Endless { host, reason, servers }
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Page {
    /// Kept unread, so that one strange entry does not cost the others.
    #[serde(deserialize_with = "lenient::list")]
    api_mcp_servers: Vec<Value>,
    #[serde(deserialize_with = "lenient::text")]
    next_token: Option<String>,
    #[serde(deserialize_with = "lenient::count")]
    total_count: Option<u64>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    #[serde(deserialize_with = "lenient::text")]
    id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    description: Option<String>,
    #[serde(deserialize_with = "lenient::object")]
    urls: Urls,
    #[serde(deserialize_with = "lenient::object")]
    system_mcp_server_info: SystemInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Urls {
    #[serde(deserialize_with = "lenient::text")]
    mcp: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    sse: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    vpc_mcp: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    vpc_sse: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SystemInfo {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
}

fn server(entry: Value, endpoints: &Endpoints) -> Option<McpServer> {
    let entry: Entry = serde_json::from_value(entry)
        .map_err(|error| tracing::warn!(%error, "an entry of the server list cannot be read and is left out"))
        .ok()?;
    let urls = entry.urls;
    // The gateway serves the same path inside the vendor's network, so either URL tells it.
    let mcp_path = path(urls.mcp.or(urls.vpc_mcp), endpoints);
    let sse_path = path(urls.sse.or(urls.vpc_sse), endpoints);
    let in_path = mcp_path.as_deref().or(sse_path.as_deref()).and_then(ServerPath::parse);
    let Some(id) = entry.id.or_else(|| in_path.map(|path| path.id.to_owned())) else {
        tracing::warn!(name = entry.name, "an entry of the server list has no id and is left out");
        return None;
    };
    let name = entry
        .name
        .or(entry.system_mcp_server_info.name)
        .or_else(|| in_path.and_then(|path| path.name).map(str::to_owned))
        .unwrap_or_else(|| id.clone());
    Some(McpServer { id, name, description: entry.description.unwrap_or_default(), mcp_path, sse_path })
}

/// The path of a URL on the gateway. Requests go to the gateway only, so a URL elsewhere has no path here.
fn path(url: Option<String>, endpoints: &Endpoints) -> Option<String> {
    let url = url?;
    match Url::parse(&url) {
        Ok(url) if endpoints.is_gateway(&url) => Some(url.path().to_owned()),
        Ok(other) => {
            let host = other.host_str().unwrap_or_default();
            tracing::warn!(host, "a listed MCP server is not on the gateway and cannot be reached through it");
            None
        }
        Err(error) => {
            tracing::warn!(%error, "a listed MCP server has an unreadable URL");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alibaba::settings::Settings;
    use crate::alibaba::site::{EndpointOverrides, Site};
    use crate::alibaba::testing::{Cloud, assert_official, credentials, official_request, settings};
    use crate::model::time::Wall;

    const HOST: &str = "https://openapi-mcp.cn-hangzhou.aliyuncs.com";

    fn page(ids: &[&str], rest: &str) -> String {
        let entries: Vec<String> = ids.iter().map(|id| format!(r#"{{"id":"{id}","name":"n-{id}"}}"#)).collect();
        format!(r#"{{"apiMcpServers":[{}]{rest}}}"#, entries.join(","))
    }

    fn ids(servers: &[McpServer]) -> Vec<&str> {
        servers.iter().map(|server| server.id.as_str()).collect()
    }

    #[tokio::test]
    async fn the_first_request_is_the_official_one() {
        for (name, site) in [("ListApiMcpServers", Site::Cn), ("ListApiMcpServers INTL", Site::Intl)] {
            let official = official_request(name);
            let endpoints = Endpoints::resolve(site, &EndpointOverrides::default()).unwrap();
            let settings = Settings { site, endpoints, ..settings() };
            let date = &official.headers["x-acs-date"];
            let at = time::OffsetDateTime::parse(date, &time::format_description::well_known::Rfc3339).unwrap();
            let cloud = Cloud::default().answering(200, "{}");
            let api = cloud.api_with(&settings, credentials(), Wall::from_unix_seconds(at.unix_timestamp()));
            assert_eq!(list_servers(&api).await.unwrap(), []);
            assert_official(&cloud.last_request(), &official, "");
        }
    }

    #[tokio::test]
    async fn entries_are_read_whole() {
        let body = format!(
            r#"{{"requestId":"ID","totalCount":"2","maxResults":30,"nextToken":"","apiMcpServers":[
            {{"id":"aB3","name":"ecs-tools","description":"does things","sourceType":"custom","publicAccess":"on",
              "urls":{{"mcp":"{HOST}/accounts/12/custom/ecs-tools/id/aB3/mcp","sse":"{HOST}/accounts/12/custom/ecs-tools/id/aB3/sse"}}}},
            {{"id":7,"description":null,"systemMcpServerInfo":{{"name":"cloudphone","product":"eds-aic"}},
              "urls":{{"vpcMcp":"https://openapi-mcp-cn.vpc-proxy.aliyuncs.com/id/7/mcp"}}}},
            {{"urls":{{"sse":"{HOST}/accounts/12/system/p/phone/id/XS/sse"}}}},
            {{"id":"far","name":"far","urls":{{"mcp":"https://evil.example/id/far/mcp","sse":"nonsense"}}}},
            {{"id":"bare","urls":null}}, {{"name":"no id"}}, "strange", {{"id":"odd","urls":[1]}}]}}"#
        );
        let cloud = Cloud::default().answering(200, &body);
        let servers = list_servers(&cloud.api()).await.unwrap();
        let shown: Vec<_> = servers
            .iter()
            .map(|s| (s.id.as_str(), s.name.as_str(), s.mcp_path.as_deref(), s.sse_path.as_deref()))
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "aB3",
                    "ecs-tools",
                    Some("/accounts/12/custom/ecs-tools/id/aB3/mcp"),
                    Some("/accounts/12/custom/ecs-tools/id/aB3/sse")
                ),
                ("7", "cloudphone", Some("/id/7/mcp"), None),
                ("XS", "phone", None, Some("/accounts/12/system/p/phone/id/XS/sse")),
                ("far", "far", None, None),
                ("bare", "bare", None, None),
                ("odd", "odd", None, None),
            ]
        );
        assert_eq!(servers[0].description, "does things");
    }

    #[tokio::test]
    async fn all_pages_are_read_and_tokens_are_encoded() {
        let cloud = Cloud::default()
            .answering(200, &page(&["a", "b"], r#","nextToken":"p2+/==""#))
            .answering(200, &page(&["b", "c"], r#","nextToken":"p3""#))
            .answering(200, &page(&["d"], r#","nextToken":null"#));
        assert_eq!(ids(&list_servers(&cloud.api()).await.unwrap()), ["a", "b", "c", "d"]);
        assert_eq!(
            cloud.asked(),
            [
                "GET /apimcpservers ListApiMcpServers",
                "GET /apimcpservers?nextToken=p2%2B%2F%3D%3D ListApiMcpServers",
                "GET /apimcpservers?nextToken=p3 ListApiMcpServers",
            ]
        );
    }

    #[tokio::test]
    async fn a_repeated_token_ends_the_reading() {
        let circle = |rest: &str| {
            let rest = format!(r#","nextToken":"same"{rest}"#);
            Cloud::default().answering(200, &page(&["a"], &rest)).answering(200, &page(&["b"], &rest))
        };
        let error = list_servers(&circle("").api()).await.unwrap_err().to_string();
        assert!(error.contains("openapi-mcp.cn-hangzhou.aliyuncs.com does not end"), "{error}");
        assert!(list_servers(&circle(r#","totalCount":3"#).api()).await.is_err());
        let complete = list_servers(&circle(r#","totalCount":2"#).api()).await.unwrap();
        assert_eq!(ids(&complete), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_list_without_end_is_given_up() {
        let endless = (0..MOST_PAGES)
            .fold(Cloud::default(), |cloud, n| cloud.answering(200, &page(&[], &format!(r#","nextToken":"t{n}""#))));
        let error = list_servers(&endless.api()).await.unwrap_err().to_string();
        assert!(error.contains("too many pages") && endless.is_done(), "{error}");
    }
}
