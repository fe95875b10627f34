//! The schema of an alert in the OpenAPI description: Falco's JSON.
//!
//! No code reads or writes these types, because alerts are passed on byte for byte. The schema is
//! for people and for generated clients. It names the keys of Falco's alerts, and allows further
//! ones.
//!
//! 1. [`Alert`] is a posted alert. It has the required keys.
//! 2. [`KeptAlert`] is an alert in an answer: as it was posted or, with `format=protojson`, as
//!    grpcurl prints it, without empty values.

use std::borrow::Cow;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{
            AdditionalProperties, ArrayBuilder, KnownFormat, ObjectBuilder, SchemaFormat, Type,
        },
    },
};

use crate::port::PRIORITIES;

/// A posted alert.
#[derive(Debug)]
pub(crate) struct Alert;

/// A retained alert.
#[derive(Debug)]
pub(crate) struct KeptAlert;

impl ToSchema for Alert {
    fn name() -> Cow<'static, str> {
        "Alert".into()
    }
}

impl ToSchema for KeptAlert {
    fn name() -> Cow<'static, str> {
        "KeptAlert".into()
    }
}

impl PartialSchema for Alert {
    fn schema() -> RefOr<Schema> {
        let description =
            "An alert, as Falco writes it with `json_output`: an object, not the text of one.";
        let alert = described(description)
            .property("rule", text("The rule's name.").min_length(Some(1)))
            .property(
                "priority",
                text("The severity. It is accepted in any case.").enum_values(Some(PRIORITIES)),
            )
            .property(
                "time",
                text(TIME).format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))),
            );
        ["rule", "priority", "time"].iter().fold(alert, |alert, name| alert.required(*name)).into()
    }
}

impl PartialSchema for KeptAlert {
    fn schema() -> RefOr<Schema> {
        let description = "An alert as it arrived. With `format=protojson` names are in camel case, as in \
            `outputFields`, and what is empty is left out.";
        described(description)
            .property("rule", text("The rule's name."))
            .property("priority", text("`Emergency` to `Debug`, in any case."))
            .property("time", text(TIME))
            .into()
    }
}

const TIME: &str = "The time of the event: RFC 3339, to the nanosecond.";

fn text(says: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(says))
}

fn described(description: &str) -> ObjectBuilder {
    let tags = ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::String))
        .description(Some("The rule's tags."));
    let fields = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .description(Some("The fields in the rule's output: texts, numbers, true and false."));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some(description))
        .property("output", text("What happened, in words."))
        .property("source", text("Where Falco's events come from: `syscall` unless told."))
        .property("hostname", text("The machine; by default that of the sender."))
        .property("tags", tags)
        .property("output_fields", fields)
        .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(true)))
}
