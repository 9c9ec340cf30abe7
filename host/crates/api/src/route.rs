//! A route: what it serves, to whom, what it takes and what it answers, in one place.
//!
//! [`routes`](crate::table::routes) is the table of all of them. The router, the checks in [`guard`](crate::guard), the
//! OpenAPI document and the tests are made from it, so a route can't be forgotten in any of them.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Value, json};
use utoipa::openapi::path::Parameter;
use utoipa::{IntoParams, ToSchema};

use crate::context::Context;
use crate::role::Role;
use crate::schemas::Schemas;

/// What a route takes as a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// `application/json`, small. Routes without a body of their own take any.
    Json,
    /// `application/wasm`, up to the size that is set.
    Wasm,
}

impl Takes {
    /// The content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Wasm => "application/wasm",
        }
    }
}

/// A route of one method.
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// The role that a caller needs; `None` where it is open to all.
    pub role: Option<Role>,
    /// The body that it takes.
    pub takes: Takes,
    pub(crate) handler: MethodRouter<Context>,
    /// What OpenAPI calls the operation.
    pub(crate) id: String,
    pub(crate) summary: &'static str,
    pub(crate) parameters: Vec<Parameter>,
    /// The schema of its JSON body.
    pub(crate) body: Option<Value>,
    /// Status, content type and schema of its answer.
    pub(crate) answer: (u16, &'static str, Value),
    pub(crate) schemas: Schemas,
}

impl std::fmt::Debug for Route {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({:?})", self.method, self.path, self.role)
    }
}

impl Route {
    fn new<T: 'static, H: Handler<T, Context>>(
        (method, filter): (Method, MethodFilter),
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> Self {
        // `pelton_api::jobs::list` becomes `jobs_list`; those beside the table are named alone.
        let name = std::any::type_name::<H>();
        let names: Vec<_> = name.split("::").skip(1).filter(|module| *module != "table").collect();
        let id = names.join("_");
        Self {
            role: Some(if method == Method::GET { Role::Read } else { Role::Write }),
            method,
            path,
            takes: Takes::Json,
            // The guard has bounded the body already.
            handler: on(filter, handler).layer(DefaultBodyLimit::disable()),
            id,
            summary,
            parameters: Vec::new(),
            body: None,
            answer: (200, "text/plain", json!({"type": "string"})),
            schemas: Schemas::default(),
        }
    }

    /// What it does, in a word: `submit`, `start_shadow`, ….
    pub(crate) fn verb(&self) -> &str {
        let prefixes = ["jobs_", "dead_letters_"];
        prefixes.iter().find_map(|prefix| self.id.strip_prefix(prefix)).unwrap_or(&self.id)
    }

    /// A route that changes nothing, for the role `Read`. Without more said it answers with text.
    pub(crate) fn get<T: 'static, H: Handler<T, Context>>(
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> Self {
        Self::new((Method::GET, MethodFilter::GET), path, handler, summary)
    }

    /// A route that changes something, for the role `Write`.
    pub(crate) fn post<T: 'static, H: Handler<T, Context>>(
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> Self {
        Self::new((Method::POST, MethodFilter::POST), path, handler, summary)
    }

    /// A route that ends something, for the role `Write`.
    pub(crate) fn delete<T: 'static, H: Handler<T, Context>>(
        path: &'static str,
        handler: H,
        summary: &'static str,
    ) -> Self {
        Self::new((Method::DELETE, MethodFilter::DELETE), path, handler, summary)
    }

    /// For those who may do everything, although it changes nothing: it shows more than the host's own.
    pub(crate) fn write_only(mut self) -> Self {
        self.role = Some(Role::Write);
        self
    }

    /// Open to all: it tells nothing but that it is there.
    pub(crate) fn open(mut self) -> Self {
        self.role = None;
        self
    }

    /// Takes a query.
    pub(crate) fn query<T: IntoParams>(mut self) -> Self {
        self.parameters = T::into_params(|| Some(utoipa::openapi::path::ParameterIn::Query));
        self
    }

    /// Takes this as JSON.
    pub(crate) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(self.schemas.add::<T>());
        self
    }

    /// Takes a component.
    pub(crate) fn takes_component(mut self) -> Self {
        self.takes = Takes::Wasm;
        self
    }

    /// Answers with this as JSON.
    pub(crate) fn answers<T: ToSchema>(mut self, status: u16) -> Self {
        self.answer = (status, "application/json", self.schemas.add::<T>());
        self
    }

    /// Answers with text of this content type.
    pub(crate) fn answers_text(mut self, content_type: &'static str) -> Self {
        self.answer = (200, content_type, json!({"type": "string"}));
        self
    }

    /// Answers with server-sent events, each with this as JSON.
    pub(crate) fn streams<T: ToSchema>(mut self) -> Self {
        self.answer = (200, "text/event-stream", self.schemas.add::<T>());
        self
    }

    /// Answers with any JSON object.
    pub(crate) fn answers_object(mut self) -> Self {
        self.answer = (200, "application/json", json!({"type": "object"}));
        self
    }
}
