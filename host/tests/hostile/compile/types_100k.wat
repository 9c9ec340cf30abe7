;; 100,000 types of functions, no two of them alike.
{{100000:(type (func (param {{17:i64 i32 f64 v128 }}) (result i32)))
}}
