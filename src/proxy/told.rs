//! The record of a request while its upstream is awaited. Whatever ends that, also a client that leaves, the record says
//! what the request calls: it may have been done.

use http::Method;
use http::request::Parts;

use crate::observe::access::Record;
use crate::proxy::called::{Called, argument_names, called};
use crate::proxy::replay::Kept;

/// Tells the record, when it goes, what the request calls.
pub(super) struct Told<'a> {
    pub(super) record: &'a mut Record,
    pub(super) head: &'a Parts,
    pub(super) body: &'a Kept,
    /// Whether names of arguments are wanted.
    pub(super) arguments: bool,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if self.head.method != Method::POST || self.record.knows_calls() {
            return;
        }
        let beginning = self.body.beginning();
        let Some(Called { method, name }) = called(&self.head.headers, &beginning) else { return };
        self.record.called(&method, name.as_deref());
        if self.arguments {
            let names = argument_names(&beginning);
            self.record.argument_names(names.iter().map(String::as_str));
        }
    }
}
