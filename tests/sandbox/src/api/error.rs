//! Errors of the API gateway, with the codes and statuses of the cloud.

use serde_json::{Value, json};

use crate::random;
use crate::sign::claim::Malformed;

/// A refused API call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    /// For `NoPermission`: the action and the owner of the key.
    pub(crate) denied: Option<Box<(String, String)>>,
    /// The link to a remedy, when it is not the usual one.
    pub(crate) recommend: Option<String>,
    /// For throttling: milliseconds.
    pub(crate) retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            message: message.into(),
            denied: None,
            recommend: None,
            retry_after: None,
        }
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let text = format!("The parameter {parameter} is missing.");
        Self::new(400, &format!("Missing{parameter}"), text)
    }

    pub(crate) fn invalid(parameter: &str, why: &str) -> Self {
        let text = format!("The parameter {parameter} is invalid: {why}.");
        Self::new(400, &format!("InvalidParameter.{parameter}"), text)
    }

    pub(crate) fn no_permission(action: &str, account: &str) -> Self {
        let text = "You are not authorized to do this action. You should be authorized by RAM.";
        let mut error = Self::new(403, "NoPermission", text);
        error.denied = Some(Box::new((action.to_owned(), account.to_owned())));
        error
    }

    pub(crate) fn unknown_action() -> Self {
        let text = "Specified api is not found, please check your url and method.";
        Self::new(404, "InvalidAction.NotFound", text)
    }

    /// The fields of the answer in the casing of RPC products.
    pub(crate) fn fields(&self, host: &str, product: &str, request_id: &str) -> Value {
        let mut fields = json!({
            "RequestId": request_id,
            "HostId": host,
            "Code": self.code,
            "Message": self.message,
            "Recommend": self.recommend.clone().unwrap_or_else(|| recommend(&self.code, product, request_id)),
        });
        if let Some((action, account)) = self.denied.as_deref() {
            fields["AccessDeniedDetail"] = json!({
                "PolicyType": "AccountLevelIdentityBasedPolicy",
                "AuthPrincipalOwnerId": account,
                "AuthPrincipalType": "SubUser",
                "AuthPrincipalDisplayName": "200000000000000001",
                "NoPermissionType": "ImplicitDeny",
                "AuthAction": action,
                "EncodedDiagnosticMessage": random::token(40),
            });
        }
        fields
    }
}

/// The troubleshooting link that stands in every error.
pub(crate) fn recommend(code: &str, product: &str, request_id: &str) -> String {
    format!("https://api.aliyun.com/troubleshoot?q={code}&product={product}&requestId={request_id}")
}

impl From<Malformed> for ApiError {
    fn from(why: Malformed) -> Self {
        match why {
            Malformed::Unsigned => Self::new(400, "MissingAccessKeyId", "AccessKeyId is mandatory for this action."),
            Malformed::Incomplete(part) => {
                let text = format!("The request signature does not conform to Aliyun standards: {part}.");
                Self::new(400, "IncompleteSignature", text)
            }
            Malformed::Timestamp => {
                let text = "Specified time stamp or date value is not well formatted.";
                Self::new(400, "InvalidTimeStamp.Format", text)
            }
            Malformed::PayloadHash => {
                let text = "Specified signature is not matched with our calculation: \
                            x-acs-content-sha256 is not the hash of the body.";
                Self::new(400, "SignatureDoesNotMatch", text)
            }
        }
    }
}
