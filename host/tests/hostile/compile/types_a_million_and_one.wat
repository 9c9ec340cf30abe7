;; More types than WebAssembly allows.
{{1000001:(type (func))
}}
