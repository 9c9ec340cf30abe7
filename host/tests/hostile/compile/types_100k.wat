;; 100,000 types of functions with twelve parameters each.
{{100000:(type (func (param {{3:i64 i32 f64 v128 }}) (result i32)))
}}
