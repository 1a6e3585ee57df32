//! The OAuth application through which people sign in: found by name, created if that is allowed, and checked.
//!
//! An application that does not fit would fail much later, in the browser or at the first refresh, with words
//! that do not name the cause. So type, scope and redirect URI are checked before a login begins.

use std::time::Duration;

use http::Method;
use serde::Deserialize;

use crate::alibaba::call::{Api, CallError};
use crate::alibaba::cloud_error::Kind;
use crate::alibaba::lenient;
use crate::alibaba::settings::Settings;

/// The only type that gets a refresh token without a client secret.
const NATIVE: &str = "NativeApp";

/// What a created application is called in the consent page; the aliyun CLI uses the same name.
const DISPLAY_NAME: &str = "AliyunCLI-MCP-Proxy";

/// Lifetime of access tokens in seconds: the longest that is allowed.
const ACCESS_TOKEN_VALIDITY: &str = "10800";

/// Lifetime of refresh tokens in seconds: a year, the longest that is allowed.
const REFRESH_TOKEN_VALIDITY: &str = "31536000";

/// An OAuth application that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthApp {
    /// The client id of the OAuth protocol.
    pub app_id: String,
    /// The application's name.
    pub app_name: String,
    /// The account that owns the application, if the cloud says so.
    pub account_id: Option<String>,
    /// Lifetime of an access token, if the cloud says so.
    pub access_token_validity: Option<Duration>,
    /// Lifetime of a refresh token, counted from the login, if the cloud says so.
    pub refresh_token_validity: Option<Duration>,
}

/// Why there is no application to sign in with.
#[derive(Debug, thiserror::Error)]
pub enum OauthAppError {
    /// The application that was asked for by name does not exist.
    #[error(
        "there is no OAuth application {name:?} in this account; there are: {}. Name one of them with \
         --oauth-app-name, or leave that out to have one created",
        list(existing)
    )]
    NotFound {
        /// The name that was asked for.
        name: String,
        /// Names of the applications of the account.
        existing: Vec<String>,
    },
    /// The application is of a type that cannot be used.
    #[error(
        "the OAuth application {name} (id {id}) has the type {found}, but it must be {NATIVE}: others get no refresh \
         token without a client secret. The type cannot be changed; name another application with \
         --oauth-app-name, or create one of type {NATIVE} in the RAM console, {console}"
    )]
    WrongType {
        /// The application's name.
        name: String,
        /// The application's id.
        id: String,
        /// Its type.
        found: String,
        /// Address of the RAM console.
        console: &'static str,
    },
    /// The application may not ask for the scope.
    #[error(
        "the OAuth application {name} (id {id}) does not have the scope {missing}; it has: {}. Add it with \
         `aliyun ims UpdateApplication --AppId {id} --NewPredefinedScopes {}` (the list replaces the old one), \
         or in the RAM console, {console}",
        list(existing),
        with_added(existing, missing)
    )]
    MissingScope {
        /// The application's name.
        name: String,
        /// The application's id.
        id: String,
        /// The scope that is needed.
        missing: String,
        /// The scopes that it has.
        existing: Vec<String>,
        /// Address of the RAM console.
        console: &'static str,
    },
    /// The application does not know the address to which the browser is sent back.
    #[error(
        "the OAuth application {name} (id {id}) does not have the redirect URI {missing}, which must be there \
         letter for letter; it has: {}. Add it with `aliyun ims UpdateApplication --AppId {id} --NewRedirectUris {}` \
         (the list replaces the old one), or in the RAM console, {console}{}",
        list(existing),
        with_added(existing, missing),
        if existing.is_empty() { "" } else { "; or use the --host and --port of one that it has" }
    )]
    MissingRedirectUri {
        /// The application's name.
        name: String,
        /// The application's id.
        id: String,
        /// The redirect URI that is needed.
        missing: String,
        /// The redirect URIs that it has.
        existing: Vec<String>,
        /// Address of the RAM console.
        console: &'static str,
    },
    /// The application is missing, and the identity may not create it.
    #[error(
        "{error}. Or have an administrator create the application: \
         `aliyun ims CreateApplication --AppName {name} --DisplayName {DISPLAY_NAME} --AppType {NATIVE} \
         --PredefinedScopes {} --RedirectUris {} --IsMultiTenant false --AccessTokenValidity {ACCESS_TOKEN_VALIDITY} \
         --RefreshTokenValidity {REFRESH_TOKEN_VALIDITY}`",
        with_added(&[], &scope.replace(' ', ";")),
        with_added(&[], redirect_uri)
    )]
    MayNotCreate {
        /// What the cloud says.
        error: Box<CallError>,
        /// The application's name.
        name: String,
        /// The scope that is needed.
        scope: String,
        /// The redirect URI that is needed.
        redirect_uri: String,
    },
    /// The cloud says that the name is taken, but does not list the application.
    #[error(
        "the OAuth application {name:?} cannot be created, for the name is taken, but it is not listed either. \
         Try again in a minute, or name another application with --oauth-app-name"
    )]
    Hidden {
        /// The name.
        name: String,
    },
    /// The cloud describes an application without an id.
    #[error(
        "the answer to {action} describes the OAuth application {name:?} without its AppId. Check the ims endpoint"
    )]
    NoId {
        /// The call.
        action: &'static str,
        /// The name.
        name: String,
    },
    /// A call to the cloud failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

/// Finds the application of the settings, creates it if it is the default one, and checks that it fits.
///
/// # Errors
/// The application is missing or does not fit, or the cloud does not answer as it should.
pub async fn find_or_create(api: &Api, settings: &Settings, redirect_uri: &str) -> Result<OauthApp, OauthAppError> {
    let name = settings.app_name();
    let existing = list_applications(api).await?;
    if let Some(found) = by_name(&existing, name) {
        return found.fitting(settings, Some(redirect_uri), "ListApplications");
    }
    if settings.oauth_app_name.is_some() {
        let existing = existing.into_iter().filter_map(|application| application.app_name).collect();
        return Err(OauthAppError::NotFound { name: name.to_owned(), existing });
    }
    match create(api, settings, redirect_uri).await {
        Ok(created) => {
            let app = created.fitting(settings, Some(redirect_uri), "CreateApplication")?;
            tracing::info!(name, id = app.app_id, "created the OAuth application");
            Ok(app)
        }
        // Somebody else was faster, or an earlier try was processed although its answer was lost.
        Err(error) if error.kind() == Some(Kind::AlreadyExists) => {
            match by_name(&list_applications(api).await?, name) {
                Some(found) => found.fitting(settings, Some(redirect_uri), "ListApplications"),
                None => Err(OauthAppError::Hidden { name: name.to_owned() }),
            }
        }
        Err(error) if error.kind() == Some(Kind::NoPermission) => Err(OauthAppError::MayNotCreate {
            error: Box::new(error),
            name: name.to_owned(),
            scope: settings.scope.clone(),
            redirect_uri: redirect_uri.to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}

/// Looks at the application of the settings, and makes none; `None` if it would be created at the first sign-in. Without a
/// `redirect_uri`, that alone is not looked at.
///
/// # Errors
/// It is missing or does not fit, or the cloud does not answer as it should.
pub async fn inspect(
    api: &Api,
    settings: &Settings,
    redirect_uri: Option<&str>,
) -> Result<Option<OauthApp>, OauthAppError> {
    let (name, existing) = (settings.app_name(), list_applications(api).await?);
    match by_name(&existing, name) {
        Some(found) => found.fitting(settings, redirect_uri, "ListApplications").map(Some),
        None if settings.oauth_app_name.is_none() => Ok(None),
        None => {
            let existing = existing.into_iter().filter_map(|application| application.app_name).collect();
            Err(OauthAppError::NotFound { name: name.to_owned(), existing })
        }
    }
}

/// Looks at an application that was used before; `None` if it does not exist any more.
///
/// # Errors
/// It does not fit any more, or the cloud does not answer as it should.
pub async fn find_by_id(
    api: &Api,
    settings: &Settings,
    app_id: &str,
    redirect_uri: &str,
) -> Result<Option<OauthApp>, OauthAppError> {
    let call = api.ims(Method::GET, "GetApplication", vec![("AppId", app_id.to_owned())]);
    match api.perform::<OneApplication>(&call).await {
        Ok(answer) => answer.application.fitting(settings, Some(redirect_uri), "GetApplication").map(Some),
        Err(error) if error.kind() == Some(Kind::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn list_applications(api: &Api) -> Result<Vec<Application>, CallError> {
    let call = api.ims(Method::POST, "ListApplications", Vec::new());
    let answer: AllApplications = api.perform(&call).await?;
    Ok(answer.applications.application)
}

async fn create(api: &Api, settings: &Settings, redirect_uri: &str) -> Result<Application, CallError> {
    let query = vec![
        ("AccessTokenValidity", ACCESS_TOKEN_VALIDITY.to_owned()),
        ("AppName", settings.app_name().to_owned()),
        ("AppType", NATIVE.to_owned()),
        ("DisplayName", DISPLAY_NAME.to_owned()),
        // The cloud's default for native applications is true: other accounts could install it.
        ("IsMultiTenant", "false".to_owned()),
        ("PredefinedScopes", settings.scope.replace(' ', ";")),
        ("ProtocolVersion", "2.1".to_owned()),
        ("RedirectUris", redirect_uri.to_owned()),
        ("RefreshTokenValidity", REFRESH_TOKEN_VALIDITY.to_owned()),
    ];
    let call = api.ims(Method::POST, "CreateApplication", query);
    api.perform::<OneApplication>(&call).await.map(|answer| answer.application)
}

fn by_name<'a>(applications: &'a [Application], name: &str) -> Option<&'a Application> {
    applications.iter().find(|application| application.app_name.as_deref() == Some(name))
}

/// Names for a message, shortened where an account has very many.
fn list(names: &[String]) -> String {
    const MOST: usize = 20;
    match names {
        [] => "none".to_owned(),
        few if few.len() <= MOST => few.join(", "),
        many => format!("{}, and {} more", many[..MOST].join(", "), many.len() - MOST),
    }
}

/// The API's list value with one more element, quoted for a shell.
fn with_added(existing: &[String], added: &str) -> String {
    let all = existing.iter().map(String::as_str).chain([added]).collect::<Vec<_>>().join(";");
    format!("'{}'", all.replace('\'', r"'\''"))
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct AllApplications {
    #[serde(deserialize_with = "lenient::object")]
    applications: ApplicationList,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct ApplicationList {
    #[serde(deserialize_with = "lenient::list")]
    application: Vec<Application>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OneApplication {
    application: Application,
}

/// An application as the API describes it. Every field may be missing.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Application {
    #[serde(deserialize_with = "lenient::text")]
    app_id: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    app_name: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    app_type: Option<String>,
    #[serde(deserialize_with = "lenient::text")]
    account_id: Option<String>,
    #[serde(deserialize_with = "lenient::flag")]
    secret_required: Option<bool>,
    #[serde(deserialize_with = "lenient::seconds")]
    access_token_validity: Option<Duration>,
    #[serde(deserialize_with = "lenient::seconds")]
    refresh_token_validity: Option<Duration>,
    #[serde(deserialize_with = "lenient::object")]
    redirect_uris: RedirectUris,
    #[serde(deserialize_with = "lenient::object")]
    delegated_scope: DelegatedScope,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct RedirectUris {
    #[serde(deserialize_with = "lenient::list")]
    redirect_uri: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct DelegatedScope {
    #[serde(deserialize_with = "lenient::object")]
    predefined_scopes: PredefinedScopes,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct PredefinedScopes {
    #[serde(deserialize_with = "lenient::list")]
    predefined_scope: Vec<PredefinedScope>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct PredefinedScope {
    #[serde(deserialize_with = "lenient::text")]
    name: Option<String>,
}

impl Application {
    /// The application, if one can sign in with it.
    fn fitting(
        &self,
        settings: &Settings,
        redirect_uri: Option<&str>,
        action: &'static str,
    ) -> Result<OauthApp, OauthAppError> {
        let name = self.app_name.clone().unwrap_or_else(|| settings.app_name().to_owned());
        let console = settings.site.ram_console();
        let Some(id) = self.app_id.clone() else { return Err(OauthAppError::NoId { action, name }) };
        if self.app_type.as_deref() != Some(NATIVE) {
            let found = self.app_type.clone().unwrap_or_else(|| "unknown".to_owned());
            return Err(OauthAppError::WrongType { name, id, found, console });
        }
        let existing = self.scopes();
        if let Some(missing) = settings.scope.split(' ').find(|scope| !existing.iter().any(|known| known == scope)) {
            let missing = missing.to_owned();
            return Err(OauthAppError::MissingScope { name, id, missing, existing, console });
        }
        let existing = &self.redirect_uris.redirect_uri;
        if let Some(missing) = redirect_uri.filter(|wanted| !existing.iter().any(|known| known == wanted)) {
            let (missing, existing) = (missing.to_owned(), existing.clone());
            return Err(OauthAppError::MissingRedirectUri { name, id, missing, existing, console });
        }
        if self.secret_required == Some(true) {
            // Not known to be refused, so it is said and not enforced.
            tracing::warn!(
                name,
                id,
                "the OAuth application requires a client secret, which is not sent; sign-in may fail"
            );
        }
        Ok(OauthApp {
            app_id: id,
            app_name: name,
            account_id: self.account_id.clone(),
            access_token_validity: self.access_token_validity,
            refresh_token_validity: self.refresh_token_validity,
        })
    }

    fn scopes(&self) -> Vec<String> {
        let scopes = &self.delegated_scope.predefined_scopes.predefined_scope;
        scopes.iter().filter_map(|scope| scope.name.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alibaba::credentials::ApiCredentials;
    use crate::alibaba::testing::{Cloud, assert_official, credentials, official_request, settings};
    use crate::model::secret::Secret;
    use crate::model::time::Wall;

    const REDIRECT: &str = "http://127.0.0.1:8088/callback";
    const OTHER: &str = r#"{"AppId":"4000000000000000001","AppName":"another-web-app","AppType":"WebApp"}"#;
    const OURS: &str = r#"{"AppId":"4567890123456789012","AppName":"aliyun-cli-mcp-proxy","AppType":"NativeApp","AccountId":"1234567890123456","AccessTokenValidity":10800,"RefreshTokenValidity":31536000,"RedirectUris":{"RedirectUri":["http://127.0.0.1:8088/callback"]},"DelegatedScope":{"PredefinedScopes":{"PredefinedScope":[{"Name":"openid"},{"Name":"/acs/mcp-server","Required":false}]}}}"#;
    const TAKEN: &str = r#"{"Code":"EntityAlreadyExists.Application","Message":"exists"}"#;

    fn listed(applications: &[&str]) -> String {
        format!(r#"{{"RequestId":"ID","Applications":{{"Application":[{}]}}}}"#, applications.join(","))
    }

    fn one(application: &str) -> String {
        format!(r#"{{"RequestId":"ID","Application":{application}}}"#)
    }

    fn expected() -> OauthApp {
        OauthApp {
            app_id: "4567890123456789012".to_owned(),
            app_name: "aliyun-cli-mcp-proxy".to_owned(),
            account_id: Some("1234567890123456".to_owned()),
            access_token_validity: Some(Duration::from_secs(10_800)),
            refresh_token_validity: Some(Duration::from_secs(31_536_000)),
        }
    }

    fn named(name: &str) -> Settings {
        Settings { oauth_app_name: Some(name.to_owned()), ..settings() }
    }

    /// When the official client sent a request, so that ours carries the same date.
    fn sent_at(date: &str) -> Wall {
        let description = &time::format_description::well_known::Rfc3339;
        Wall::from_unix_seconds(time::OffsetDateTime::parse(date, description).unwrap().unix_timestamp())
    }

    #[tokio::test]
    async fn requests_say_what_the_official_client_says() {
        for (name, added) in [("ListApplications", ""), ("CreateApplication", "IsMultiTenant=false&")] {
            let official = official_request(name);
            let cloud = Cloud::default().answering(200, &listed(&[OTHER])).answering(200, &one(OURS));
            let api = cloud.api_with(&settings(), credentials(), sent_at(&official.headers["x-acs-date"]));
            if name == "ListApplications" {
                list_applications(&api).await.unwrap();
            } else {
                find_or_create(&api, &settings(), REDIRECT).await.unwrap();
            }
            assert_official(&cloud.last_request(), &official, added);
        }
        for name in ["GetApplication", "GetApplication with a security token"] {
            let official = official_request(name);
            let credentials = ApiCredentials {
                access_key_id: official.key_id.clone(),
                access_key_secret: Secret::new(official.secret.as_str()),
                security_token: official.headers.get("x-acs-security-token").map(Secret::new),
                ..credentials()
            };
            let cloud = Cloud::default().answering(200, &one(OURS));
            let api = cloud.api_with(&settings(), credentials, sent_at(&official.headers["x-acs-date"]));
            find_by_id(&api, &settings(), "4567890123456789012", REDIRECT).await.unwrap();
            assert_official(&cloud.last_request(), &official, "");
        }
    }

    #[tokio::test]
    async fn an_existing_application_is_found_by_its_name() {
        for settings in [settings(), named("aliyun-cli-mcp-proxy")] {
            let cloud = Cloud::default().answering(200, &listed(&[OTHER, OURS]));
            assert_eq!(find_or_create(&cloud.api(), &settings, REDIRECT).await.unwrap(), expected());
            assert_eq!(cloud.asked(), ["POST / ListApplications"]);
        }
    }

    #[tokio::test]
    async fn the_default_application_is_created_if_it_is_missing() {
        for empty in ["{}", r#"{"Applications":null}"#, r#"{"Applications":{"Application":null}}"#, &listed(&[OTHER])] {
            let cloud = Cloud::default().answering(200, empty).answering(200, &one(OURS));
            assert_eq!(find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap(), expected());
            assert!(cloud.asked()[1].contains("&IsMultiTenant=false&"), "{:?}", cloud.asked());
        }
    }

    #[tokio::test]
    async fn a_named_application_is_never_created() {
        let cloud = Cloud::default().answering(200, &listed(&[OTHER, OURS]));
        let error = find_or_create(&cloud.api(), &named("mine"), REDIRECT).await.unwrap_err();
        let says = error.to_string();
        assert!(matches!(error, OauthAppError::NotFound { .. }), "{says}");
        assert!(says.contains("\"mine\"") && says.contains("another-web-app, aliyun-cli-mcp-proxy"), "{says}");
        assert!(cloud.is_done() && cloud.asked().len() == 1);
    }

    #[tokio::test]
    async fn losing_the_race_to_create_it_means_using_the_winners() {
        let race = || Cloud::default().answering(200, &listed(&[])).answering(409, TAKEN);
        let cloud = race().answering(200, &listed(&[OURS]));
        assert_eq!(find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap(), expected());
        let cloud = race().answering(200, &listed(&[]));
        let error = find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap_err();
        assert!(matches!(error, OauthAppError::Hidden { .. }), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_creation_whose_answer_was_lost_is_found_by_its_name() {
        let trouble = r#"{"Code":"ServiceUnavailable","Message":"busy"}"#;
        let cloud = Cloud::default()
            .answering(200, &listed(&[]))
            .answering(503, trouble)
            .answering(409, TAKEN)
            .answering(200, &listed(&[OTHER, OURS]));
        assert_eq!(find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap(), expected());
        assert!(cloud.is_done());
    }

    #[tokio::test]
    async fn the_winners_application_must_fit_too() {
        let theirs = OURS.replace("8088", "9");
        let cloud =
            Cloud::default().answering(200, &listed(&[])).answering(409, TAKEN).answering(200, &listed(&[&theirs]));
        let error = find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap_err();
        assert!(matches!(error, OauthAppError::MissingRedirectUri { .. }), "{error}");
    }

    #[tokio::test]
    async fn a_missing_permission_names_the_ram_action_and_the_policy_that_grants_it() {
        let denied = r#"{"Code":"NoPermission","Message":"You are not authorized to do this action."}"#;
        let policy = |action: &str| {
            format!(r#"{{"Statement":[{{"Action":"{action}","Effect":"Allow","Resource":"*"}}],"Version":"1"}}"#)
        };
        let settings = settings();
        for (cloud, action) in [
            (Cloud::default().answering(403, denied), "ram:ListApplications"),
            (Cloud::default().answering(200, &listed(&[])).answering(403, denied), "ram:CreateApplication"),
            (
                Cloud::default().answering(200, &listed(&[])).answering(409, TAKEN).answering(403, denied),
                "ram:ListApplications",
            ),
        ] {
            let says = find_or_create(&cloud.api(), &settings, REDIRECT).await.unwrap_err().to_string();
            let parts =
                [&format!("the identity of profile default in /h/config.json may not do {action}."), &policy(action)];
            assert!(parts.iter().all(|part| says.contains(*part)), "{says}");
            let by_hand = "`aliyun ims CreateApplication --AppName aliyun-cli-mcp-proxy --DisplayName AliyunCLI-MCP-Proxy \
                           --AppType NativeApp --PredefinedScopes '/acs/mcp-server' --RedirectUris \
                           'http://127.0.0.1:8088/callback' --IsMultiTenant false";
            assert_eq!(says.contains(by_hand), action == "ram:CreateApplication", "{says}");
        }
        let cloud = Cloud::default().answering(403, denied);
        let says = find_by_id(&cloud.api(), &settings, "1", REDIRECT).await.unwrap_err().to_string();
        assert!(says.contains(&policy("ram:GetApplication")), "{says}");
    }

    #[tokio::test]
    async fn an_account_that_is_full_of_applications_is_told_so() {
        let full = r#"{"Code":"LimitExceeded.Application","Message":"Too many applications."}"#;
        let cloud = Cloud::default().answering(200, &listed(&[])).answering(409, full);
        let says = find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap_err().to_string();
        assert!(says.contains("Too many applications. Delete one that is not used any more"), "{says}");
    }

    #[tokio::test]
    async fn an_application_that_does_not_fit_is_explained() {
        type Check = fn(&OauthAppError) -> bool;
        let uri = r#""http://127.0.0.1:8088/callback""#;
        let cases: [(String, Check, &[&str]); 6] = [
            (
                OURS.replace("NativeApp", "WebApp"),
                |error| matches!(error, OauthAppError::WrongType { .. }),
                &["type WebApp", "must be NativeApp", "https://ram.console.aliyun.com"],
            ),
            (
                OURS.replace("/acs/mcp-server", "profile"),
                |error| matches!(error, OauthAppError::MissingScope { .. }),
                &[
                    "scope /acs/mcp-server; it has: openid, profile",
                    "--NewPredefinedScopes 'openid;profile;/acs/mcp-server'",
                ],
            ),
            (
                OURS.replace("DelegatedScope", "Nothing"),
                |error| matches!(error, OauthAppError::MissingScope { .. }),
                &["it has: none", "--NewPredefinedScopes '/acs/mcp-server'"],
            ),
            (
                OURS.replace(uri, r#""http://127.0.0.1:8088/callback/","http://it's:1/""#),
                |error| matches!(error, OauthAppError::MissingRedirectUri { .. }),
                &[
                    "redirect URI http://127.0.0.1:8088/callback, which",
                    "--AppId 4567890123456789012 --NewRedirectUris 'http://127.0.0.1:8088/callback/;http://it'\\''s:1/;http://127.0.0.1:8088/callback'",
                    "--port",
                ],
            ),
            (
                OURS.replace("RedirectUris", "Nothing"),
                |error| matches!(error, OauthAppError::MissingRedirectUri { .. }),
                &["it has: none", "https://ram.console.aliyun.com"],
            ),
            (
                OURS.replace("AppId", "Nothing"),
                |error| matches!(error, OauthAppError::NoId { action: "ListApplications", .. }),
                &["without its AppId"],
            ),
        ];
        for (application, is_expected, parts) in cases {
            let cloud = Cloud::default().answering(200, &listed(&[&application]));
            let error = find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap_err();
            let says = error.to_string();
            assert!(is_expected(&error), "{says}");
            assert!(parts.iter().all(|part| says.contains(part)), "{says}");
        }
    }

    #[tokio::test]
    async fn every_scope_that_is_asked_for_must_be_there() {
        let settings = Settings { scope: "openid /acs/mcp-server aliuid".to_owned(), ..settings() };
        let cloud = Cloud::default().answering(200, &listed(&[])).answering(200, &one(OURS));
        let error = find_or_create(&cloud.api(), &settings, REDIRECT).await.unwrap_err();
        assert!(cloud.asked()[1].contains("PredefinedScopes=openid%3B%2Facs%2Fmcp-server%3Baliuid"));
        assert!(matches!(&error, OauthAppError::MissingScope { missing, .. } if missing == "aliuid"), "{error}");
    }

    #[tokio::test]
    async fn numbers_may_come_as_strings_and_ids_as_numbers() {
        let application = OURS
            .replace("\"4567890123456789012\"", "4567890123456789012")
            .replace("10800", "\"10800\"")
            .replace("31536000", "\"31536000\"");
        let cloud = Cloud::default().answering(200, &listed(&[&application]));
        assert_eq!(find_or_create(&cloud.api(), &settings(), REDIRECT).await.unwrap(), expected());
    }

    #[tokio::test]
    async fn a_used_application_is_looked_up_by_its_id() {
        let gone = r#"{"Code":"EntityNotExist.Application","Message":"The application does not exist."}"#;
        let cloud = Cloud::default().answering(200, &one(OURS)).answering(404, gone);
        let api = cloud.api();
        let settings = settings();
        let find = || find_by_id(&api, &settings, "4567890123456789012", REDIRECT);
        assert_eq!(find().await.unwrap(), Some(expected()));
        assert_eq!(find().await.unwrap(), None);
    }
}
