//! The MCP servers of the account, as the gateway's control plane lists them: all pages of both of its lists.
//!
//! A listed URL tells a path, and whether the gateway in use serves it. It never tells where a request goes: that is
//! the upstream's origin alone, and the token goes nowhere else.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::alibaba::call::{Api, CallError};
use crate::alibaba::cloud_error::Kind;
use crate::alibaba::lenient;
use crate::alibaba::site::{Endpoints, Leads};
use crate::model::server::{McpServer, ServerPath};

/// The most pages that are read. A page holds some 30 servers.
const MOST_PAGES: usize = 200;

/// What a server of the Core edition is called, which has no name of its own.
const CORE: &str = "core";

/// Why a server without URLs is out of reach.
const NO_URL: &str = "the cloud lists no address for it; if it was made just now, it may have one soon";

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

/// The servers that the control plane lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In the cloud's order, each id once; those of the Core edition last.
    pub servers: Vec<McpServer>,
    /// Why those of the Core edition are not among them, if the cloud does not tell.
    pub without_cores: Option<String>,
}

/// Lists all MCP servers of the account: those that were made for it or by it, and its server of the Core edition.
///
/// An identity that may list the former but not the latter gets the former: a server that is not known is refused by
/// whatever rule names one, so no rule is weakened.
///
/// # Errors
/// The cloud does not answer as it should. A list whose pages are known to be incomplete is an error too.
pub async fn list_servers(api: &Api) -> Result<Listed, CatalogError> {
    let mut servers = pages(api, "/apimcpservers", "ListApiMcpServers", None).await?;
    // The list gives a server of the Core edition an id and URLs; people need something to call it by.
    let without_cores = match pages(api, "/apimcpservercores", "ListApiMcpServerCores", Some(CORE)).await {
        Ok(cores) => {
            for core in cores {
                if !servers.iter().any(|server| server.id == core.id) {
                    servers.push(core);
                }
            }
            None
        }
        // Said for good; anything else may be better at the next try, which is soon.
        Err(CatalogError::Call(error))
            if matches!(error.kind(), Some(Kind::NoPermission | Kind::WrongEndpoint | Kind::NotFound)) =>
        {
            Some(error.to_string())
        }
        Err(error) => return Err(error),
    };
    Ok(Listed { servers, without_cores })
}

/// All pages of one list. `name` is for entries that have none.
async fn pages(
    api: &Api,
    path: &'static str,
    action: &'static str,
    name: Option<&str>,
) -> Result<Vec<McpServer>, CatalogError> {
    let mut servers = Vec::new();
    let mut ids = HashSet::new();
    let mut tokens = HashSet::new();
    let mut query = Vec::new();
    for _ in 0..MOST_PAGES {
        let page: Page = api.perform(&api.gateway(path, action, query)).await?;
        let read = page.entries.into_iter().filter_map(|entry| server(entry, name, api.endpoints()));
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
    #[serde(alias = "apiMcpServers", alias = "apiMcpServerCores", deserialize_with = "lenient::list")]
    entries: Vec<Value>,
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

fn server(entry: Value, name: Option<&str>, endpoints: &Endpoints) -> Option<McpServer> {
    let entry: Entry = serde_json::from_value(entry)
        .map_err(|error| tracing::warn!(%error, "an entry of the server list cannot be read and is left out"))
        .ok()?;
    let Urls { mcp, sse, vpc_mcp, vpc_sse } = entry.urls;
    let (mcp_path, mcp_problem) = path([mcp, vpc_mcp], endpoints);
    let (sse_path, sse_problem) = path([sse, vpc_sse], endpoints);
    let in_path = mcp_path.as_deref().or(sse_path.as_deref()).and_then(ServerPath::parse);
    let Some(id) = entry.id.or_else(|| in_path.map(|path| path.id.to_owned())) else {
        tracing::warn!(name = entry.name, "an entry of the server list has no id and is left out");
        return None;
    };
    let name = entry
        .name
        .or(entry.system_mcp_server_info.name)
        .or_else(|| in_path.and_then(|path| path.name).or(name).map(str::to_owned))
        .unwrap_or_else(|| id.clone());
    let out_of_reach = match (&mcp_path, &sse_path) {
        (None, None) => Some(mcp_problem.or(sse_problem).unwrap_or_else(|| NO_URL.to_owned())),
        _ => None,
    };
    let description = entry.description.unwrap_or_default();
    Some(McpServer { id, name, description, mcp_path, sse_path, out_of_reach })
}

/// The path that one of `urls` has on the gateway in use, which serves the same ones on all its hosts. Else why there is
/// none, if there are URLs at all: the first one's reason.
fn path(urls: [Option<String>; 2], endpoints: &Endpoints) -> (Option<String>, Option<String>) {
    let mut problem = None;
    for url in urls.into_iter().flatten() {
        match on_gateway(&url, endpoints) {
            Ok(path) => return (Some(path), None),
            Err(reason) => {
                problem.get_or_insert(reason);
            }
        }
    }
    (None, problem)
}

fn on_gateway(url: &str, endpoints: &Endpoints) -> Result<String, String> {
    let url = Url::parse(url).map_err(|error| format!("its address cannot be read ({error})"))?;
    let (at, gateway) = (url.origin().ascii_serialization(), endpoints.gateway.origin().ascii_serialization());
    match endpoints.leads(&url) {
        Leads::Here => Ok(url.path().to_owned()),
        Leads::OtherSite(site) => Err(format!(
            "it is on {at}, the gateway of the site {site}, and this upstream goes to {gateway}. For {site} run a \
             mcp-proxy with alibaba.region_type = \"{site}\""
        )),
        Leads::Elsewhere => Err(format!(
            "it is listed on {at}, which is no gateway of this cloud, so neither requests nor the token go there. If \
             that is your own gateway, name it in the url of the upstream"
        )),
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

    /// What is listed by a cloud without a Core edition.
    async fn listed(cloud: Cloud) -> Result<Vec<McpServer>, CatalogError> {
        let cloud = cloud.answering(200, NO_CORES);
        list_servers(&cloud.api()).await.map(|listed| {
            assert!(cloud.is_done() && listed.without_cores.is_none());
            listed.servers
        })
    }

    const NO_CORES: &str = r#"{"requestId":"ID","apiMcpServerCores":[]}"#;

    #[tokio::test]
    async fn both_requests_are_the_official_ones() {
        for (name, site) in [("ListApiMcpServers", Site::Cn), ("ListApiMcpServers INTL", Site::Intl)] {
            let official = official_request(name);
            let endpoints = Endpoints::resolve(site, &EndpointOverrides::default()).unwrap();
            let settings = Settings { site, endpoints, ..settings() };
            let date = &official.headers["x-acs-date"];
            let at = time::OffsetDateTime::parse(date, &time::format_description::well_known::Rfc3339).unwrap();
            let cloud = Cloud::default().answering(200, "{}").answering(200, NO_CORES);
            let api = cloud.api_with(&settings, credentials(), Wall::from_unix_seconds(at.unix_timestamp()));
            assert_eq!(list_servers(&api).await.unwrap(), Listed { servers: Vec::new(), without_cores: None });
            assert_official(&cloud.requests()[0], &official, "");
            // What the SDK sends, which signs further headers of its own.
            assert_eq!(cloud.asked()[1], "GET /apimcpservercores ListApiMcpServerCores");
            assert_eq!(cloud.headers("host")[1], official.headers["host"]);
            assert_eq!(cloud.headers("x-acs-version"), ["2024-11-30"; 2]);
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
        let servers = listed(Cloud::default().answering(200, &body)).await.unwrap();
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
        assert_eq!(ids(&listed(cloud.clone()).await.unwrap()), ["a", "b", "c", "d"]);
        assert_eq!(
            cloud.asked(),
            [
                "GET /apimcpservers ListApiMcpServers",
                "GET /apimcpservers?nextToken=p2%2B%2F%3D%3D ListApiMcpServers",
                "GET /apimcpservers?nextToken=p3 ListApiMcpServers",
                "GET /apimcpservercores ListApiMcpServerCores",
            ]
        );
    }

    #[tokio::test]
    async fn a_repeated_token_ends_the_reading() {
        let circle = |rest: &str| {
            let rest = format!(r#","nextToken":"same"{rest}"#);
            Cloud::default().answering(200, &page(&["a"], &rest)).answering(200, &page(&["b"], &rest))
        };
        let error = listed(circle("")).await.unwrap_err().to_string();
        assert!(error.contains("openapi-mcp.cn-hangzhou.aliyuncs.com does not end"), "{error}");
        assert!(listed(circle(r#","totalCount":3"#)).await.is_err());
        let complete = listed(circle(r#","totalCount":2"#)).await.unwrap();
        assert_eq!(ids(&complete), ["a", "b"]);
    }

    #[tokio::test]
    async fn a_list_without_end_is_given_up() {
        let endless = (0..MOST_PAGES)
            .fold(Cloud::default(), |cloud, n| cloud.answering(200, &page(&[], &format!(r#","nextToken":"t{n}""#))));
        let error = list_servers(&endless.api()).await.unwrap_err().to_string();
        assert!(error.contains("too many pages") && endless.is_done(), "{error}");
    }

    #[tokio::test]
    async fn servers_of_the_core_edition_are_listed_beside_the_others() {
        let cores = format!(
            r#"{{"apiMcpServerCores":[{{"id":"a"}},{{"id":"cOrE1","urls":{{"mcp":"{HOST}/id/cOrE1/mcp","sse":"{HOST}/id/cOrE1/sse"}}}},
            {{"id":"named","name":"own"}}],"nextToken":"2"}}"#
        );
        let second = r#"{"apiMcpServerCores":[{"id":"more"}]}"#;
        let cloud = Cloud::default().answering(200, &page(&["a"], "")).answering(200, &cores).answering(200, second);
        let servers = list_servers(&cloud.api()).await.unwrap().servers;
        let shown: Vec<_> = servers.iter().map(|s| (s.id.as_str(), s.name.as_str(), s.mcp_path.as_deref())).collect();
        let expected = [
            ("a", "n-a", None),
            ("cOrE1", "core", Some("/id/cOrE1/mcp")),
            ("named", "own", None),
            ("more", "core", None),
        ];
        assert_eq!(shown, expected);
        assert_eq!(cloud.asked()[2], "GET /apimcpservercores?nextToken=2 ListApiMcpServerCores");
    }

    #[tokio::test]
    async fn an_identity_that_may_not_list_the_core_edition_gets_the_rest_and_is_told() {
        let cloud = |status, answer: &str| Cloud::default().answering(200, &page(&["a"], "")).answering(status, answer);
        let refused = list_servers(&cloud(403, r#"{"code":"NoPermission"}"#).api()).await.unwrap();
        assert_eq!(ids(&refused.servers), ["a"]);
        let reason = refused.without_cores.unwrap();
        assert!(reason.contains("openapiexplorer:ListApiMcpServerCores") && reason.contains("RAM policy"), "{reason}");
        let unknown = cloud(404, r#"{"code":"InvalidAction.NotFound"}"#);
        assert!(list_servers(&unknown.api()).await.unwrap().without_cores.is_some());
        // What may pass is no reason to forget servers that were known.
        assert!(list_servers(&cloud(400, r#"{"code":"SignatureDoesNotMatch"}"#).api()).await.is_err());
        assert!(list_servers(&cloud(200, "<html>").api()).await.is_err());
    }

    #[tokio::test]
    async fn e5_the_host_of_a_listed_url_decides_whether_its_path_is_served() {
        const CN_VPC: &str = "https://openapi-mcp-cn.vpc-proxy.aliyuncs.com";
        const INTL: &str = "https://openapi-mcp.ap-southeast-1.aliyuncs.com";
        const EVIL: &str = "https://openapi-mcp.evil.example";
        let reached = Some("/id/x/mcp");
        for (urls, path, says) in [
            (format!(r#""mcp":"{HOST}/id/x/mcp""#), reached, &[][..]),
            (format!(r#""vpcMcp":"{CN_VPC}/id/x/mcp""#), reached, &[]),
            (format!(r#""mcp":"{EVIL}/id/x/mcp","vpcMcp":"{CN_VPC}/id/x/mcp""#), reached, &[]),
            (format!(r#""mcp":"{INTL}/id/x/mcp""#), None, &[INTL, HOST, "region_type = \"INTL\""]),
            (
                format!(r#""mcp":"{EVIL}/id/x/mcp""#),
                None,
                &[EVIL, "neither requests nor the token", "url of the upstream"],
            ),
            (format!(r#""mcp":"{HOST}:8443/id/x/mcp""#), None, &[":8443", "no gateway of this cloud"]),
            (r#""mcp":"nonsense""#.to_owned(), None, &["cannot be read"]),
            (r#""mcp":"""#.to_owned(), None, &["no address"]),
        ] {
            let body = format!(r#"{{"apiMcpServers":[{{"id":"x","name":"n","urls":{{{urls}}}}}]}}"#);
            let servers = listed(Cloud::default().answering(200, &body)).await.unwrap();
            let [server] = servers.as_slice() else { panic!("{urls}: {servers:?}") };
            assert_eq!(server.mcp_path.as_deref(), path, "{urls}");
            let reason = server.out_of_reach.clone().unwrap_or_default();
            assert_eq!(reason.is_empty(), path.is_some(), "{urls}: {reason}");
            assert!(says.iter().all(|part| reason.contains(part)), "{urls}: {reason}");
        }
    }
}
