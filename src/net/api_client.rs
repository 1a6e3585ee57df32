//! The client for short calls: the token endpoint and the cloud's API. Every wait is bounded.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use url::Url;

use crate::net::settings::Settings;
use crate::net::tls::{self, TlsError};

/// The longest answer that is read. Token answers and lists are far smaller.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// An HTTP client with a time limit on everything, which follows no redirects and keeps no cookies. Clones are one
/// client.
#[derive(Debug, Clone)]
pub struct ApiClient(Arc<RwLock<Inner>>);

#[derive(Debug, Clone)]
struct Inner {
    http: reqwest::Client,
    timeout: Duration,
}

/// Why a call has no answer. `host` is the authority that was called; URLs are not shown, they may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No connection was made, so the request was surely not processed.
    #[error("cannot connect to {host}: {reason}")]
    Connect {
        /// Host and port.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// No whole answer came in time. The request may have been processed.
    #[error("{host} did not answer within {}", crate::model::time::in_words(*.after))]
    Timeout {
        /// Host and port.
        host: String,
        /// The limit that ran out.
        after: Duration,
    },
    /// The connection broke. The request may have been processed.
    #[error("the connection to {host} broke before the answer was complete: {reason}")]
    Broken {
        /// Host and port.
        host: String,
        /// The system's words.
        reason: String,
    },
    /// The answer is longer than [`ApiClient`] reads.
    #[error("the answer of {host} is longer than {LONGEST_ANSWER} bytes")]
    TooLong {
        /// Host and port.
        host: String,
    },
    /// The request's URL is not one that can be called.
    #[error("not a callable URL: {reason}")]
    BadUrl {
        /// What is wrong with it.
        reason: String,
    },
}

impl ApiError {
    /// True if the server surely did nothing, so that trying again cannot repeat an effect.
    pub fn surely_not_processed(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::BadUrl { .. })
    }
}

impl ApiClient {
    /// Makes a client. `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are respected.
    ///
    /// # Errors
    /// When no TLS configuration can be made from the settings.
    pub fn new(settings: &Settings) -> Result<Self, TlsError> {
        Inner::new(settings).map(|inner| Self(Arc::new(RwLock::new(inner))))
    }

    /// Makes a client for services on this machine or beside it, over plain HTTP and past every HTTP proxy: what they
    /// answer is for this machine alone. `timeout` is for the whole call.
    ///
    /// # Errors
    /// When the HTTP library cannot be set up.
    pub fn direct(timeout: Duration) -> Result<Self, TlsError> {
        let tls = tls::trusting_nobody()?;
        let http = builder(tls, timeout, timeout).no_proxy().build().map_err(library)?;
        Ok(Self(Arc::new(RwLock::new(Inner { http, timeout }))))
    }

    /// Uses other settings for calls that begin from now on, and reads the trusted authorities anew.
    ///
    /// # Errors
    /// When no TLS configuration can be made from the settings; then everything stays as it was.
    pub fn reload(&self, settings: &Settings) -> Result<(), TlsError> {
        let inner = Inner::new(settings)?;
        // Nobody panics while holding this lock.
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = inner;
        Ok(())
    }

    /// Performs one call. Statuses of every kind are answers, not errors.
    ///
    /// # Errors
    /// When no whole answer came; [`ApiError::surely_not_processed`] tells what may be repeated.
    pub async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
        let inner = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        inner.call(request).await
    }
}

fn builder(tls: rustls::ClientConfig, connect_timeout: Duration, timeout: Duration) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(connect_timeout)
        .timeout(timeout)
}

fn library(error: reqwest::Error) -> TlsError {
    TlsError::Library(rustls::Error::General(error.to_string()))
}

impl Inner {
    fn new(settings: &Settings) -> Result<Self, TlsError> {
        let tls = tls::client_config(settings.extra_ca_file.as_deref())?;
        let http = builder(tls, settings.connect_timeout, settings.api_timeout).build().map_err(library)?;
        Ok(Self { http, timeout: settings.api_timeout })
    }

    async fn call(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ApiError> {
        let url =
            Url::parse(&request.uri().to_string()).map_err(|error| ApiError::BadUrl { reason: error.to_string() })?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => return Err(ApiError::BadUrl { reason: "it names no host".to_owned() }),
        };
        let request =
            reqwest::Request::try_from(request).map_err(|error| ApiError::BadUrl { reason: error.to_string() })?;
        let failed = |error: reqwest::Error| self.sort(error, &host);
        let mut answer = self.http.execute(request).await.map_err(failed)?;
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if body.len() + chunk.len() > LONGEST_ANSWER {
                return Err(ApiError::TooLong { host });
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body.freeze());
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    fn sort(&self, error: reqwest::Error, host: &str) -> ApiError {
        let host = host.to_owned();
        // The innermost cause is the one that tells a person something; the URL is left out on purpose.
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        let reason = cause.to_string();
        if error.is_connect() {
            ApiError::Connect { host, reason }
        } else if error.is_timeout() {
            ApiError::Timeout { host, after: self.timeout }
        } else {
            ApiError::Broken { host, reason }
        }
    }
}
