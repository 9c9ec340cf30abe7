//! What wit-bindgen makes of `wit/job.wit`. The rest of the SDK hides it; a guest that wants the bare contract can
//! implement `exports::pelton::job::task::Guest` and call `export_component!` itself.
#![expect(missing_docs, reason = "generated code")]

wit_bindgen::generate!({
    world: "job",
    path: "wit",
    additional_derives: [Clone, PartialEq],
    pub_export_macro: true,
    export_macro_name: "export_component",
    default_bindings_module: "pelton_job::bindings",
});
