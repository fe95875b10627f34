//! One alert, as the gateway reads it.

use std::cell::RefCell;
use std::sync::LazyLock;

use falconer_gateway::port::Row;
use jiff::Timestamp;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

use super::timestamp;
use crate::event::{self, Value};
use crate::hub::{Alert, Hub};
use crate::proto::DESCRIPTORS;
use crate::query;

/// The descriptor of gRPC's reply, for printing an alert as grpcurl does.
static RESPONSE: LazyLock<Option<MessageDescriptor>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(DESCRIPTORS).ok()?;
    pool.get_message_by_name("falco.outputs.response")
});

/// The length of a gRPC frame's prefix (flag and length), in bytes.
const PREFIX: usize = 5;

pub(super) struct AlertRow<'a> {
    pub(super) hub: &'a Hub,
    pub(super) alert: &'a Alert<'a>,
}

impl Row for AlertRow<'_> {
    fn cursor(&self) -> String {
        self.hub.cursor(self.alert.sequence).to_string()
    }

    fn time(&self) -> Timestamp {
        timestamp(self.alert.time)
    }

    fn priority(&self) -> usize {
        self.alert.priority as usize
    }

    fn rule(&self) -> &str {
        self.alert.labels.rule()
    }

    fn source(&self) -> &str {
        self.alert.labels.source()
    }

    fn hostname(&self) -> &str {
        self.alert.labels.hostname()
    }

    fn tags(&self, each: &mut dyn FnMut(&str)) {
        self.alert.labels.tags().for_each(each);
    }

    fn fields(&self, names: &[String], each: &mut dyn FnMut(usize, &str)) {
        query::read(self.alert, |event| {
            for (at, name) in names.iter().enumerate() {
                if name == "output" {
                    each(at, &event.output);
                    continue;
                }
                // If a name appears twice, the last counts, as in a filter.
                let value = event.fields.iter().rev().find(|(key, _)| key == name);
                match value.map(|(_, value)| value) {
                    None | Some(Value::Null) => {}
                    Some(Value::Text(text) | Value::Plain(text)) => each(at, text),
                    Some(Value::Nested(json)) => each(at, json),
                }
            }
        });
    }

    fn names(&self, each: &mut dyn FnMut(&str)) {
        let Ok(line) = std::str::from_utf8(self.alert.line) else { return };
        let each = RefCell::new(each);
        // Only names are needed, so values are skipped.
        let named = event::part(line, |name| {
            each.borrow_mut()(name);
            false
        });
        // A retained line was parsed as an alert before, so this cannot fail.
        drop(named);
    }

    fn line(&self) -> &[u8] {
        self.alert.line
    }

    fn protojson(&self) -> String {
        let written = || {
            let message = self.alert.frame.get(PREFIX..)?;
            let message = DynamicMessage::decode(RESPONSE.clone()?, message).ok()?;
            serde_json::to_string(&message).ok()
        };
        written().unwrap_or_else(|| "null".to_owned())
    }
}
