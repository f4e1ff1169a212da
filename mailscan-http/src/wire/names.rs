//! The schemas of names that come from the core, made of the core's own lists.

use mailscan_core::job;
use mailscan_core::store;
use utoipa::openapi::Schema;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};

fn one_of(types: &[Type], names: &[&str]) -> Schema {
    let names = names.iter().map(|name| serde_json::Value::from(*name));
    let null = types.contains(&Type::Null).then_some(serde_json::Value::Null);
    let types = SchemaType::from_iter(types.iter().cloned());
    ObjectBuilder::new().schema_type(types).enum_values(Some(names.chain(null))).build().into()
}

/// The state of a job.
pub(super) fn job_status() -> Schema {
    one_of(&[Type::String], &job::JobStatus::ALL.map(job::JobStatus::as_str))
}

fn error_classes() -> Vec<&'static str> {
    store::ErrorClass::ALL.iter().map(|class| class.as_str()).collect()
}

/// The class of an error.
pub(super) fn error_class() -> Schema {
    one_of(&[Type::String], &error_classes())
}

/// The class of an error, or none.
pub(super) fn maybe_error_class() -> Schema {
    one_of(&[Type::String, Type::Null], &error_classes())
}
