//! The parameter rules of CreateApplication and UpdateApplication.

use crate::api::error::ApiError;
use crate::cloud::applications::{AppType, SCOPES};
use crate::sign::encoding::{Pairs, text};

/// A parameter that must be there and not be empty.
pub(crate) fn required<'a>(parameters: &'a Pairs, name: &str) -> Result<&'a str, ApiError> {
    optional(parameters, name).ok_or_else(|| ApiError::missing(name))
}

/// A parameter that may be absent; empty counts as absent.
pub(crate) fn optional<'a>(parameters: &'a Pairs, name: &str) -> Option<&'a str> {
    text(parameters, name).filter(|value| !value.is_empty())
}

/// At most 64 letters, digits, `.`, `_`, `-`.
pub(crate) fn app_name(value: &str) -> Result<String, ApiError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if value.len() > 64 || !value.bytes().all(plain) {
        return Err(ApiError::invalid("AppName", "at most 64 letters, digits, '.', '_' or '-'"));
    }
    Ok(value.to_owned())
}

/// At most 24 characters.
pub(crate) fn display_name(value: &str) -> Result<String, ApiError> {
    if value.chars().count() > 24 {
        return Err(ApiError::invalid("DisplayName", "at most 24 characters"));
    }
    Ok(value.to_owned())
}

pub(crate) fn app_type(value: &str) -> Result<AppType, ApiError> {
    AppType::parse(value).ok_or_else(|| ApiError::invalid("AppType", "WebApp, NativeApp or ServerApp"))
}

pub(crate) fn protocol_version(value: &str) -> Result<String, ApiError> {
    match value {
        "2.0" | "2.1" => Ok(value.to_owned()),
        _ => Err(ApiError::invalid("ProtocolVersion", "2.0 or 2.1")),
    }
}

/// Seconds within 900 and 10800.
pub(crate) fn access_token_validity(value: &str) -> Result<i64, ApiError> {
    seconds("AccessTokenValidity", value, 900, 10_800)
}

/// Seconds within 7200 and 31536000.
pub(crate) fn refresh_token_validity(value: &str) -> Result<i64, ApiError> {
    seconds("RefreshTokenValidity", value, 7_200, 31_536_000)
}

fn seconds(name: &str, value: &str, least: i64, most: i64) -> Result<i64, ApiError> {
    let in_range = |number: &i64| (least..=most).contains(number);
    value.parse().ok().filter(in_range).ok_or_else(|| ApiError::invalid(name, &format!("{least} to {most} seconds")))
}

pub(crate) fn boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" | "True" => Ok(true),
        "false" | "False" => Ok(false),
        _ => Err(ApiError::invalid(name, "true or false")),
    }
}

/// Values separated by `;`, each a scope the cloud knows.
pub(crate) fn scopes(name: &str, value: &str) -> Result<Vec<String>, ApiError> {
    let scopes = list(value);
    match scopes.iter().find(|scope| !SCOPES.iter().any(|(known, _)| known == scope)) {
        Some(unknown) => Err(ApiError::invalid(name, &format!("unknown scope {unknown}"))),
        None => Ok(scopes),
    }
}

/// Values separated by `;`, each an absolute URI without a fragment.
pub(crate) fn redirect_uris(name: &str, value: &str) -> Result<Vec<String>, ApiError> {
    let uris = list(value);
    let absolute = |uri: &String| url::Url::parse(uri).is_ok_and(|uri| uri.fragment().is_none());
    if uris.iter().all(absolute) { Ok(uris) } else { Err(ApiError::invalid(name, "absolute URIs without a fragment")) }
}

fn list(value: &str) -> Vec<String> {
    value.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}
