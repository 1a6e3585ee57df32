//! What is logged, where metrics are shown and traces are sent.

use std::path::Path;

use crate::config::raw::{self, Raw};
use crate::config::resolve::Judge;
use crate::config::settings::Monitoring;
use crate::config::values;
use crate::observe::log::Settings as LogSettings;

impl Judge<'_> {
    pub(super) fn log(&mut self, raw: &raw::Log, home: Option<&Path>) -> Option<LogSettings> {
        let level = self.take("log.level", values::log_filter(&raw.level));
        let path = |text: &str| values::path(text, home);
        let audit_file = self.take_some("log.audit_file", raw.audit_file.as_deref(), path);
        Some(LogSettings { level: level?, audit_file: audit_file? })
    }

    pub(super) fn monitoring(&mut self, raw: &Raw) -> Option<Monitoring> {
        let metrics = self.take_some("metrics.listen", raw.metrics.listen.as_deref(), values::optional_address);
        let endpoint = raw.telemetry.otlp_endpoint.as_deref();
        let traces = self.take_some("telemetry.otlp_endpoint", endpoint, values::collector);
        Some(Monitoring { metrics: metrics?.flatten(), traces: traces?.flatten() })
    }
}
