;; 400 functions with 49,000 local variables each.
{{400:(func (local v128 {{48999:i32 }}))
}}
