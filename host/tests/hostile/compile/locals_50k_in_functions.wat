;; Forty functions with 49,000 local variables each, and a loop over them.
{{40:(func (local v128 {{48999:i32 }}) (loop $again (local.set 7 (local.get 48000)) (br_if $again (local.get 40000))))
}}
