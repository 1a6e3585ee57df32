//! OAuth applications: the registry behind IMS and the sign-in page.

use serde_json::{Value, json};

use crate::clock::iso8601;

/// Scopes the cloud knows, with the text of the consent page.
pub(crate) const SCOPES: [(&str, &str); 4] = [
    ("openid", "Obtain the OpenID of the user"),
    ("aliuid", "Obtain the Alibaba Cloud account id of the user"),
    ("profile", "Obtain the name of the user"),
    ("/acs/mcp-server", "Access Alibaba Cloud OpenAPI MCP servers"),
];

/// Most applications an account may have.
pub(crate) const LIMIT: usize = 100;

/// The kinds of application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppType {
    Web,
    Native,
    Server,
}

impl AppType {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "WebApp" => Some(Self::Web),
            "NativeApp" => Some(Self::Native),
            "ServerApp" => Some(Self::Server),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Web => "WebApp",
            Self::Native => "NativeApp",
            Self::Server => "ServerApp",
        }
    }
}

/// A registered application.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    pub(crate) id: String,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) kind: AppType,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) required_scopes: Vec<String>,
    pub(crate) access_token_validity: i64,
    pub(crate) refresh_token_validity: i64,
    pub(crate) protocol_version: String,
    pub(crate) multi_tenant: bool,
    pub(crate) secret_required: bool,
    pub(crate) secrets: Vec<String>,
    pub(crate) created: i64,
    pub(crate) updated: i64,
}

impl Application {
    /// The form IMS answers in.
    pub(crate) fn to_json(&self) -> Value {
        let scopes: Vec<Value> = self
            .scopes
            .iter()
            .map(|name| {
                let text = SCOPES.iter().find(|(own, _)| own == name).map_or("", |(_, text)| text);
                let required = self.required_scopes.contains(name);
                json!({ "Name": name, "Description": text, "Required": required })
            })
            .collect();
        json!({
            "AppId": self.id,
            "AppName": self.name,
            "DisplayName": self.display_name,
            "AppType": self.kind.name(),
            "AccountId": self.account,
            "CreateDate": iso8601(self.created),
            "UpdateDate": iso8601(self.updated),
            "IsMultiTenant": self.multi_tenant,
            "SecretRequired": self.secret_required,
            "ProtocolVersion": self.protocol_version,
            "AccessTokenValidity": self.access_token_validity,
            "RefreshTokenValidity": self.refresh_token_validity,
            "RedirectUris": { "RedirectUri": self.redirect_uris },
            "DelegatedScope": { "PredefinedScopes": { "PredefinedScope": scopes } },
        })
    }
}

/// All applications of all accounts.
#[derive(Debug, Default)]
pub(crate) struct Applications(Vec<Application>);

impl Applications {
    /// By client id, whoever owns it: what the sign-in page and token endpoint look up.
    pub(crate) fn by_client_id(&self, id: &str) -> Option<&Application> {
        self.0.iter().find(|app| app.id == id)
    }

    pub(crate) fn of<'a>(&'a self, account: &'a str) -> impl Iterator<Item = &'a Application> {
        self.0.iter().filter(move |app| app.account == account)
    }

    pub(crate) fn get_mut(&mut self, account: &str, id: &str) -> Option<&mut Application> {
        self.0.iter_mut().find(|app| app.account == account && app.id == id)
    }

    pub(crate) fn by_client_id_mut(&mut self, id: &str) -> Option<&mut Application> {
        self.0.iter_mut().find(|app| app.id == id)
    }

    pub(crate) fn insert(&mut self, app: Application) {
        self.0.push(app);
    }

    /// Whether there was one to remove.
    pub(crate) fn remove(&mut self, account: &str, id: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|app| app.account != account || app.id != id);
        self.0.len() != before
    }
}
