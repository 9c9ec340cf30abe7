;; More data segments than WebAssembly allows.
{{100001:(data "")
}}
