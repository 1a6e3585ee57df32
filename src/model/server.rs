//! An MCP server as its operator lists it, and the path under which a gateway serves it.

/// One MCP server of an upstream's catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// The server's id: unique.
    pub id: String,
    /// The server's name: what people know it by; two servers may share one.
    pub name: String,
    /// What the operator says of it.
    pub description: String,
    /// Path of the Streamable HTTP endpoint, beginning with `/`.
    pub mcp_path: Option<String>,
    /// Path of the HTTP+SSE endpoint, beginning with `/`.
    pub sse_path: Option<String>,
    /// Why it has neither path: what keeps it out of reach, and what to do.
    pub out_of_reach: Option<String>,
}

impl McpServer {
    /// The server of a catalogue that a request for `path` goes to, as far as its paths and ids tell without doubt.
    pub fn at<'a>(path: &str, catalogue: &'a [Self]) -> Option<&'a Self> {
        let is_path = |known: &Option<String>| known.as_deref() == Some(path);
        if catalogue.is_empty() {
            return None;
        }
        let here = catalogue.iter().find(|server| is_path(&server.mcp_path) || is_path(&server.sse_path));
        here.or_else(|| {
            let said = ServerPath::parse(path)?;
            catalogue.iter().find(|server| server.id == said.id)
        })
    }

    /// True if `id`, as it stands in a request's path, is this server.
    ///
    /// The id in its own paths counts beside the one it is listed with: the gateway looks at the path.
    pub fn has_id(&self, id: &str) -> bool {
        let in_path =
            |path: &Option<String>| path.as_deref().and_then(ServerPath::parse).is_some_and(|said| said.id == id);
        self.id == id || in_path(&self.mcp_path) || in_path(&self.sse_path)
    }
}

/// What a gateway path says about the server behind it.
///
/// The forms are `/accounts/<uid>/custom/<name>/id/<id>/…`,
/// `/accounts/<uid>/system/<product>/<name>/id/<id>/…` and `/id/<id>/…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerPath<'a> {
    /// The name in the path: what the client *says*, not proof of what the id stands for.
    pub name: Option<&'a str>,
    /// The id in the path.
    pub id: &'a str,
}

impl<'a> ServerPath<'a> {
    /// Reads a path; `None` if it has none of the known forms.
    pub fn parse(path: &'a str) -> Option<Self> {
        // No form says anything after these.
        let mut segments = [""; 7];
        let said = path.strip_prefix('/')?.split('/').zip(&mut segments).map(|(said, segment)| *segment = said).count();
        match &segments[..said] {
            ["accounts", _, "custom", name, "id", id, ..] | ["accounts", _, "system", _, name, "id", id, ..] => {
                Some(Self { name: Some(name), id })
            }
            ["id", id, ..] => Some(Self { name: None, id }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_the_id_of_its_paths_too() {
        let server = McpServer {
            id: "listed".into(),
            name: "core".into(),
            description: String::new(),
            mcp_path: Some("/id/in-path/mcp".into()),
            sse_path: None,
            out_of_reach: None,
        };
        assert!(server.has_id("listed") && server.has_id("in-path") && !server.has_id("mcp"));
    }

    #[test]
    fn every_known_form_is_read() {
        let of = |path| ServerPath::parse(path).map(|p| (p.name, p.id));
        assert_eq!(of("/accounts/12/custom/ecs/id/aB3/mcp"), Some((Some("ecs"), "aB3")));
        assert_eq!(of("/accounts/12/system/eds-aic/phone/id/XS/sse"), Some((Some("phone"), "XS")));
        assert_eq!(of("/id/core1/mcp"), Some((None, "core1")));
        assert_eq!(of("/accounts/id/custom/id/id/aB3/mcp"), Some((Some("id"), "aB3")), "the place counts");
        assert_eq!(of("/mcp"), None);
        assert_eq!(of("accounts/12/custom/ecs/id/aB3"), None);
        assert_eq!(of("/accounts/12/custom/ecs"), None);
    }
}
