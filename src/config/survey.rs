//! The first pass over a YAML text: records the shape of each node, in document order.
//!
//! A scalar is text here, whatever type YAML gives it. Falco ignores tags (`!name value`), so only
//! the value counts. A text with too many nodes is rejected, because aliases multiply them.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};

/// The most nodes of a text, aliases followed. Falco's own file has some hundreds.
const MAX_NODES: usize = 200_000;

/// The shape of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Null,
    Text,
    List,
    Map,
}

/// Appends the shape of every node, in document order.
pub(super) struct Survey<'s>(pub(super) &'s mut Vec<Shape>);

impl Survey<'_> {
    fn push<E: serde::de::Error>(self, shape: Shape) -> Result<(), E> {
        if self.0.len() >= MAX_NODES {
            return Err(E::custom(format_args!(
                "more than {MAX_NODES} values once aliases are followed"
            )));
        }
        self.0.push(shape);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Survey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Survey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.push(Shape::Null)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<(), E> {
        self.push(Shape::Null)
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.push(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        Survey(&mut *self.0).push(Shape::List)?;
        while list.next_element_seed(Survey(&mut *self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        Survey(&mut *self.0).push(Shape::Map)?;
        while map.next_key_seed(Survey(&mut *self.0))?.is_some() {
            map.next_value_seed(Survey(&mut *self.0))?;
        }
        Ok(())
    }

    /// A node with a tag (`!name value`). Falco ignores the tag.
    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<(), A::Error> {
        let (IgnoredAny, node) = tagged.variant()?;
        node.newtype_variant_seed(self)
    }
}
