//! The actions that the API has: version, permission, path, and the hosts and signatures that are theirs.

use crate::sign::claim::Scheme;

/// What an action needs.
pub(crate) struct Action {
    pub(crate) version: &'static str,
    /// The RAM permission.
    pub(crate) permission: &'static str,
    pub(crate) product: &'static str,
    /// `/` for RPC products.
    pub(crate) path: &'static str,
    pub(crate) methods: &'static [&'static str],
}

pub(crate) fn action(name: &str) -> Option<Action> {
    const RPC: &[&str] = &["GET", "POST"];
    let ims = |permission| Action { version: "2019-08-15", permission, product: "Ims", path: "/", methods: RPC };
    let sts = |permission| Action { version: "2015-04-01", permission, product: "Sts", path: "/", methods: RPC };
    let mcp = |permission, path| Action {
        version: "2024-11-30",
        permission,
        product: "OpenAPIExplorer",
        path,
        methods: &["GET"],
    };
    Some(match name {
        "ListApplications" => ims("ram:ListApplications"),
        "GetApplication" => ims("ram:GetApplication"),
        "CreateApplication" => ims("ram:CreateApplication"),
        "UpdateApplication" => ims("ram:UpdateApplication"),
        "DeleteApplication" => ims("ram:DeleteApplication"),
        "GetCallerIdentity" => sts("sts:GetCallerIdentity"),
        "AssumeRole" => sts("sts:AssumeRole"),
        "AssumeRoleWithOIDC" => sts("sts:AssumeRoleWithOIDC"),
        "GenerateAccessToken" => Action {
            version: "2026-04-21",
            permission: "ram:GenerateAccessToken",
            product: "RamOAuth",
            path: "/",
            methods: RPC,
        },
        "ListApiMcpServers" => mcp("openapiexplorer:ListApiMcpServers", "/apimcpservers"),
        "UpdateBearerTokenSafetyPolicy" => Action { methods: &["POST"], ..mcp("", "/safePolicy/set") },
        "ListApiMcpServerCores" => mcp("openapiexplorer:ListApiMcpServerCores", "/apimcpservercores"),
        _ => return None,
    })
}

impl Action {
    /// Whether a host serves this action. One name serves them all where no name of the real cloud is used.
    pub(crate) fn belongs_to(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let name = host.split(':').next().unwrap_or_default();
        let is_real = [".aliyuncs.com", ".alibabacloudcs.com"].iter().any(|domain| name.ends_with(domain));
        let first = name.split('.').next().unwrap_or_default();
        !is_real
            || match self.product {
                "Ims" => first == "ims",
                "Sts" => matches!(first, "sts" | "sts-vpc"),
                "RamOAuth" => first == "ramoauth",
                _ => first.starts_with("openapi-mcp"),
            }
    }

    /// Whether requests may be signed by this scheme. Nobody has shown RamOAuth to accept anything but RPC, so it does
    /// not, unless a test says so.
    pub(crate) fn accepts(&self, scheme: Scheme, ramoauth_v3: bool) -> bool {
        match scheme {
            Scheme::V3 => self.product != "RamOAuth" || ramoauth_v3,
            Scheme::Rpc => self.path == "/",
            Scheme::Roa => self.path != "/",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_name_serves_its_own_product_alone() {
        for (name, host, serves) in [
            ("ListApplications", "ims.aliyuncs.com", true),
            ("ListApplications", "sts.aliyuncs.com", false),
            ("AssumeRole", "sts.cn-hangzhou.aliyuncs.com", true),
            ("AssumeRole", "sts-vpc.cn-hangzhou.aliyuncs.com:443", true),
            ("GenerateAccessToken", "ramoauth.alibabacloudcs.com", true),
            ("GenerateAccessToken", "ims.aliyuncs.com", false),
            ("ListApiMcpServers", "openapi-mcp.cn-hangzhou.aliyuncs.com", true),
            ("ListApiMcpServers", "localhost:1", true),
        ] {
            assert_eq!(action(name).unwrap().belongs_to(host), serves, "{name} {host}");
        }
    }

    #[test]
    fn schemes_are_those_that_are_known_to_work() {
        let accepts = |name: &str| {
            let action = action(name).unwrap();
            [Scheme::V3, Scheme::Rpc, Scheme::Roa].map(|scheme| action.accepts(scheme, false))
        };
        assert_eq!(accepts("ListApplications"), [true, true, false]);
        assert_eq!(accepts("AssumeRole"), [true, true, false]);
        assert_eq!(accepts("GenerateAccessToken"), [false, true, false]);
        assert_eq!(accepts("ListApiMcpServers"), [true, false, true]);
        assert!(action("GenerateAccessToken").unwrap().accepts(Scheme::V3, true));
    }
}
