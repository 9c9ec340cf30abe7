//! Schemas of types.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::ToSchema;

/// Schemas of types by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schemas(pub(crate) BTreeMap<String, Value>);

impl Schemas {
    /// Adds a type and all that it is made of; returns the reference to it.
    pub(crate) fn add<T: ToSchema>(&mut self) -> Value {
        let mut all = vec![(T::name().into_owned(), T::schema())];
        T::schemas(&mut all);
        let all = all.into_iter().map(|(name, schema)| (name, json!(schema)));
        self.0.extend(all);
        json!({"$ref": format!("#/components/schemas/{}", T::name())})
    }
}
