//! Hints about possible mistakes in a filter, for the gateway.

use falconer_gateway::port::{self, Row};

use crate::query::{Hint, Hints};

pub(super) struct Looked(pub(super) Hints);

impl port::Hints for Looked {
    fn is_settled(&self) -> bool {
        self.0.is_settled()
    }

    fn look(&mut self, row: &dyn Row) {
        row.names(&mut |name| self.0.look(name));
    }

    fn told(&self, whose: Option<&str>) -> Vec<port::Hint> {
        let told =
            |Hint { column, found, meant, detail }| port::Hint { column, found, meant, detail };
        self.0.told(whose).into_iter().map(told).collect()
    }
}
