//! Where metrics are shown and traces are sent.

use crate::config::raw::Raw;
use crate::config::resolve::Judge;
use crate::config::settings::Monitoring;
use crate::config::values;

impl Judge<'_> {
    pub(super) fn monitoring(&mut self, raw: &Raw) -> Option<Monitoring> {
        let metrics = self.take_some("metrics.listen", raw.metrics.listen.as_deref(), values::optional_address);
        let endpoint = raw.telemetry.otlp_endpoint.as_deref();
        let traces = self.take_some("telemetry.otlp_endpoint", endpoint, values::collector);
        Some(Monitoring { metrics: metrics?.flatten(), traces: traces?.flatten() })
    }
}
