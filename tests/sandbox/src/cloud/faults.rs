//! Injected faults: what fails, and how many times.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// What the token endpoint does instead of its work, or beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum TokenFault {
    /// Answers with this status and a short JSON body.
    Status {
        /// The status.
        status: u16,
        /// Seconds for `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Waits a while, then works.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// Does the work at once (a refresh token is consumed), and answers only after a while.
    SlowAfter {
        /// Milliseconds.
        ms: u64,
    },
    /// Never answers.
    Hang,
    /// Closes the connection before anything was done.
    CutBefore,
    /// Does the work (a refresh token is consumed), then closes without an answer.
    CutAfter,
    /// The error page of a load balancer, status 502.
    Html,
    /// Status 200 and something that is not JSON.
    Garbage,
    /// Works, but sends the answer byte by byte.
    Drip {
        /// Milliseconds between two bytes.
        ms: u64,
    },
    /// Answers just this and does nothing.
    Answer {
        /// The status.
        status: u16,
        /// The type of the body.
        content_type: String,
        /// The body.
        body: String,
    },
    /// Refuses with this OAuth error, as after a revocation.
    OAuth {
        /// For example `invalid_grant`.
        error: String,
    },
}

/// What the gateway's data plane does instead of its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum GatewayFault {
    /// Answers with this status and a short body, without reading the request body.
    Status {
        /// The status.
        status: u16,
        /// Seconds for `Retry-After`.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Reads the request and never answers.
    Hang,
    /// Closes the connection before anything was done.
    CutBefore,
    /// Works, but closes the connection after this many bytes of the response body.
    CutAfter {
        /// Bytes of the body that still leave.
        bytes: u64,
    },
}

/// What the signed API (IMS, STS, server list) does instead of its work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum ApiFault {
    /// `ServiceUnavailable` with status 503.
    Down,
    /// `Throttling.User`, with `x-acs-retry-after` in milliseconds when set.
    Throttled {
        /// Milliseconds to wait.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
    /// `NoPermission` for whatever action is asked.
    Denied,
    /// Never answers.
    Hang,
    /// Status 502 and an HTML page.
    Html,
    /// Any error of the cloud.
    Error {
        /// The status.
        status: u16,
        /// `Code`.
        code: String,
        /// `Message`.
        message: String,
        /// `Recommend`; the usual link when not said.
        #[serde(default)]
        recommend: Option<String>,
        /// Milliseconds for `x-acs-retry-after`.
        #[serde(default)]
        retry_after_ms: Option<u64>,
    },
}

/// A fault, and for how many calls it still holds; `None` means until cleared.
#[derive(Debug)]
struct Armed<F> {
    fault: F,
    left: Option<u32>,
}

/// All armed faults; at most one per place, and one per action of the API.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    token: Option<Armed<TokenFault>>,
    gateway: Option<Armed<GatewayFault>>,
    api: Option<Armed<ApiFault>>,
    actions: HashMap<String, Armed<ApiFault>>,
}

impl Faults {
    pub(crate) fn arm_token(&mut self, fault: TokenFault, times: Option<u32>) {
        self.token = Some(Armed { fault, left: times });
    }

    pub(crate) fn arm_gateway(&mut self, fault: GatewayFault, times: Option<u32>) {
        self.gateway = Some(Armed { fault, left: times });
    }

    pub(crate) fn arm_api(&mut self, fault: ApiFault, times: Option<u32>) {
        self.api = Some(Armed { fault, left: times });
    }

    pub(crate) fn arm_action(&mut self, action: &str, fault: ApiFault, times: Option<u32>) {
        self.actions.insert(action.to_owned(), Armed { fault, left: times });
    }

    pub(crate) fn take_token(&mut self) -> Option<TokenFault> {
        take(&mut self.token)
    }

    pub(crate) fn take_gateway(&mut self) -> Option<GatewayFault> {
        take(&mut self.gateway)
    }

    /// The fault for a call of this action: its own goes before that of all.
    pub(crate) fn take_api(&mut self, action: &str) -> Option<ApiFault> {
        let mut own = self.actions.remove(action);
        let fault = take(&mut own);
        if let Some(own) = own {
            self.actions.insert(action.to_owned(), own);
        }
        fault.or_else(|| take(&mut self.api))
    }
}

/// Uses a fault once.
fn take<F: Clone>(armed: &mut Option<Armed<F>>) -> Option<F> {
    match armed {
        None => None,
        Some(Armed { fault, left: None }) => Some(fault.clone()),
        Some(Armed { left: Some(0), .. }) => {
            *armed = None;
            None
        }
        Some(Armed { fault, left: Some(left) }) => {
            *left -= 1;
            Some(fault.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fault_of_an_action_goes_before_that_of_all() {
        let mut faults = Faults::default();
        faults.arm_api(ApiFault::Down, None);
        faults.arm_action("AssumeRole", ApiFault::Denied, Some(1));
        assert_eq!(faults.take_api("GetCallerIdentity"), Some(ApiFault::Down));
        assert_eq!(faults.take_api("AssumeRole"), Some(ApiFault::Denied));
        assert_eq!(faults.take_api("AssumeRole"), Some(ApiFault::Down));
    }

    #[test]
    fn a_fault_holds_as_often_as_it_was_armed() {
        let mut faults = Faults::default();
        faults.arm_gateway(GatewayFault::Hang, Some(2));
        assert_eq!(faults.take_gateway(), Some(GatewayFault::Hang));
        assert_eq!(faults.take_gateway(), Some(GatewayFault::Hang));
        assert_eq!(faults.take_gateway(), None);
        faults.arm_gateway(GatewayFault::CutBefore, None);
        for _ in 0..5 {
            assert_eq!(faults.take_gateway(), Some(GatewayFault::CutBefore));
        }
    }
}
