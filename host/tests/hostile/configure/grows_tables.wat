;; Grows sixty tables as far as it may, and gives up when one of them does not.
{{60:(table $t# 0 funcref)
}}
(func $configure (param i32 i32) (result i32)
  {{60:(if (i32.lt_s (table.grow $t# (ref.null func) (i32.const 990000)) (i32.const 0)) (then (unreachable)))
  }}
  (unreachable))
