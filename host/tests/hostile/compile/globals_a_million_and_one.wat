;; More globals than WebAssembly allows.
{{1000001:(global i32 (i32.const 0))
}}
